"""The MiniUNet that looks at the whole slice and tells the conduction network what lies where."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .padding import fold, pad_to_multiple

WIDTHS = (48, 64, 96)
CONDITIONS = 6
_EMBEDDING = 48
_CONTEXT = 128


class ConditionedBlock(nn.Module):
    """Residual block whose inner features are scaled and shifted by the noise level, type and neighbourhood.

    Feature-wise modulation after Perez et al., FiLM, AAAI 2018.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(_EMBEDDING, 2 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, features: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding).chunk(2, dim=1)
        inner = F.relu(_modulate(self.first(features), 1 + scale, shift), inplace=True)
        return self.second(inner).add_(features)


def _modulate(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Channels of `features`, (batch, width, rows, columns), times `scale` plus `shift`, both (batch, width)."""
    if torch.compiler.is_compiling() or not features.is_contiguous(memory_format=torch.channels_last):
        return torch.addcmul(shift[:, :, None, None], features, scale[:, :, None, None])
    # A CPU does this row by row in half the time that it takes pixel by pixel, the few channels of one at a time.
    batch, width, rows, columns = features.shape
    lines = features.permute(0, 2, 3, 1).reshape(batch, rows, columns * width)
    scale, shift = (values.repeat(1, columns).unsqueeze(1) for values in (scale, shift))
    # Fresh memory costs more than the arithmetic: without gradients the old values may go.
    out = None if torch.is_grad_enabled() else lines
    return torch.addcmul(shift, lines, scale, out=out).view(batch, rows, columns, width).permute(0, 3, 1, 2)


class Context(nn.Module):
    """Two more levels, of 1/16 and 1/32 of the slice's pixels a side, that see the whole head.

    They tell air from dark tissue: near the noise level that cannot be told from a pixel's surroundings. They cost
    4 % of the multiply-adds, as there are so few pixels. What they add starts as zero.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.to_sixteenth = nn.Conv2d(width, _CONTEXT, 2, stride=2)
        self.sixteenth = ConditionedBlock(_CONTEXT)
        self.to_smallest = nn.Conv2d(_CONTEXT, _CONTEXT, 2, stride=2)
        self.smallest = nn.ModuleList([ConditionedBlock(_CONTEXT), ConditionedBlock(_CONTEXT)])
        self.from_smallest = nn.ConvTranspose2d(_CONTEXT, _CONTEXT, 2, stride=2)
        self.from_sixteenth = nn.ConvTranspose2d(_CONTEXT, width, 2, stride=2)
        for layer in (self.from_smallest, self.from_sixteenth):
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.from_sixteenth.weight)

    def forward(self, coarse: Tensor, embedding: Tensor) -> Tensor:
        """`coarse`, (batch, width, rows, columns), any size, with what the context adds."""
        rows, columns = coarse.shape[-2:]
        sixteenth = self.sixteenth(self.to_sixteenth(pad_to_multiple(coarse, 4)), embedding)
        smallest = self.to_smallest(sixteenth)
        for block in self.smallest:
            smallest = block(smallest, embedding)
        seen = self.from_sixteenth(sixteenth + self.from_smallest(smallest))
        return coarse + seen[..., :rows, :columns]


class MiniUNet(nn.Module):
    """Residual U-Net of three levels, and two of context, on the slice folded 2 x 2 into channels.

    Parameters
    ----------
    dropout
        Probability with which a channel of the two coarser of the three levels is left out while dropout is active.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        self.embed = nn.Sequential(nn.Linear(CONDITIONS, _EMBEDDING), nn.ReLU(), nn.Linear(_EMBEDDING, _EMBEDDING))
        self.fold = nn.Conv2d(4, fine, 3, padding=1)
        self.encode_fine = ConditionedBlock(fine)
        self.to_middle = nn.Conv2d(fine, middle, 2, stride=2)
        self.encode_middle = ConditionedBlock(middle)
        self.to_coarse = nn.Conv2d(middle, coarse, 2, stride=2)
        self.coarse = nn.ModuleList([ConditionedBlock(coarse), ConditionedBlock(coarse)])
        self.context = Context(coarse)
        self.from_coarse = nn.ConvTranspose2d(coarse, middle, 2, stride=2)
        self.decode_middle = ConditionedBlock(middle)
        self.from_middle = nn.ConvTranspose2d(middle, fine, 2, stride=2)
        self.decode_fine = ConditionedBlock(fine)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, slices: Tensor, conditions: Tensor) -> Tensor:
        """Look at whole slices.

        Parameters
        ----------
        slices
            (batch, 1, rows, columns), rows and columns multiples of 8, intensities about [0, 1].
        conditions
            (batch, 6): noise level and its square root, the three type weights, 1 for the neighbourhood of 8 or 0 for
            4.

        Returns
        -------
        Tensor
            Guidance features, (batch, 48, rows / 2, columns / 2), of unit root mean square over the channels of each
            pixel.
        """
        embedding = F.relu(self.embed(conditions))
        fine = self.encode_fine(self.fold(fold(slices, slices.dtype)), embedding)
        middle = self.encode_middle(self.to_middle(fine), embedding)
        before, after = self.coarse
        coarse = self.context(before(self.to_coarse(middle), embedding), embedding)
        coarse = after(coarse, embedding)
        middle = self.decode_middle(self.from_coarse(self.dropout(coarse)).add_(middle), embedding)
        features = self.decode_fine(self.from_middle(self.dropout(middle)).add_(fine), embedding)
        # Of one size for every intensity and noise level, or the small networks that read them lose units for good.
        size = torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-4)
        # CUDA's autocast takes the root in float32, which would make float32 of all that the features meet.
        return features * size.to(features.dtype)
