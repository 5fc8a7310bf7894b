"""What the competing methods are told about the noise, so that they are as blind as ours and no blinder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionLib.network.noise_level import NoiseLevelEstimator
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

    Of the estimators that were tried on validation slices it serves the competing methods best: its mean relative
    error is 2 % for Rician noise (wavelet MAD 17 %, air 3 %) and 3 % for Gaussian noise (18 %, 50 %).

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
    with torch.inference_mode():
        levels, logits = _estimator()(torch.from_numpy(noisy).unsqueeze(1))
    types = logits.softmax(dim=1).numpy() if noise == "mixed" else _types(noise, len(noisy))
    levels = (types * levels.numpy()).sum(axis=1) if sigma is None else np.asarray(sigma, np.float32)
    return SliceNoise(levels, types)


@cache
def _estimator() -> NoiseLevelEstimator:
    return load_weights(BUNDLED_WEIGHTS).network.noise_level.eval()


def _types(noise: str, count: int) -> np.ndarray:
    return np.tile(np.eye(len(PURE_TYPES), dtype=np.float32)[PURE_TYPES.index(noise)], (count, 1))
