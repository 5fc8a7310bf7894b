"""Slices of any size, and folded, for networks that halve them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of (batch, channels, rows, columns) until both counts are multiples."""
    rows, columns = images.shape[-2:]
    down, right = -rows % multiple, -columns % multiple
    return F.pad(images, (0, right, 0, down), mode="replicate") if down or right else images


def fold(images: Tensor, dtype: torch.dtype) -> Tensor:
    """`F.pixel_unshuffle(images, 2)` of a type, channels last, as a convolution reads it without copying it first."""
    if torch.compiler.is_compiling():
        return F.pixel_unshuffle(images, 2).to(dtype)
    batch, channels, rows, columns = images.shape
    shape = (batch, 4 * channels, rows // 2, columns // 2)
    folded = torch.empty(shape, dtype=dtype, device=images.device, memory_format=torch.channels_last)
    for row in range(2):
        for column in range(2):
            folded[:, 2 * row + column :: 4] = images[..., row::2, column::2]
    return folded


def unfold(folded: Tensor) -> Tensor:
    """`F.pixel_shuffle(folded, 2)` in float32, picture after picture in memory, as a diffusion step reads it."""
    if torch.compiler.is_compiling():
        return F.pixel_shuffle(folded, 2).float()
    batch, channels, rows, columns = folded.shape
    images = torch.empty((batch, channels // 4, 2 * rows, 2 * columns), device=folded.device)
    for row in range(2):
        for column in range(2):
            images[..., row::2, column::2] = folded[:, 2 * row + column :: 4]
    return images
