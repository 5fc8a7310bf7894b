"""Denoising in three planes, in the form that the benchmark of volumes measures."""

from __future__ import annotations

import numpy as np

from NeuralDiffusionLib import Denoiser, DenoiseSettings, slice_planes


def denoise_three_planes(
    denoiser: Denoiser, volume: np.ndarray, settings: DenoiseSettings | None = None
) -> tuple[np.ndarray, float]:
    """Denoise as `slice_planes.denoise_three_planes` does.

    Parameters
    ----------
    volume
        (slices, rows, columns), in any units.
    settings
        What to do; `slice_axis` is not used.

    Returns
    -------
    tuple
        The mean of the three images, float32, shape and units of the input, and the mean of the three noise levels, in
        the same units.

    Raises
    ------
    InvalidVolumeError
        If the volume cannot be denoised, or is a single slice.
    """
    result = slice_planes.denoise_three_planes(denoiser, volume, settings)
    levels = np.split(result.slice_sigma, np.cumsum(volume.shape)[:2])
    return result.image, float(np.mean([np.median(level) for level in levels]))
