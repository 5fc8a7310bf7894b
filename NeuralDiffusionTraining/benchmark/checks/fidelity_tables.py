"""The tables of `check_fidelity` as Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...files.csv_text import is_unknown
from ...files.markdown import markdown_table
from ..figure_text import difference_text, number_text
from .envelope import WINDOWS
from .lesions import CNRS, RADII

if TYPE_CHECKING:
    from rich.table import Table

Tables = dict[str, list[dict[str, Any]]]
_Row = dict[str, Any]
_Sheet = tuple[str, list[str], list[list[str]]]
_CellOf = Callable[[_Row], str]

_COMPARED_CNRS = (1.0, 3.0)
"""A faint lesion and a plain one: a difference with its interval is wide, and all of `CNRS` would fill two screens."""


def to_markdown(tables: Tables, title: str = "") -> str:
    """Three Markdown tables, each under its own title, and the differences from ours after each if the rows have them.

    `title` says what all of them are of, above the first.
    """
    parts = [title] if title else []
    parts += [f"**{title}**\n\n{markdown_table(headings, lines)}" for title, headings, lines in _sheets(tables)]
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
    """Title, headings and cells of each table, every one followed by that of its differences if the rows have them."""
    outside = "Pixels outside the local envelope of the input"
    minus_ours = "minus ours (95 % CI)"
    pairs: list[tuple[_Sheet, _Sheet]] = [
        (
            _by_radius("Contrast of small lesions that is left, %", tables["lesions"], CNRS, _recovered),
            _by_radius(
                f"Contrast of small lesions that is left {minus_ours}, percentage points",
                tables["lesions"],
                _COMPARED_CNRS,
                lambda row: _difference(row, "recovered", 100, 1),
            ),
        ),
        (
            _by_radius("False lesions per slice, at least as strong as", tables["false_lesions"], CNRS, _per_slice),
            _by_radius(
                f"False lesions per slice {minus_ours}, at least as strong as",
                tables["false_lesions"],
                _COMPARED_CNRS,
                lambda row: _difference(row, "per_slice", 1, 2),
            ),
        ),
        (
            _by_window(f"{outside}, % above / % below", tables["envelope"], _sides),
            _by_window(
                f"{outside} {minus_ours}, percentage points",
                tables["envelope"],
                lambda row: _difference(row, "outside", 100, 2),
            ),
        ),
    ]
    compared = any("difference_recovered" in row for row in tables["lesions"])
    return [sheet for pair in pairs for sheet in (pair if compared else pair[:1])]


def _by_radius(title: str, rows: Sequence[_Row], contrasts: Sequence[float], cell: _CellOf) -> _Sheet:
    found = {(row["method"], row["radius_px"], row["cnr"]): row for row in rows}
    lines = [
        [method if number == 0 else "", str(radius), *(cell(found[method, radius, cnr]) for cnr in contrasts)]
        for method in _methods(rows)
        for number, radius in enumerate(RADII)
    ]
    return title, ["Method", "Radius px", *(f"CNR {cnr:g}" for cnr in contrasts)], lines


def _by_window(title: str, rows: Sequence[_Row], cell: _CellOf) -> _Sheet:
    found = {(row["method"], row["window_px"]): row for row in rows}
    names = ["whole slice" if window is None else f"{window} x {window}" for window in WINDOWS]
    lines = [[method, *(cell(found[method, window]) for window in WINDOWS)] for method in _methods(rows)]
    return title, ["Method", *names], lines


def _methods(rows: Sequence[_Row]) -> list[str]:
    return list(dict.fromkeys(row["method"] for row in rows))


def _recovered(row: _Row) -> str:
    return number_text(_scaled(row["recovered"]["mean"], 100), 0)


def _per_slice(row: _Row) -> str:
    return number_text(row["per_slice"]["mean"], 2)


def _sides(row: _Row) -> str:
    return " / ".join(number_text(_scaled(row[side]["mean"], 100), 2) for side in ("above", "below"))


def _difference(row: _Row, name: str, scale: float, decimals: int) -> str:
    difference = row.get(f"difference_{name}")
    if difference is None:
        return ""
    return difference_text({end: _scaled(difference[end], scale) for end in ("mean", "low", "high")}, decimals)


def _scaled(value: float | None, scale: float) -> float | None:
    # Null where the tables come from a file: no lesion of this kind fitted into any slice.
    return None if is_unknown(value) else scale * value
