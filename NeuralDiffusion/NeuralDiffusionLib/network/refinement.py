"""The residual refinement that may follow the diffusion."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .padding import fold, unfold

_HIDDEN = 32
_FULL_STRENGTH_SIGMA = 0.1


class Refinement(nn.Module):
    """A small guided correction of the diffused slice, proportional to the noise level.

    It starts as zero and vanishes with sigma, so a slice without noise passes unchanged whatever the weights are.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(8 + width, _HIDDEN, 3, padding=1)
        self.last = nn.Conv2d(_HIDDEN, 4, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, diffused: Tensor, noisy: Tensor, guidance: Tensor, sigma: Tensor) -> Tensor:
        """Correction to add to `diffused`; all images (batch, 1, rows, columns), `sigma` (batch,)."""
        images = fold(torch.cat([diffused, noisy], dim=1), guidance.dtype)
        hidden = F.leaky_relu(self.first(torch.cat([images, guidance], dim=1)), 0.1, inplace=True)
        correction = unfold(self.last(hidden))
        return correction * (sigma / _FULL_STRENGTH_SIGMA).view(-1, 1, 1, 1)
