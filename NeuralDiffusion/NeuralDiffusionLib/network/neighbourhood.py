"""The edges between neighbouring pixels: directions, weights, and the largest stable step."""

from __future__ import annotations

import math

import torch
from torch import Tensor

OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""(row, column) offset of each edge direction; the first two make the neighbourhood of 4, all four that of 8."""

EDGE_WEIGHTS = (1.0, 1.0, math.sqrt(0.5), math.sqrt(0.5))
"""Weight of each direction: the inverse of the distance between the two pixels."""


def directions(neighbours: int) -> int:
    """Number of edge directions of a neighbourhood: 2 for 4 neighbours, 4 for 8."""
    return neighbours // 2


def largest_step(neighbours: int) -> float:
    """Largest step size for which step times the sum of the neighbour weights is at most 1."""
    return 1.0 / (2.0 * sum(EDGE_WEIGHTS[: directions(neighbours)]))


def edges_inside(image: Tensor, reach: int, count: int) -> Tensor:
    """Tell the edges within an image from those that leave it.

    Parameters
    ----------
    image
        (..., rows, columns).
    reach
        Distance of the neighbours along rows and columns, in pixels.
    count
        Number of directions: 2 or 4.

    Returns
    -------
    Tensor
        (count, rows, columns), of the type of the image: 1 where the edge that starts at a pixel ends within the
        image, 0 where it would leave it.
    """
    rows, columns = image.shape[-2:]
    row = torch.arange(rows, device=image.device).view(-1, 1)
    column = torch.arange(columns, device=image.device).view(1, -1)
    ends = [(row + reach * down, column + reach * right) for down, right in OFFSETS[:count]]
    inside = [(below < rows) & (beside >= 0) & (beside < columns) for below, beside in ends]
    return torch.stack(inside).to(image.dtype)
