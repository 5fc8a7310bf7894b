"""Classical filters that a result is compared with: gradient anisotropic diffusion and non-local means."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import uniform_filter

from .errors import DenoiseCancelled

CONDUCTANCE, ITERATIONS, TIME_STEP = 1.0, 5, 0.0625
"""Defaults of Slicer's module Gradient Anisotropic Diffusion."""

PATCH, SEARCH = 5, 13
"""Rows and columns of the patches, and of the window in which they are looked for, of `non_local_means`."""

_STRENGTH = 0.8


def gradient_anisotropic_diffusion(
    volume: np.ndarray,
    spacing: tuple[float, float, float],
    conductance: float = CONDUCTANCE,
    iterations: int = ITERATIONS,
    time_step: float = TIME_STEP,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> np.ndarray:
    """Run ITK's filter as Slicer's module of that name does: in three dimensions, in float, with the image's spacing.

    Perona and Malik, IEEE PAMI 12(7), 1990, in the form of Whitaker and Xue, ICIP 2001.

    Parameters
    ----------
    volume
        (slices, rows, columns), finite.
    spacing
        Voxel size along columns, rows and slices (I, J, K), in mm.
    conductance
        0 to 10; the lower, the better edges are held.
    iterations
        1 to 30.
    time_step
        More than 0, at most 0.0625.
    progress
        Called with the iterations done and all iterations.
    cancelled
        Asked before each iteration; once it returns True the run stops.

    Returns
    -------
    np.ndarray
        float32, shape and units of the volume.

    Raises
    ------
    ValueError
        If a parameter is outside what Slicer's module allows, or the time step is not stable at this spacing.
    DenoiseCancelled
        If the run was cancelled.
    """
    if not 0 <= conductance <= 10:
        raise ValueError(f"Conductance {conductance:g} is not possible: choose a number from 0 to 10.")
    if not 1 <= iterations <= 30:
        raise ValueError(f"Iteration count {iterations} is not possible: choose a whole number from 1 to 30.")
    if not 0 < time_step <= TIME_STEP:
        raise ValueError(f"Time step {time_step:g} is not possible: choose a number above 0, at most {TIME_STEP:g}.")
    if time_step > _stability_limit(spacing):
        sizes = " x ".join(f"{size:.3g}" for size in spacing)
        raise ValueError(
            f"Time step {time_step:g} is not stable for voxels of {sizes} mm: "
            f"choose {stable_time_step(spacing):g} or less."
        )
    image = sitk.GetImageFromArray(volume.astype(np.float32))
    image.SetSpacing(spacing)
    for done in range(iterations):
        if cancelled is not None and cancelled():
            raise DenoiseCancelled(f"The diffusion was cancelled after {done} of {iterations} iterations.")
        # One at a time gives bit for bit what all at once do: the filter carries nothing from one to the next.
        image = sitk.GradientAnisotropicDiffusion(image, time_step, conductance, 1, 1)
        if progress is not None:
            progress(done + 1, iterations)
    return sitk.GetArrayFromImage(image)


def stable_time_step(spacing: tuple[float, float, float]) -> float:
    """Largest stable time step of the diffusion at a spacing in mm (I, J, K), at most Slicer's default."""
    limit = _stability_limit(spacing)
    return TIME_STEP if limit >= TIME_STEP else _rounded_down(limit)


def _stability_limit(spacing: tuple[float, float, float]) -> float:
    # Each step moves time step / spacing of every difference; beyond a sum of 1 the values swing.
    return 1 / sum(2 / size for size in spacing)


def non_local_means(
    volume: np.ndarray,
    sigma: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> np.ndarray:
    """Non-local means, slice by slice: 5 x 5 patches, looked for in 13 x 13 pixels.

    Buades, Coll and Morel, CVPR 2005, with box-shaped patches (Darbon et al., ISBI 2008) and the noise variance
    subtracted from their distances (Buades, Coll and Morel, IPOL 1, 2011); the filter strength is 0.8 sigma. The bias
    of Rician noise is not corrected.

    Parameters
    ----------
    volume
        (slices, rows, columns), finite.
    sigma
        Standard deviation of the noise in the units of the volume; ``None`` takes `estimate_sigma`.
    progress
        Called with the slices done and all slices.
    cancelled
        Asked before each slice; once it returns True the run stops.

    Returns
    -------
    np.ndarray
        float32, shape and units of the volume.

    Raises
    ------
    ValueError
        If sigma is negative or not finite.
    DenoiseCancelled
        If the run was cancelled.
    """
    if sigma is not None and not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"Noise level {sigma!r} is not possible: give a finite number, 0 or more.")
    sigma = estimate_sigma(volume) if sigma is None else sigma
    result = volume.astype(np.float32)
    if sigma == 0:
        return result
    for index, picture in enumerate(volume):
        if cancelled is not None and cancelled():
            raise DenoiseCancelled(f"Non-local means was cancelled after {index} of {len(volume)} slices.")
        result[index] = _non_local_means(picture.astype(np.float64), sigma)
        if progress is not None:
            progress(index + 1, len(volume))
    return result


def estimate_sigma(volume: np.ndarray) -> float:
    """Standard deviation of the noise in the brighter part of a volume, in its units.

    The median absolute value of the finest diagonal Haar coefficients over 0.6745 (Donoho and Johnstone, Biometrika
    81, 1994), of the blocks of 2 x 2 pixels brighter than the mean: in the air of a magnitude image noise is narrower,
    or cut away. 0 where a slice is smaller than such a block, or no block is brighter.
    """
    rows, columns = (size - size % 2 for size in volume.shape[1:])
    corners = [volume[:, row:rows:2, column:columns:2].astype(np.float64) for row in (0, 1) for column in (0, 1)]
    mean = sum(corners) / 4
    diagonal = (corners[0] - corners[1] - corners[2] + corners[3]) / 2
    bright = np.abs(diagonal[mean > mean.mean()]) if mean.size else mean
    return float(np.median(bright)) / 0.6745 if bright.size else 0.0


def _non_local_means(picture: np.ndarray, sigma: float) -> np.ndarray:
    reach = SEARCH // 2
    wide = np.pad(picture, reach + PATCH // 2, mode="symmetric")
    total, weights = np.zeros_like(picture), np.zeros_like(picture)
    centre = wide[reach:-reach, reach:-reach]
    inner = (slice(PATCH // 2, -(PATCH // 2)),) * 2
    for down in range(SEARCH):
        for right in range(SEARCH):
            moved = wide[down : down + centre.shape[0], right : right + centre.shape[1]]
            distance = uniform_filter(np.square(moved - centre), PATCH)[inner]
            excess = np.maximum(distance - 2 * sigma**2, 0)
            weight = np.exp(-excess / (_STRENGTH * sigma) ** 2)
            total += weight * moved[inner]
            weights += weight
    return total / weights


def _rounded_down(value: float) -> float:
    """Two significant digits, never more than the value."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.floor(value / digit) * digit
