"""The plain U-Net that the original project compares itself with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from NeuralDiffusionLib.network.padding import pad_to_multiple

from .other_networks import BlindNetwork

_WIDTH = 32


class ResidualUNet(nn.Module):
    """Three-level U-Net that predicts what to add to its first input plane.

    Two 3 x 3 convolutions a level, each with ReLU: 32 and 32 channels, 64 and 64, 128 and 64, and on the way back up
    64 and 32; a 1 x 1 convolution reads the sum from these 32 and the first level's 32. Maximum pooling down, bilinear
    interpolation up, skips by concatenation, no normalisation: 304,961 parameters with one input plane and 288 more
    with each further one.

    The layout is that of the original project (T. Nayak, "neural-anisotropic-diffusion", github.com/tushar-nayak,
    commit fbe2d05); the U-Net itself is O. Ronneberger et al., MICCAI 2015.

    Parameters
    ----------
    planes
        Number of input planes.
    """

    def __init__(self, planes: int = 1) -> None:
        super().__init__()
        self.encode_fine = _double(planes, _WIDTH, _WIDTH)
        self.encode_middle = _double(_WIDTH, 2 * _WIDTH, 2 * _WIDTH)
        self.coarse = _double(2 * _WIDTH, 4 * _WIDTH, 2 * _WIDTH)
        self.decode_middle = _double(4 * _WIDTH, 2 * _WIDTH, _WIDTH)
        self.last = nn.Conv2d(2 * _WIDTH, 1, 1)

    def forward(self, planes: Tensor) -> Tensor:
        """Correction of (batch, 1, rows, columns), float32, for (batch, planes, rows, columns) of any size."""
        rows, columns = planes.shape[-2:]
        fine = self.encode_fine(pad_to_multiple(planes, 4))
        middle = self.encode_middle(F.max_pool2d(fine, 2))
        coarse = self.coarse(F.max_pool2d(middle, 2))
        middle = self.decode_middle(torch.cat([_enlarge(coarse), middle], dim=1))
        correction = self.last(torch.cat([_enlarge(middle), fine], dim=1))
        return correction[..., :rows, :columns].float()


class PlainUNet(BlindNetwork):
    """The U-Net as the original has it: blind, told neither noise level nor type; nothing inverts the bias."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = ResidualUNet()

    def restore(self, slices: Tensor) -> Tensor:
        return slices + self.unet(slices)


def _double(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, outputs, 3, padding=1), nn.ReLU()
    )


def _enlarge(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
