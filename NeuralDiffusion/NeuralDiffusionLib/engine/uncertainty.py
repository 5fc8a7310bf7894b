"""How sure the network is: Monte Carlo dropout."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import WeightsError
from ..translation import translator
from .denoiser import Denoiser, DenoiseResult
from .scalar_types import exact_float
from .settings import DenoiseSettings

_ = translator(__name__)

DEFAULT_SAMPLES = 16


class _Dropout(nn.Module):
    """Leaves out channels like `torch.nn.Dropout2d` in training, but draws from generators of its own.

    Slice by slice it draws the same whatever the batches are, and others who draw random numbers do not disturb it.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.start(0)

    def start(self, sample: int) -> None:
        """Begin the draws of a sample; each sample has its own."""
        self._sample, self._generators = sample, {}

    def forward(self, features: Tensor) -> Tensor:
        # One for each place in the network, which features of their own shape pass; numpy's, as what PyTorch draws
        # depends on how much is drawn at once.
        place = tuple(features.shape[1:])
        generator = self._generators.setdefault(place, np.random.default_rng((self._sample, *place)))
        kept = generator.random(features.shape[:2]) >= self.share
        return features * torch.from_numpy(kept / (1 - self.share)).to(features)[..., None, None]


@dataclass(frozen=True)
class UncertainResult:
    """What sampling gives.

    Attributes
    ----------
    result
        The run without dropout, as `Denoiser` gives it.
    deviation
        Standard deviation of the samples at every voxel, float32, shape and units of the input: large where the
        weights leave open what lies there. It says nothing of what they were never shown.
    """

    result: DenoiseResult
    deviation: np.ndarray


def sample_uncertainty(
    denoiser: Denoiser,
    volume: np.ndarray,
    settings: DenoiseSettings | None = None,
    samples: int = DEFAULT_SAMPLES,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    conduction: bool = True,
) -> UncertainResult:
    """Denoise a volume several times with dropout switched on (Gal and Ghahramani, ICML 2016).

    Parameters
    ----------
    denoiser
        With weights that were trained with dropout.
    volume, settings, progress, cancelled
        As for `Denoiser`; `progress` counts the slices of all runs.
    samples
        Number of runs with dropout, 2 or more. The same samples are drawn every time, in batches of any size and
        whatever else runs; only where the memory runs out in mid-run are some drawn anew.
    conduction
        Whether to keep the conduction map of the run without dropout; of the samples none is kept.

    Raises
    ------
    ValueError
        If there are fewer than 2 samples.
    WeightsError
        If the weights were trained without dropout.
    InvalidVolumeError, DenoiseCancelled
        As from `Denoiser`.
    """
    if samples < 2:
        raise ValueError(f"{samples} samples have no standard deviation: choose 2 or more.")
    if not denoiser.network.architecture.dropout:
        raise WeightsError(
            _(
                "These weights were trained without dropout and cannot tell how uncertain they are: "
                "train others with 'neural-diffusion train --network dropout'."
            )
        )
    runs = 1 + samples

    def part(number: int) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(number * total + done, runs * total)

    scalar_type = exact_float(np.asarray(volume).dtype)
    result = denoiser(volume, settings, part(0), cancelled, scalar_type, conduction)
    # A copy: somebody else may be denoising with the original, which must not lose any channel.
    sampler = denoiser.with_network(copy.deepcopy(denoiser.network))
    dropout = sampler.network.guidance.dropout = _Dropout(denoiser.network.architecture.dropout)
    mean = np.zeros(result.image.shape, np.float64)
    squares = np.zeros(result.image.shape, np.float64)
    for number in range(1, runs):
        dropout.start(number)
        image = sampler(volume, settings, part(number), cancelled, scalar_type, conduction=False).image
        # Welford's update: the difference of two large sums would lose the small deviations.
        change = image - mean
        mean += change / number
        squares += change * (image - mean)
    return UncertainResult(result, np.sqrt(squares / (samples - 1)).astype(np.float32))
