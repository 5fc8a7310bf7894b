"""The tables of `check_fidelity` as Markdown and on the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..files.markdown import markdown_table
from .envelope import WINDOWS
from .lesions import CNRS, RADII

if TYPE_CHECKING:
    from rich.table import Table

Tables = dict[str, list[dict[str, Any]]]
_Sheet = tuple[str, list[str], list[list[str]]]


def to_markdown(tables: Tables) -> str:
    """Three Markdown tables, each under its title."""
    parts = [f"**{title}**\n\n{markdown_table(headings, lines)}" for title, headings, lines in _sheets(tables)]
    return "\n\n".join(parts) + "\n"


def to_terminal(tables: Tables) -> list[Table]:
    """The same for the eye."""
    from rich.table import Table

    drawn = []
    for title, headings, lines in _sheets(tables):
        table = Table(title=title)
        table.add_column(headings[0], min_width=20)
        for heading in headings[1:]:
            table.add_column(heading, justify="right")
        for cells in lines:
            table.add_row(*cells)
        drawn.append(table)
    return drawn


def _sheets(tables: Tables) -> list[_Sheet]:
    """Title, headings and cells of each table."""
    methods = list(dict.fromkeys(row["method"] for row in tables["envelope"]))
    contrasts = [f"CNR {cnr:g}" for cnr in CNRS]
    recovered = {(row["method"], row["radius_px"], row["cnr"]): row["recovered"] for row in tables["lesions"]}
    false = {(row["method"], row["radius_px"], row["cnr"]): row["per_slice"] for row in tables["false_lesions"]}
    envelope = {(row["method"], row["window_px"]): row for row in tables["envelope"]}
    windows = [(window, "whole slice" if window is None else f"{window} x {window}") for window in WINDOWS]
    return [
        (
            "Contrast of small lesions that is left, %",
            ["Method", "Radius px", *contrasts],
            _by_radius(methods, recovered, 100, 0),
        ),
        (
            "False lesions per slice, at least as strong as",
            ["Method", "Radius px", *contrasts],
            _by_radius(methods, false, 1, 2),
        ),
        (
            "Pixels outside the local envelope of the input, % above / % below",
            ["Method", *(name for _, name in windows)],
            [
                [method]
                + [
                    " / ".join(_cell(envelope[method, window][side]["mean"], 100, 2) for side in ("above", "below"))
                    for window, _ in windows
                ]
                for method in methods
            ],
        ),
    ]


def _by_radius(methods: list[str], figures: dict[tuple, Any], scale: float, decimals: int) -> list[list[str]]:
    return [
        [method if number == 0 else "", str(radius)]
        + [_cell(figures[method, radius, cnr]["mean"], scale, decimals) for cnr in CNRS]
        for method in methods
        for number, radius in enumerate(RADII)
    ]


def _cell(value: float | None, scale: float, decimals: int) -> str:
    # NaN, or null where the tables come from a file: no lesion of this kind fitted into any slice.
    return "" if value is None or math.isnan(value) else f"{scale * value:.{decimals}f}"
