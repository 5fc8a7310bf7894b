"""Where the head is, in a clean slice or volume."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_fill_holes, label

HEAD_THRESHOLD = 0.05
"""Share of the intensity range above which a pixel may belong to the head."""


def head_mask(picture: np.ndarray, threshold: float = HEAD_THRESHOLD) -> np.ndarray:
    """The largest connected part above the threshold, with its cavities filled.

    Parameters
    ----------
    picture
        A clean slice or volume, any number of axes, any units.
    threshold
        In the units of `picture`; the default is meant for intensities in [0, 1].

    Returns
    -------
    np.ndarray
        Boolean, shape of `picture`; all False if nothing lies above the threshold. Parts are joined along the axes,
        not across corners.
    """
    parts, count = label(picture > threshold)
    if count == 0:
        return np.zeros(picture.shape, bool)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return binary_fill_holes(parts == sizes.argmax())
