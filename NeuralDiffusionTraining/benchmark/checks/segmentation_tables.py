"""The table of the segmentation, on the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...files.markdown import markdown_table
from ..figure_text import interval_text, mean_text
from ..methods import told_in_name

if TYPE_CHECKING:
    from rich.table import Table

_HEADINGS = ("Method", "Sigma", "Dice (95 % CI)", "IoU (95 % CI)", "Slices with a lesion", "False alarms in the others")
_DECIMALS = 3


def to_terminal(table: Sequence[dict[str, Any]], title: str) -> Table:
    """The rows of `segmentation.summarise` for the eye."""
    from rich.table import Table

    drawn = Table(title=title)
    drawn.add_column("Method")
    for heading in ("Dice (95 % CI)", "IoU", "False alarms"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    for row in table:
        drawn.add_row(
            told_in_name(row["method"], row["sigma"]),
            interval_text(row["dice"], _DECIMALS),
            mean_text(row["iou"], _DECIMALS),
            _alarms(row),
        )
    return drawn


def to_markdown(table: Sequence[dict[str, Any]], title: str) -> str:
    """The rows of `segmentation.summarise` under their title."""
    lines = []
    for row in table:
        figures = (
            interval_text(row["dice"], _DECIMALS),
            interval_text(row["iou"], _DECIMALS),
            str(row["lesion_slices"]),
            _alarms(row),
        )
        lines.append([row["method"], row["sigma"], *figures])
    return f"**{title}**\n\n{markdown_table(_HEADINGS, lines, words=2)}\n"


def _alarms(row: dict[str, Any]) -> str:
    """Slices without a lesion in which one was found."""
    return f"{row['false_lesion_slices']} of {row['empty_slices']}" if row["empty_slices"] else ""
