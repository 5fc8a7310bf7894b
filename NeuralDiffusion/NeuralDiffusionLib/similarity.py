"""How close a volume comes to a reference: PSNR and SSIM."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from .errors import DenoiseCancelled

WINDOW = 11
"""Rows and columns of the Gaussian window of the SSIM; slices must have as many."""

_SIGMA = 1.5
_RADIUS = WINDOW // 2


def reference_range(reference: np.ndarray) -> float:
    """Difference of the largest and the smallest value of a reference, in its units."""
    return float(reference.max()) - float(reference.min())


def psnr(reference: np.ndarray, volume: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB, infinite for equal volumes.

    Parameters
    ----------
    reference, volume
        Same shape and units. The peak is the range of the whole reference.
    mask
        Boolean, same shape: the voxels that count; all if left out.
    """
    where = slice(None) if mask is None else mask
    error = reference[where].astype(np.float64) - volume[where]
    mean_square = float(np.mean(np.square(error)))
    return math.inf if mean_square == 0 else 20 * math.log10(reference_range(reference)) - 10 * math.log10(mean_square)


def ssim(
    reference: np.ndarray,
    volume: np.ndarray,
    mask: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> float:
    """Structural similarity of Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 13(4), 2004, slice by slice; at most 1.

    11 x 11 Gaussian window of standard deviation 1.5 pixels, constants 0.01 and 0.03 of the range of the whole
    reference; only windows that lie inside the slice count.

    Parameters
    ----------
    reference, volume
        (slices, rows, columns), 11 x 11 or more, same shape and units.
    mask
        Boolean, same shape: the voxels around which windows count; all if left out. NaN where none is left.
    progress
        Called with the slices done and all slices.
    cancelled
        Asked before each slice; once it returns True the run stops.

    Raises
    ------
    DenoiseCancelled
        If the run was cancelled.
    """
    data_range = reference_range(reference)
    inner = (slice(_RADIUS, -_RADIUS), slice(_RADIUS, -_RADIUS))
    total, count = 0.0, 0
    for index, (first, second) in enumerate(zip(reference, volume, strict=True)):
        if cancelled is not None and cancelled():
            raise DenoiseCancelled(f"The comparison was cancelled after {index} of {len(reference)} slices.")
        similarity = _ssim_map(first.astype(np.float64), second.astype(np.float64), data_range)[inner]
        counted = similarity if mask is None else similarity[mask[index][inner]]
        total, count = total + float(counted.sum()), count + counted.size
        if progress is not None:
            progress(index + 1, len(reference))
    return total / count if count else math.nan


def _ssim_map(first: np.ndarray, second: np.ndarray, data_range: float) -> np.ndarray:
    def mean(picture: np.ndarray) -> np.ndarray:
        return gaussian_filter(picture, _SIGMA, radius=_RADIUS)

    means = mean(first), mean(second)
    product, squares = means[0] * means[1], means[0] ** 2 + means[1] ** 2
    covariance = mean(first * second) - product
    variances = mean(first**2) + mean(second**2) - squares
    of_mean, of_variance = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    return (2 * product + of_mean) * (2 * covariance + of_variance) / ((squares + of_mean) * (variances + of_variance))
