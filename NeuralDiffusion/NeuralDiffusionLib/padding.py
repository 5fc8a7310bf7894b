"""Slices of any size for networks that halve them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (batch, channels, rows, columns) until both counts are multiples."""
    rows, columns = images.shape[-2:]
    down, right = -rows % multiple, -columns % multiple
    return F.pad(images, (0, right, 0, down), mode="replicate") if down or right else images
