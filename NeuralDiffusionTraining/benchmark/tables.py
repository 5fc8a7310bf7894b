"""The table of the benchmark as JSON rows, CSV, Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..files.csv_text import csv_text
from ..files.markdown import markdown_table
from .bootstrap import RESAMPLES, GroupBootstrap
from .evaluation import Measurement, Results
from .figure_text import (
    DECIMALS,
    STAR,
    STAR_MEANS,
    count_text,
    difference_text,
    figure_text,
    interval_text,
    with_star,
)
from .methods import told_in_name
from .metrics import FIGURES

if TYPE_CHECKING:
    from rich.table import Table

_HEADINGS = {
    "psnr_db": "PSNR dB",
    "psnr_head_db": "in head dB",
    "psnr_background_db": "background dB",
    "ssim": "SSIM",
    "edge_mse": "Edge MSE",
    "hfen": "HFEN",
}


def rows(results: Results, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """One dictionary for each method, for JSON.

    Every figure is {"mean", "low", "high"}: the mean over slices and its 95 % interval, bootstrapped over groups of
    near-duplicates. "difference_<figure>" is the same for this row minus the reference row, slice by slice; it is
    ``None`` where there is no reference. Slices without a head or without background do not count in the figures of
    that region.
    """
    bootstrap = GroupBootstrap(results.groups, resamples)
    return [_row(measurement, results.reference, bootstrap) for measurement in results.rows]


def to_csv(table: list[dict[str, Any]]) -> str:
    """The rows with one column for each number: "psnr_db", "psnr_db_low", "psnr_db_high" and so on."""
    flat = [_flat(row) for row in table]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    return csv_text(columns, [[row.get(name) for name in columns] for row in flat])


def slices_to_csv(results: Results, names: Sequence[str]) -> str:
    """One line for each method and slice: the slice's name, group and added noise level, and every figure of it.

    A figure is left empty where the slice has no head, or no background; equal pictures have a PSNR of "inf".
    """
    facts = list(zip(names, results.groups.tolist(), results.levels.tolist(), strict=True))
    return csv_text(
        ["method", "slice", "group", "sigma_added", *FIGURES],
        [
            [row.method.name, *fact, *figures]
            for row in results.rows
            for fact, figures in zip(facts, row.figures.tolist(), strict=True)
        ],
    )


def to_markdown(table: list[dict[str, Any]], title: str = "") -> str:
    """The rows as a Markdown table, means with their intervals where the figure is the headline."""
    headings = ["Method", "Sigma", "PSNR dB (95 % CI)", "minus ours dB (95 % CI)"]
    headings += [heading for name, heading in _HEADINGS.items() if name != "psnr_db"]
    headings += ["Parameters", "Multiply-adds a pixel", "ms a slice"]
    lines = []
    for row in table:
        cells = [row["method"], row["sigma"]]
        cells += [interval_text(row["psnr_db"], DECIMALS["psnr_db"]), _difference(row)]
        cells += [figure_text(row[name], name) for name in _HEADINGS if name != "psnr_db"]
        cells += [count_text(row["parameters"]), count_text(row["macs_per_pixel"]), _milliseconds(row)]
        lines.append(cells)
    above = f"**{title}**\n\n" if title else ""
    return with_star(f"{above}{markdown_table(headings, lines, words=2)}") + "\n"


def to_terminal(table: list[dict[str, Any]], title: str) -> Table:
    """The rows for the eye, grouped as in `methods.GROUPS`."""
    from rich.table import Table

    drawn = Table(title=title)
    drawn.add_column("Method", min_width=20)
    for heading in (*_HEADINGS.values(), "minus ours dB", "ms a slice"):
        drawn.add_column(heading, justify="right")
    for number, row in enumerate(table):
        last_of_group = number + 1 == len(table) or table[number + 1]["group"] != row["group"]
        cells = [figure_text(row[name], name) for name in _HEADINGS]
        drawn.add_row(
            told_in_name(row["method"], row["sigma"]),
            *cells,
            _difference(row),
            _milliseconds(row),
            end_section=last_of_group,
        )
        if any(cell.endswith(STAR) for cell in cells):
            drawn.caption = STAR_MEANS
    return drawn


def _row(measurement: Measurement, reference: Measurement | None, bootstrap: GroupBootstrap) -> dict[str, Any]:
    method = measurement.method
    row: dict[str, Any] = {"method": method.name, "group": method.group, "sigma": method.told}
    stated = bootstrap.intervals(measurement.by_name(), reference.by_name() if reference is not None else None)
    for name in (*FIGURES, *(f"difference_{figure}" for figure in FIGURES)):
        row[name] = stated.get(name)
    return row | {
        "parameters": method.parameters,
        "macs_per_pixel": method.macs_per_pixel,
        "seconds_per_slice": measurement.seconds_per_slice,
        "sigma_error": measurement.sigma_error,
        "device": method.device,
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {name if end == "mean" else f"{name}_{end}": number for end, number in value.items()}
        else:
            flat[name] = value
    return flat


def _difference(row: dict[str, Any]) -> str:
    return difference_text(row["difference_psnr_db"], DECIMALS["difference_psnr_db"])


def _milliseconds(row: dict[str, Any]) -> str:
    seconds = row["seconds_per_slice"]
    if seconds is None:
        return ""
    return f"{1000 * seconds:,.0f}" if seconds > 0.1 else f"{1000 * seconds:.3g}"
