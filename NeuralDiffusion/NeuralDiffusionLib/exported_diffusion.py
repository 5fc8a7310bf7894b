"""The functions of `diffusion.py` as convolutions, for a program that is exported (to ONNX, say).

An exported graph has no custom gradient, and would consist of thousands of slices if it wrote to parts of an image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .neighbourhood import EDGE_WEIGHTS, OFFSETS


def differences(image: Tensor, reach: int) -> Tensor:
    """As `diffusion.differences`."""
    return _differences(image, reach) * _inside(image, reach)


def _kernel(image: Tensor, count: int) -> Tensor:
    """(count, 1, 3, 3): the difference along every direction."""
    centre = (0, 0)
    rows = [
        [[int((down, right) == end) - int((down, right) == centre) for right in (-1, 0, 1)] for down in (-1, 0, 1)]
        for end in OFFSETS[:count]
    ]
    return image.new_tensor(rows).unsqueeze(1)


def _differences(image: Tensor, reach: int, count: int = len(OFFSETS)) -> Tensor:
    """As `diffusion.differences`, with zeros around the image: wrong for edges that leave it."""
    return F.conv2d(image, _kernel(image, count), padding=reach, dilation=reach)


def _inside(image: Tensor, reach: int, count: int = len(OFFSETS)) -> Tensor:
    """1 for edges within the image, 0 for those that leave it; (batch, count, rows, columns)."""
    return 1 + _differences(torch.ones_like(image), reach, count)


def diffuse(image: Tensor, gates: Tensor, step_sizes: Tensor, reach: int) -> Tensor:
    """As `diffusion.diffuse`."""
    count = gates.shape[1]
    kernel = _kernel(image, count)
    weights = image.new_tensor(EDGE_WEIGHTS[:count]).view(1, -1, 1, 1)
    conductance = gates * weights * _inside(image, reach, count)
    for number in range(step_sizes.shape[0]):
        flow = conductance * F.conv2d(image, kernel, padding=reach, dilation=reach)
        image = image - step_sizes[number] * F.conv_transpose2d(flow, kernel, padding=reach, dilation=reach)
    return image


def conduction_map(gates: Tensor, reach: int) -> Tensor:
    """As `diffusion.conduction_map`."""
    count = gates.shape[1]
    ends = _kernel(gates, count).abs()
    inside = _inside(gates[:, :1], reach, count)
    total, number = (
        F.conv_transpose2d(edges, ends, padding=reach, dilation=reach) for edges in (gates * inside, inside)
    )
    return (total / number.clamp_min(1.0)).clamp(0.0, 1.0)
