"""How far from zero the values of a map go, for the window that it is shown with."""

from __future__ import annotations

import numpy as np

from .engine.intensity import evenly_spread

_PERCENTILE = 99.5


def usual_magnitude(voxels: np.ndarray) -> float:
    """Return the absolute value that only one voxel in 200 exceeds, in the units of the map and more than 0.

    Single bright voxels do not set it, nor do voxels that are NaN or infinite. Of a large map an evenly spread part is
    looked at.
    """
    sample = np.abs(evenly_spread(voxels))
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 1.0
    return float(np.percentile(sample, _PERCENTILE)) or float(sample.max()) or 1.0
