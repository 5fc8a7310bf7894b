"""Does a picture stay between the lowest and the highest input around each pixel, or does it invent new extrema?"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

WINDOWS = (3, 7, None)
"""Sides of the neighbourhood in pixels; ``None`` is the whole slice.

One diffusion step stays within 3 x 3. Several steps reach further by one pixel each, so over 16 of them only the range
of the whole slice is guaranteed; the small windows show how local the result is.
"""

_TOLERANCE = 1e-5
"""What float32 arithmetic may add."""


def envelope_shares(picture: np.ndarray, noisy: np.ndarray, window: int | None) -> tuple[float, float]:
    """Share of pixels that lie above the local maximum, and below the local minimum, of the noisy input.

    Parameters
    ----------
    picture, noisy
        (rows, columns), the same units.
    window
        One of `WINDOWS`; pixels beyond the border do not exist.
    """
    if window is None:
        low, high = noisy.min(), noisy.max()
    else:
        low, high = (filter_(noisy, window, mode="nearest") for filter_ in (minimum_filter, maximum_filter))
    return float(np.mean(picture > high + _TOLERANCE)), float(np.mean(picture < low - _TOLERANCE))
