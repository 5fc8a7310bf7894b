"""What a row of the table is: a way to remove noise, and what it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..files.command_error import CommandError

NOISY_INPUT = "Noisy input"
"""Name of the row that does nothing."""

INPUT_GROUP = "input"
PUBLISHED_GROUP = "as published"
TUNED_GROUP = "tuned, bias-corrected"
PEER_GROUP = "peer"
TRAINED_GROUP = "trained here"
OWN_GROUP = "own"
OUR_GROUP = "ours"

NO_REFINEMENT = ", no refinement"
"""How the name of a row of ours ends that leaves the refinement out."""

OUR_RUNS = "Ours"
"""How the name of a network of ours begins among those trained here, as measure.sh in Resources/Results has them."""

TRUE_SIGMA = ", true sigma"
"""How the name of a row ends that is told the noise level, where another one of the same method is not."""

GROUPS = (INPUT_GROUP, PUBLISHED_GROUP, TUNED_GROUP, PEER_GROUP, TRAINED_GROUP, OWN_GROUP, OUR_GROUP)
"""Kinds of rows, in the order of the table."""

CLASSICAL_GROUPS = (PUBLISHED_GROUP, TUNED_GROUP)
"""Groups of rows that are classical filters."""

AnyRow = TypeVar("AnyRow")

TOLD = ("none", "estimated", "true")
"""What a method may be told: no noise level, one that is estimated from the noisy slice, or the one that was added."""


@dataclass(frozen=True)
class Method:
    """One way to remove noise, as the benchmark runs it.

    Attributes
    ----------
    name
        What the table calls it; each row has its own.
    group
        One of `GROUPS`.
    told
        One of `TOLD`, in files "sigma"; where the level is estimated, the name says by what if it is not the method's
        own doing.
    denoise
        Takes noisy slices, (slices, rows, columns), float32 in [0, 1], and the levels that were added, (slices,);
        returns pictures of the same shape. Methods that are not marked "true" must not look at the levels.
    parameters
        Learned parameters; ``None`` for a method without any.
    macs_per_pixel
        Multiply-adds per pixel of a 128 x 128 slice; ``None`` where nobody counts them.
    estimate
        Gives the noise level that the method works with, (slices,), from noisy slices; ``None`` if it has none to tell.
    device
        Where it computes.
    """

    name: str
    group: str
    told: str
    denoise: Callable[[np.ndarray, np.ndarray], np.ndarray]
    parameters: int | None = None
    macs_per_pixel: float | None = None
    estimate: Callable[[np.ndarray], np.ndarray] | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"Group {self.group!r} of method {self.name!r} is not known: choose one of {GROUPS}.")
        if self.told not in TOLD:
            raise ValueError(f"Noise level {self.told!r} of method {self.name!r} is not known: choose one of {TOLD}.")


def reference_of(methods: Sequence[Method], measured: Sequence[AnyRow]) -> AnyRow | None:
    """What was measured of the row that all are compared with: the first one of ours, ``None`` if there is none.

    Parameters
    ----------
    methods
        The rows, in the order of the table.
    measured
        What was measured of each.
    """
    return next((one for method, one in zip(methods, measured, strict=True) if method.group == OUR_GROUP), None)


def told_in_name(name: str, told: str) -> str:
    """The name of a row for tables without a column for the noise level: it says so if the row is told the true one.

    Parameters
    ----------
    name
        Of the row.
    told
        One of `TOLD`.
    """
    return f"{name}{TRUE_SIGMA}" if told == "true" and not name.endswith(TRUE_SIGMA) else name


def check_names(names: Sequence[str]) -> None:
    """Refuse two rows of one name, which no reader could tell apart.

    Raises
    ------
    CommandError
        If a name occurs twice.
    """
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"Two rows of the table are called '{name}': give each a name of its own.")
