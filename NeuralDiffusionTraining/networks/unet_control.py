"""The honest control: the plain U-Net with everything of ours but the diffusion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from NeuralDiffusionLib.network.neural_diffusion import NetworkOutput
from NeuralDiffusionLib.network.noise_floor import NoiseFloorShrinkage, share_with_floor
from NeuralDiffusionLib.network.noise_level import NoiseLevelEstimator, noise_of
from NeuralDiffusionLib.network.noise_model import PURE_TYPES, BiasInversion

from .other_networks import undiffused
from .unet import ResidualUNet

_FULL_STRENGTH_SIGMA = 0.1


class UNetControl(nn.Module):
    """The U-Net of `PlainUNet` given our noise level, our noise type and our treatment of the bias.

    Beside the slice it sees a plane of the noise level and one for the weight of each noise type; both come from a
    `NoiseLevelEstimator` of its own where they are not told, by the rules of `NeuralDiffusionNetwork`. As there, the
    correction is proportional to the noise level, so a slice without noise passes unchanged whatever the weights are,
    and the bias of the result is inverted and what is left at the noise floor shrunk. 306,115 parameters beside those
    of the estimator.

    `iterations`, `neighbours` and `refine` do not count; the output's conduction is 0, as nothing diffuses.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noise_level = NoiseLevelEstimator()
        self.unet = ResidualUNet(2 + len(PURE_TYPES))
        self.inversion = BiasInversion()
        self.floor = NoiseFloorShrinkage(strength=0.3, reach=0.5)

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
        """Denoise slices, (batch, 1, rows, columns), float32, any size; arguments as of `NeuralDiffusionNetwork`."""
        clipped = slices.new_ones(len(slices)) if clipped is None else clipped
        types, sigma = noise_of(slices, self.noise_level, noise, sigma)
        strength = sigma / _FULL_STRENGTH_SIGMA
        told = torch.cat([strength[:, None], types], dim=1)[:, :, None, None].expand(-1, -1, *slices.shape[-2:])
        mean = slices + strength.view(-1, 1, 1, 1) * self.unet(torch.cat([slices, told], dim=1))
        inverted = self.inversion(mean, sigma, types, clipped)
        image = self.floor(inverted, sigma, share_with_floor(types, clipped))
        return undiffused(image, sigma)
