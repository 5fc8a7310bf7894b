"""What each noise model does to the mean of a pixel, and the layer that undoes it.

A diffusion step is a weighted mean, so it converges to the *expectation* of the noisy pixel. For magnitude (Rician)
noise and for Gaussian noise clipped at zero that expectation lies above the true signal: by 1.25 sigma in air for the
one, 0.40 sigma for the other. No weighted mean can remove such a bias; inverting the expectation can.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

PURE_TYPES = ("gaussian", "rician", "speckle")
"""Order of the noise types in every tensor of type weights; "mixed" is a soft weighting of these."""

_RATIO_MAX = 8.0
_ENTRIES = 2048


def rice_mean(ratio: Tensor) -> Tensor:
    """Mean of a Rice distribution of unit sigma.

    Parameters
    ----------
    ratio
        True signal over sigma, 0 or more, any shape.

    Notes
    -----
    sqrt(pi / 2) L_{1/2}(-ratio^2 / 2), S. O. Rice, Bell System Technical Journal 24 (1945), eq. 4.2-3, written with
    exponentially scaled Bessel functions so that it does not overflow.
    """
    half = ratio.square() / 4
    return math.sqrt(math.pi / 2) * ((1 + 2 * half) * torch.special.i0e(half) + 2 * half * torch.special.i1e(half))


def clipped_gaussian_mean(ratio: Tensor) -> Tensor:
    """Mean of max(ratio + n, 0) for a standard normal n; `ratio` is the true signal over sigma, 0 or more."""
    density = torch.exp(-ratio.square() / 2) / math.sqrt(2 * math.pi)
    return ratio * torch.special.ndtr(ratio) + density


class BiasInversion(nn.Module):
    """Removes the bias of the noise model from a smoothed image (Koay and Basser, J. Magn. Reson. 179, 2006).

    The inverse of each mean is a table over mean / sigma with linear interpolation, so the layer is differentiable.
    As sigma goes to zero the correction does too; at sigma 0 the image is returned as it is.
    """

    def __init__(self) -> None:
        super().__init__()
        means = torch.linspace(0, _RATIO_MAX, _ENTRIES, dtype=torch.float64)
        ratios = torch.linspace(0, _RATIO_MAX, 16 * _ENTRIES, dtype=torch.float64)
        tables = [
            means - _invert(clipped_gaussian_mean(ratios), ratios, means),
            means - _invert(rice_mean(ratios), ratios, means),
        ]
        self.register_buffer("bias", torch.stack(tables).float(), persistent=False)

    def forward(self, mean: Tensor, sigma: Tensor, types: Tensor, clipped: Tensor) -> Tensor:
        """Estimate the true signal.

        Parameters
        ----------
        mean
            Smoothed image, (batch, 1, rows, columns), float32.
        sigma
            Noise level, (batch,), in the units of `mean`.
        types
            Weight of each of `PURE_TYPES`, (batch, 3).
        clipped
            1 where values below zero were cut off by the scanner or the file format, 0 where they were kept, (batch,).
            Concerns the Gaussian model only.
        """
        sigma = sigma.view(-1, 1, 1, 1)
        ratio = mean / sigma.clamp_min(1e-6)
        shares = torch.stack([types[:, 0] * clipped, types[:, 1]], dim=1)
        return mean - sigma * self._look_up(ratio, shares)

    def _look_up(self, ratio: Tensor, shares: Tensor) -> Tensor:
        """Bias at each mean over sigma, of a mixture of the two models with shares of (batch, 2)."""
        position = ratio.clamp(0.0, _RATIO_MAX) * ((_ENTRIES - 1) / _RATIO_MAX)
        below = position.detach().floor().clamp(max=_ENTRIES - 2)
        index = below.long().flatten(1)
        table = (shares.unsqueeze(2) * self.bias).sum(dim=1)
        low, high = (table.gather(1, entry).view_as(ratio) for entry in (index, index + 1))
        inside = low + (high - low) * (position - below)
        # Beyond the table the bias falls as 1 / (2 ratio); below it the signal is zero, so all of the mean is bias.
        outside = table[:, -1].view(-1, 1, 1, 1) * _RATIO_MAX / ratio.clamp_min(_RATIO_MAX)
        below_zero = shares.sum(dim=1).view(-1, 1, 1, 1) * ratio
        return torch.where(ratio > _RATIO_MAX, outside, torch.where(ratio < 0, below_zero, inside))


def _invert(values: Tensor, arguments: Tensor, targets: Tensor) -> Tensor:
    """Arguments at which an increasing function, sampled as `values`, reaches `targets`; the first below its range."""
    right = torch.searchsorted(values, targets.contiguous()).clamp(1, len(values) - 1)
    left = right - 1
    fraction = ((targets - values[left]) / (values[right] - values[left])).clamp(0, 1)
    return arguments[left] + fraction * (arguments[right] - arguments[left])
