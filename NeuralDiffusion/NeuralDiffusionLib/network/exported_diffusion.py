"""The functions of `diffusion.py` as convolutions, for a program that is exported (to ONNX, say).

An exported graph has no custom gradient, and would consist of thousands of slices if it wrote to parts of an image.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .neighbourhood import EDGE_WEIGHTS, OFFSETS, edges_inside


def differences(image: Tensor, reach: int) -> Tensor:
    """As `diffusion.differences`."""
    count = len(OFFSETS)
    # The zeros around the image count only in edges that leave it.
    along = F.conv2d(image, _kernel(image, count), padding=reach, dilation=reach)
    return along * edges_inside(image, reach, count)


def _kernel(image: Tensor, count: int) -> Tensor:
    """(count, 1, 3, 3): the difference along every direction."""
    centre = (0, 0)
    rows = [
        [[int((down, right) == end) - int((down, right) == centre) for right in (-1, 0, 1)] for down in (-1, 0, 1)]
        for end in OFFSETS[:count]
    ]
    return image.new_tensor(rows).unsqueeze(1)


def diffuse(image: Tensor, gates: Tensor, step_sizes: Tensor, reach: int) -> Tensor:
    """As `diffusion.diffuse`."""
    count = gates.shape[1]
    kernel = _kernel(image, count)
    weights = image.new_tensor(EDGE_WEIGHTS[:count]).view(1, -1, 1, 1)
    conductance = gates * weights * edges_inside(image, reach, count)
    for number in range(step_sizes.shape[0]):
        flow = conductance * F.conv2d(image, kernel, padding=reach, dilation=reach)
        image = image - step_sizes[number] * F.conv_transpose2d(flow, kernel, padding=reach, dilation=reach)
    return image


def conduction_map(gates: Tensor, reach: int) -> Tensor:
    """As `diffusion.conduction_map`."""
    count = gates.shape[1]
    ends = _kernel(gates, count).abs()
    inside = edges_inside(gates, reach, count).unsqueeze(0)
    total, number = (
        F.conv_transpose2d(edges, ends, padding=reach, dilation=reach) for edges in (gates * inside, inside)
    )
    return (total / number.clamp_min(1.0)).clamp(0.0, 1.0)
