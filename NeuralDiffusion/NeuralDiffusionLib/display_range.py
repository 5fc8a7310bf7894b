"""How far from zero the values of a map go, for the window that it is shown with."""

from __future__ import annotations

import numpy as np

_PERCENTILE = 99.5
_ENOUGH_VOXELS = 4_000_000


def usual_magnitude(voxels: np.ndarray) -> float:
    """Return the absolute value that only one voxel in 200 exceeds, in the units of the map and more than 0.

    Single bright voxels do not set it. Of a large map an evenly spread part is looked at.
    """
    stride = -(-voxels.size // _ENOUGH_VOXELS)
    # An odd stride does not fall into step with rows and columns of even length.
    sample = np.abs(voxels.reshape(-1)[:: stride + (stride % 2 == 0)])
    return float(np.percentile(sample, _PERCENTILE)) or float(sample.max()) or 1.0
