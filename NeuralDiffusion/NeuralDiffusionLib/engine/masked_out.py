"""What was set to 0 before, as by skull stripping, defacing or padding: it has no part in a run, and stays 0."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK = 5
"""Pixels a side: noise, cut off at 0 or not, hardly ever leaves so many zeros side by side."""

_RINGS = 4
"""As far as the first steps of the diffusion reach, 4 pixels."""


def masked_out(zeros: Tensor) -> Tensor | None:
    """Tell pixels that were masked out from single ones that happen to be 0.

    Parameters
    ----------
    zeros
        Which pixels are 0, boolean, (batch, 1, rows, columns).

    Returns
    -------
    Tensor or None
        Those that lie in a block of 5 x 5 such pixels of the picture, shape of `zeros`; ``None`` if there are none.
    """
    masked = _opened(zeros, _BLOCK, beyond=False)
    return masked if masked.any() else None


def continued(slices: Tensor, masked: Tensor) -> Tensor:
    """Continue slices beyond the border of what was masked out, as padding does beyond that of the picture.

    The border is no edge of anatomy: the network takes it for one, and smooths what lies along it into the 0 beyond.

    Parameters
    ----------
    slices
        (batch, 1, rows, columns).
    masked
        As from `masked_out`.

    Returns
    -------
    Tensor
        The slices with four rings of means of their neighbours around what was left. Specks of noise in the air, where
        a scanner has set only what is faint to 0, are continued by nothing.
    """
    known = _opened(~masked & (slices != 0), 3, beyond=True)
    images = torch.where(known, slices, 0)
    for _ in range(_RINGS):
        share = F.avg_pool2d(known.float(), 3, 1, 1)
        ring = masked & ~known & (share > 0)
        images = torch.where(ring, F.avg_pool2d(images, 3, 1, 1) / share, images)
        known = known | ring
    return torch.where(masked, images, slices)


def _opened(pixels: Tensor, side: int, beyond: bool) -> Tensor:
    """Those pixels that lie in a square block of them; whether what lies beyond the picture counts as such."""
    others = F.pad((~pixels).float(), [side // 2] * 4, value=float(not beyond))
    return F.max_pool2d(1 - F.max_pool2d(others, side, 1), side, 1, side // 2) > 0
