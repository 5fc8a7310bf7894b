"""The table of the segmentation, on the terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

_HEADINGS = (
    "Method",
    "Sigma",
    "Dice (95 % CI)",
    "IoU (95 % CI)",
    "Slices with a lesion",
    "False lesions in the others",
)


def to_terminal(table: Sequence[dict[str, Any]], title: str) -> Table:
    """The rows of `segmentation.summarise` for the eye."""
    from rich.table import Table

    drawn = Table(title=title)
    drawn.add_column(_HEADINGS[0], min_width=20)
    for heading in _HEADINGS[1:]:
        drawn.add_column(heading, justify="right")
    for row in table:
        drawn.add_row(*_cells(row))
    return drawn


def to_markdown(table: Sequence[dict[str, Any]], title: str) -> str:
    """The rows of `segmentation.summarise` under their title."""
    lines = [f"**{title}**", "", f"| {' | '.join(_HEADINGS)} |", "|---|---|" + "---:|" * (len(_HEADINGS) - 2)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in table]
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> list[str]:
    false = f"{row['false_lesion_slices']} of {row['empty_slices']}" if row["empty_slices"] else ""
    return [row["method"], row["sigma"], _figure(row["dice"]), _figure(row["iou"]), str(row["lesion_slices"]), false]


def _figure(figure: dict[str, float]) -> str:
    if math.isnan(figure["mean"]):
        return ""
    interval = "" if math.isnan(figure["low"]) else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{figure['mean']:.3f}{interval}"
