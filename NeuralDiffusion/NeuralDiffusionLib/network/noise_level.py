"""Blind estimate of the noise level, and of the noise type, from one slice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .noise_model import PURE_TYPES

LARGEST_SIGMA = 1.0
"""Highest noise level that the network is told, in units of the intensity range (speckle: of the signal): four times
that of training. Nothing can be told from such noise, and of much higher levels the guidance overflows."""

_WIDTH = 24
_WINDOW = 7
_INPUTS = 4 * 3


class NoiseLevelEstimator(nn.Module):
    """Attention-weighted local standard deviation.

    The local standard deviation of a high-pass image measures the noise wherever the anatomy is flat. A small network
    decides, for each noise type, where that is (attention) and what the reading must be multiplied by there (1 in
    tissue, 1.53 in air under Rician noise, 1 / intensity for speckle). The estimate is thus a mean of measured local
    standard deviations: an image without any variation reads exactly 0, whatever the weights are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(_INPUTS, _WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(_WIDTH, 2 * _WIDTH, 3, padding=1, stride=2),
            nn.ReLU(),
            nn.Conv2d(2 * _WIDTH, 2 * _WIDTH, 3, padding=1),
            nn.ReLU(),
        )
        self.attention = nn.Conv2d(2 * _WIDTH, len(PURE_TYPES), 1)
        self.factor = nn.Conv2d(2 * _WIDTH, len(PURE_TYPES), 1)
        self.judge = nn.Linear(4 * _WIDTH, len(PURE_TYPES))
        nn.init.zeros_(self.factor.weight)
        nn.init.zeros_(self.factor.bias)

    def forward(self, slices: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate level and type.

        Parameters
        ----------
        slices
            (batch, 1, rows, columns), any size, float32.

        Returns
        -------
        sigma : Tensor
            (batch, 3): the level under each noise type of `PURE_TYPES`, 0 or more, in units of the slices (relative to
            the signal for speckle).
        logits : Tensor
            (batch, 3): unnormalised log probabilities of the types.
        """
        slices = _fit(slices)
        mean, deviation = local_statistics(slices)
        inputs = torch.cat([slices, 4 * deviation, deviation / (mean.abs() + deviation + 0.01)], dim=1)
        features = self.features(F.pixel_unshuffle(inputs, 2))
        reading = F.avg_pool2d(deviation, 4)
        factor = torch.exp(self.factor(features).float().clamp(-4, 4))
        attention = self.attention(features).float().flatten(2).softmax(dim=2)
        sigma = (attention * (factor * reading).flatten(2)).sum(dim=2)
        # Over rows, then over columns: ten times faster than both at once while the channels lie last.
        brightest = features.permute(0, 2, 3, 1).amax(dim=1).amax(dim=1)
        pooled = torch.cat([features.mean(dim=(2, 3)), brightest], dim=1)
        return sigma, self.judge(pooled).float()


def noise_of(
    slices: Tensor, estimator: NoiseLevelEstimator, noise: str | Tensor, sigma: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Noise type and level to work with: what the caller says, the rest estimated.

    Parameters
    ----------
    slices
        (batch, 1, rows, columns), float32.
    estimator
        Asked for what is not given.
    noise
        One of `PURE_TYPES`, ``"mixed"`` for what the estimator judges, or the weights of `PURE_TYPES` as a (batch, 3)
        tensor.
    sigma
        (batch,), or ``None``.

    Returns
    -------
    tuple of Tensor
        Type weights (batch, 3) and noise level (batch,), both without gradient: they are data for what follows. An
        estimated level is at most `LARGEST_SIGMA`.
    """
    types = _told(noise, slices)
    if types is None or sigma is None:
        estimates, logits = estimator(slices)
        types = logits.softmax(dim=1) if types is None else types
        sigma = (types * estimates).sum(dim=1).clamp_max(LARGEST_SIGMA) if sigma is None else sigma
    return types.detach(), sigma.detach().float()


def _told(noise: str | Tensor, slices: Tensor) -> Tensor | None:
    """Type weights (batch, 3) as the caller says; ``None`` if that is left to the estimator."""
    if isinstance(noise, Tensor):
        return noise
    if noise == "mixed":
        return None
    types = slices.new_zeros(slices.shape[0], len(PURE_TYPES))
    types[:, PURE_TYPES.index(noise)] = 1
    return types


def local_statistics(slices: Tensor) -> tuple[Tensor, Tensor]:
    """Local mean, and local standard deviation of the noise-like part, over windows of 7 x 7 pixels.

    The noise-like part is the response to the mask [[1, -2, 1], [-2, 4, -2], [1, -2, 1]] / 6, blind to planes and to
    straight edges along rows and columns, of unit gain for white noise (Immerkaer, Comput. Vis. Image Underst. 64,
    1996).

    Parameters
    ----------
    slices
        (batch, 1, rows, columns), float32.

    Returns
    -------
    tuple of Tensor
        Both (batch, 1, rows, columns).
    """
    noise = sliding_sum(sliding_sum(slices, (1.0, -2.0, 1.0), 2), (1.0, -2.0, 1.0), 3)
    images = torch.cat([slices, (noise / 6).square()], dim=1)
    share = (1 / _WINDOW,) * _WINDOW
    mean, energy = sliding_sum(sliding_sum(images, share, 2), share, 3).split(1, dim=1)
    return mean, energy.sqrt()


def sliding_sum(images: Tensor, weights: Sequence[float], dim: int) -> Tensor:
    """Weighted sum over neighbours along an axis, beyond whose ends the last ones are repeated.

    Parameters
    ----------
    images
        (batch, channels, rows, columns).
    weights
        Of an odd number of neighbours, the middle one is the pixel itself.
    dim
        2 down the rows, 3 along the columns.
    """
    # A few shifted sums in float32 are many times faster on a CPU than pooling or a convolution of one channel.
    half = len(weights) // 2
    padded = F.pad(images, (half, half, 0, 0) if dim == 3 else (0, 0, half, half), mode="replicate")
    size = images.shape[dim]
    total = weights[0] * padded.narrow(dim, 0, size)
    for start, weight in enumerate(weights[1:], start=1):
        total.add_(padded.narrow(dim, start, size), alpha=weight)
    return total


def _fit(slices: Tensor) -> Tensor:
    """Leave out the last rows and columns beyond a multiple of 4; repeat pixels only where there are fewer than 4.

    Repeated rows have no noise across them: estimated on padded slices, the level came out several times too low.
    """
    rows, columns = slices.shape[-2:]
    slices = slices[..., : max(rows - rows % 4, min(rows, 4)), : max(columns - columns % 4, min(columns, 4))]
    down, right = max(0, 4 - rows), max(0, 4 - columns)
    return F.pad(slices, (0, right, 0, down), mode="replicate") if down or right else slices
