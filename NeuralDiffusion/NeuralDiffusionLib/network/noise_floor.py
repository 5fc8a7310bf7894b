"""What is left near the noise floor, and the layer that draws it towards zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .noise_model import PURE_TYPES


def share_with_floor(types: Tensor, clipped: Tensor) -> Tensor:
    """Weight of the noise types that keep air above zero, (batch,): Rician, and Gaussian that was cut off at zero.

    Parameters
    ----------
    types
        Weight of each of `noise_model.PURE_TYPES`, (batch, 3).
    clipped
        1 where values below zero were cut off, 0 where they were kept, (batch,).
    """
    return types[:, PURE_TYPES.index("rician")] + types[:, PURE_TYPES.index("gaussian")] * clipped


class NoiseFloorShrinkage(nn.Module):
    """Shrinks intensities of less than about the noise level; brighter ones pass unchanged.

    The inverse of the bias has no finite slope at the noise floor: what little noise a smoothed image has there comes
    back large, and never below zero, so that air turns out too bright. Shrinkage of a noisy estimate towards zero
    (W. James and C. Stein, Proc. 4th Berkeley Symposium, 1961) takes that back. The curve rises everywhere, so that
    what was darker stays darker.

    Parameters
    ----------
    strength
        Share that is taken away at intensity 0, between 0 and 1; learned from there on.
    reach
        Intensity up to which much is taken away, as a multiple of the noise level; learned from there on.
    """

    def __init__(self, strength: float, reach: float) -> None:
        super().__init__()
        self.strength_logit = nn.Parameter(torch.tensor(strength).logit())
        self.log_reach = nn.Parameter(torch.tensor(reach).log())

    def forward(self, image: Tensor, sigma: Tensor, share: Tensor) -> Tensor:
        """Shrink an image.

        Parameters
        ----------
        image
            (batch, 1, rows, columns), float32, after the inversion of the bias.
        sigma
            Noise level, (batch,), in the units of the image.
        share
            How much of the shrinkage is applied, (batch,), 0 to 1: see `share_with_floor`.
        """
        reach = (self.log_reach.exp() * sigma).clamp_min(1e-6).view(-1, 1, 1, 1)
        strength = (torch.sigmoid(self.strength_logit) * share).view(-1, 1, 1, 1)
        return image * (1 - strength * torch.exp(-(image / reach).square()))
