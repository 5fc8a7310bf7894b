"""The original project's network, rebuilt for the retrained row of its experiment."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from NeuralDiffusionLib.network.neural_diffusion import NetworkOutput
from NeuralDiffusionLib.network.padding import pad_to_multiple

from .other_networks import unknown_level

_FEATURES = 8
_STEP = 0.05
_DIAGONAL = 0.707
_NEIGHBOURS = ((-1, 0), (1, 0), (0, 1), (0, -1), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""(row, column) offset of each neighbour."""


class OriginalGuidance(nn.Module):
    """Two-level U-Net that gives 8 guidance features in [0, 1] at full resolution; 12,888 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(1, 16, 3, padding=1)
        self.coarse = nn.Conv2d(16, 32, 3, padding=1)
        self.decode = nn.Conv2d(32 + 16, 16, 3, padding=1)
        self.features = nn.Conv2d(16, _FEATURES, 3, padding=1)

    def forward(self, slices: Tensor) -> Tensor:
        """(batch, 8, rows, columns) for (batch, 1, rows, columns), both counts even."""
        fine = F.relu(self.fine(slices))
        coarse = F.relu(self.coarse(F.max_pool2d(fine, 2)))
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        return torch.sigmoid(self.features(F.relu(self.decode(torch.cat([coarse, fine], dim=1)))))


class OriginalNetwork(nn.Module):
    """The original's learned Perona-Malik equation: 8 neighbours, one network asked for the gates in every step.

    A step adds 0.05 times the sum over the neighbours of gate times difference, diagonal differences weighted by
    0.707. The gates come from the 8 weighted differences and 8 guidance features through three 3 x 3 convolutions
    (32, 16, 8 channels), whose weights all steps share. Each pixel has gates of its own, so what leaves one pixel does
    not enter the other and the mean is not conserved. The border is repeated. The guidance sees the 3 x 3 mean of the
    noisy slice. Two convolutions (16 channels, 1) then add a residual, and the result is cut to [0, 1], in training as
    well. No noise level is used, no bias inverted. 23,617 parameters; 2.88 GMAC a slice of 128 x 128 with 16 steps.

    The layout is that of T. Nayak, "neural-anisotropic-diffusion", github.com/tushar-nayak, commit fbe2d05.

    `noise`, `neighbours`, `sigma` and `clipped` do not count: the original trains one network for each noise type and
    neighbourhood. The output's noise level is NaN, as none is used.

    Parameters
    ----------
    trained_guidance
        The original detaches the guidance features, so its guidance network stays as it was initialised (``False``);
        ``True`` trains it.
    """

    def __init__(self, trained_guidance: bool = False) -> None:
        super().__init__()
        self.guidance = OriginalGuidance()
        self.conduction = nn.Sequential(
            nn.Conv2d(len(_NEIGHBOURS) + _FEATURES, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, len(_NEIGHBOURS), 3, padding=1),
            nn.Sigmoid(),
        )
        self.refinement = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))
        # The same as detaching its features, and training on several processes accepts weights without a gradient.
        self.guidance.requires_grad_(trained_guidance)

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
        rows, columns = slices.shape[-2:]
        smooth = F.avg_pool2d(slices, 3, stride=1, padding=1)
        features = self.guidance(pad_to_multiple(smooth, 2))[..., :rows, :columns]
        state, open_sum = slices, torch.zeros_like(slices)
        for _ in range(iterations):
            differences = _differences(state)
            gates = self.conduction(torch.cat([differences, features.to(differences.dtype)], dim=1)).float()
            state = state + _STEP * (gates * differences).sum(dim=1, keepdim=True)
            open_sum = open_sum + gates.detach().mean(dim=1, keepdim=True)
        image = state + self.refinement(state).float() if refine else state
        return NetworkOutput(image.clamp(0, 1), state, open_sum / iterations, unknown_level(slices))


def _differences(image: Tensor) -> Tensor:
    """Neighbour minus pixel for each of the 8 neighbours, (batch, 8, rows, columns), diagonal ones times 0.707."""
    rows, columns = image.shape[-2:]
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    shifted = [padded[..., 1 + down : 1 + down + rows, 1 + right : 1 + right + columns] for down, right in _NEIGHBOURS]
    weights = image.new_tensor([_DIAGONAL if down and right else 1.0 for down, right in _NEIGHBOURS])
    return (torch.cat(shifted, dim=1) - image) * weights.view(1, -1, 1, 1)
