"""The conduction network: how freely intensity may flow along every edge between neighbouring pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .diffusion import differences
from .neighbourhood import OFFSETS
from .padding import fold, unfold

_FOLDED = 4 * len(OFFSETS)
_HIDDEN = 32


class ConductionNetwork(nn.Module):
    """Gates of one stage of the diffusion, from directional differences and guidance.

    The guidance reaches the hidden layer through `GuidanceProjection`; it does not change while the image diffuses.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gradients = nn.Conv2d(_FOLDED, _HIDDEN, 3, padding=1)
        self.gates = nn.Conv2d(_HIDDEN, _FOLDED, 1)
        # Open gates are the natural start: a diffusion that does nothing gives nothing to learn from.
        nn.init.constant_(self.gates.bias, 1.0)

    def forward(self, image: Tensor, guidance: Tensor, noise: Tensor, reach: int = 1) -> Tensor:
        """Predict the gates.

        Parameters
        ----------
        image
            Current state of the diffusion, (batch, 1, rows, columns), rows and columns even.
        guidance
            This stage's share of the hidden layer, (batch, 32, rows / 2, columns / 2).
        noise
            Standard deviation of the noise at every pixel, broadcastable to `image`.
        reach
            Distance of the neighbours, in pixels.

        Returns
        -------
        Tensor
            (batch, 4, rows, columns) in [0, 1], float32.
        """
        # Perona and Malik measure a difference against a contrast parameter; here that is the noise itself.
        contrast = differences(image, reach) / (5 * noise + 0.02)
        hidden = F.leaky_relu(self.gradients(fold(contrast, guidance.dtype)).add_(guidance), 0.1, inplace=True)
        return unfold(self.gates(hidden)).sigmoid_()


class GuidanceProjection(nn.Conv2d):
    """Projects the guidance features onto the hidden layer of each stage's conduction network."""

    def __init__(self, width: int, stages: int) -> None:
        super().__init__(width, _HIDDEN * stages, 1)

    def of_stage(self, guidance: Tensor, stage: int) -> Tensor:
        """(batch, 32, rows, columns) for guidance of (batch, width, rows, columns)."""
        part = slice(stage * _HIDDEN, (stage + 1) * _HIDDEN)
        return F.conv2d(guidance, self.weight[part], self.bias[part])
