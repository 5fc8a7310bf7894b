"""What networks that do not diffuse share with ours: its arguments and its output."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from NeuralDiffusionLib.network.neural_diffusion import NetworkOutput


class BlindNetwork(nn.Module):
    """A network that sees the slices and is told nothing: of the arguments of `forward` only `slices` counts.

    The output's conduction is 0, as nothing diffuses, and its noise level is NaN, as none is used.
    """

    def restore(self, slices: Tensor) -> Tensor:
        """The slices without noise, (batch, 1, rows, columns), float32."""
        raise NotImplementedError

    def forward(
        self,
        slices: Tensor,
        noise: str | Tensor = "rician",
        iterations: int = 16,
        neighbours: int = 8,
        refine: bool = True,
        sigma: Tensor | None = None,
        clipped: Tensor | None = None,
    ) -> NetworkOutput:
        """Denoise slices, (batch, 1, rows, columns), float32, any size; the arguments of every network here."""
        return undiffused(self.restore(slices), unknown_level(slices))


def undiffused(image: Tensor, sigma: Tensor) -> NetworkOutput:
    """The output of a network in which nothing diffuses.

    Parameters
    ----------
    image
        Its result, (batch, 1, rows, columns).
    sigma
        Noise level that it works with, (batch,).
    """
    return NetworkOutput(image, image, torch.zeros_like(image), sigma)


def unknown_level(slices: Tensor) -> Tensor:
    """NaN for each slice, (batch,): the noise level of a network that uses none."""
    return slices.new_full((len(slices),), torch.nan)
