"""The edges between neighbouring pixels: directions, weights, and the largest stable step."""

from __future__ import annotations

import math

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
