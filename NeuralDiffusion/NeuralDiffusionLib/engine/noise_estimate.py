"""The noise level of a scan from a few of its slices, before it is denoised."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..network.neural_diffusion import NeuralDiffusionNetwork
from ..network.noise_level import noise_of
from .denoise_result import median_level
from .denoiser import Denoiser
from .settings import DenoiseSettings
from .slice_run import SliceRun

SAMPLED_SLICES = 8

_FOREGROUND_SIGMA = 3.0
_FOREGROUND_SHARE = 0.1


@dataclass(frozen=True)
class NoiseEstimate:
    """What the slices tell.

    Attributes
    ----------
    sigma
        `median_level` of the slices, in the units of the scan (for speckle: relative to the signal; for mixed
        noise: at the top of the intensity range).
    snr
        Signal-to-noise ratio: the median signal of the foreground over `sigma`, as O. Dietrich et al. define it for
        one image, J. Magn. Reson. Imaging 26, 375-385 (2007), with an estimate in the place of a region in the air, and
        the foreground (what exceeds 3 sigma and a tenth of the intensity range) in the place of a region in tissue.
        For speckle it is 1 / `sigma`. ``None`` where there is no noise or no foreground, and for mixed noise, whose
        level in the foreground is not known.
    slices
        Number of slices that were looked at.
    """

    sigma: float
    snr: float | None
    slices: int


def estimate_noise(denoiser: Denoiser, volume: np.ndarray, settings: DenoiseSettings | None = None) -> NoiseEstimate:
    """Estimate the noise level of a volume from at most 8 slices, evenly spaced, as a run on these would.

    Parameters
    ----------
    denoiser
        Weights, device and precision.
    volume
        As for `Denoiser`.
    settings
        Noise type, slice axis and intensity range count; a given noise level does not.

    Raises
    ------
    InvalidVolumeError
        If the volume cannot be denoised.
    """
    run = SliceRun.of(volume, settings or DenoiseSettings())
    places = sampled_places(len(run.slices))
    run = replace(run, slices=run.slices[places])
    levels = np.empty(len(places), np.float32)

    def estimate(network: NeuralDiffusionNetwork, part: slice, inputs: torch.Tensor) -> None:
        level = noise_of(inputs, network.noise_level, run.settings.noise, None)[1].cpu().numpy()
        levels[part] = run.sigma_in_scan_units(level)

    denoiser.each_batch(run, estimate)
    sigma = median_level(levels)
    return NoiseEstimate(sigma, _snr(run, sigma), len(places))


def sampled_places(count: int) -> np.ndarray:
    """Return which of `count` slices are looked at, in ascending order; of 8 or fewer all."""
    sampled = min(count, SAMPLED_SLICES)
    # The middle of each of as many equal parts: the ends of a scan are mostly air.
    return (2 * np.arange(sampled) + 1) * count // (2 * sampled)


def _snr(run: SliceRun, sigma: float) -> float | None:
    if sigma == 0 or run.settings.noise == "mixed":
        return None
    if run.settings.noise == "speckle":
        return 1 / sigma
    foreground = run.slices[run.slices > max(_FOREGROUND_SIGMA * sigma, run.low + _FOREGROUND_SHARE * run.scale)]
    return float(np.median(foreground)) / sigma if foreground.size else None
