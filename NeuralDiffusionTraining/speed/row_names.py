"""What the table of speed calls its rows and curves, for those that make them and those that look for them."""

from __future__ import annotations

from typing import Literal

Group = Literal["ours", "lever", "network", "own", "classical"]
"""Kinds of subjects: "lever" is ours without something, "own" is of whoever measures."""

Axis = Literal["slices", "side", "iterations", "threads", "batch"]
"""What is varied where the scaling is timed."""

STRAIGHTFORWARD = "Straightforward form: that, in the usual format, on pixels"
STRAIGHTFORWARD_FULL_RESOLUTION = "The same with guidance at full resolution, untrained"
FORMS = (STRAIGHTFORWARD, STRAIGHTFORWARD_FULL_RESOLUTION)
"""Ours without any lever, in the order of the table."""

_INSTEAD = " instead"


def one_changed(lever: str, other: str) -> str:
    """Name of the row of ours that has something else in the place of one lever."""
    return f"{lever}: {other}{_INSTEAD}"


def has_one_changed(name: str) -> bool:
    """Whether `one_changed` gave a row its name."""
    return name.endswith(_INSTEAD)
