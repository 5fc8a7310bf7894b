"""What the competing methods are told about the noise, so that they are as blind as ours and no blinder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionLib.network.noise_level import NoiseLevelEstimator, noise_of
from NeuralDiffusionLib.network.noise_model import PURE_TYPES


@dataclass(frozen=True)
class SliceNoise:
    """Noise of some slices.

    Attributes
    ----------
    sigma
        Noise level, (slices,), float32; relative to the signal for speckle.
    types
        Weight of each of `noise_model.PURE_TYPES`, (slices, 3), float32, rows that add up to 1.
    """

    sigma: np.ndarray
    types: np.ndarray


def judge_noise(noisy: np.ndarray, noise: str, sigma: np.ndarray | None = None) -> SliceNoise:
    """Judge the noise of slices with the estimator of the bundled weights.

    It serves the competing methods better than the median of wavelet coefficients, whose scale the bias of Rician
    noise changes, and than the air, which Gaussian noise that was clipped at zero leaves half empty.

    Parameters
    ----------
    noisy
        (slices, rows, columns), float32 in [0, 1].
    noise
        ``"rician"``, ``"gaussian"``, ``"speckle"``, or ``"mixed"`` to judge the type of each slice too.
    sigma
        Noise levels, (slices,), if they are known; they are estimated if left out.
    """
    if noise != "mixed" and sigma is not None:
        return SliceNoise(np.asarray(sigma, np.float32), _types(noise, len(noisy)))
    given = None if sigma is None else torch.from_numpy(np.asarray(sigma, np.float32))
    with torch.inference_mode():
        types, levels = noise_of(torch.from_numpy(noisy).unsqueeze(1), _estimator(), noise, given)
    return SliceNoise(levels.numpy(), types.numpy())


@cache
def _estimator() -> NoiseLevelEstimator:
    return load_weights(BUNDLED_WEIGHTS).network.noise_level.eval()


def _types(noise: str, count: int) -> np.ndarray:
    return np.tile(np.eye(len(PURE_TYPES), dtype=np.float32)[PURE_TYPES.index(noise)], (count, 1))
