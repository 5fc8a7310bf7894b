"""The project's own bias inversion, for the pictures of other methods."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from NeuralDiffusionLib.network.noise_model import BiasInversion

from .slice_noise import SliceNoise


def correct_bias(smooth: np.ndarray, estimate: SliceNoise) -> np.ndarray:
    """Turn means of noisy pixels into estimates of the signal.

    Rician noise: the Rice mean is inverted; Gaussian noise that was cut off at zero: the mean of the clipped normal
    is; speckle has no bias. Noise of a judged type gets the weighted mixture.

    Parameters
    ----------
    smooth
        What a weighted mean made of noisy slices, (slices, rows, columns).
    estimate
        Noise of those slices.

    Returns
    -------
    np.ndarray
        float32, shape of `smooth`.
    """
    mean = torch.from_numpy(np.ascontiguousarray(smooth, np.float32)).unsqueeze(1)
    sigma, types = torch.from_numpy(estimate.sigma), torch.from_numpy(estimate.types)
    with torch.inference_mode():
        return _inversion()(mean, sigma, types, torch.ones_like(sigma))[:, 0].numpy()


@cache
def _inversion() -> BiasInversion:
    return BiasInversion()
