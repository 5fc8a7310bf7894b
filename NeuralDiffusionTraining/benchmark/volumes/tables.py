"""The table of the volumes: on the terminal, as CSV and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import TYPE_CHECKING

from ...files.csv_text import csv_text
from ...files.markdown import markdown_table
from ..methods import NOISY_INPUT, told_in_name
from .evaluation import VolumeRow
from .methods import OURS, OURS_ACROSS, OURS_THREE_PLANES

if TYPE_CHECKING:
    from rich.table import Table

_NOTE = (
    "PSNR in dB / SSIM in the head. Noise level: what the method is told. Seconds: mean over the noise levels. "
    "(-): below the noisy input."
)


def to_terminal(rows: Sequence[VolumeRow], chosen_by: str | None = None) -> list[Table]:
    """One table of PSNR for each volume; SSIM and times are in the files.

    Parameters
    ----------
    chosen_by
        Name of the file by which the parameters of the 3-D filters were chosen; ``None`` for that of the package.
    """
    from rich.table import Table

    filters = "" if chosen_by is None else f"; parameters of the 3-D filters by '{chosen_by}'"
    tables = []
    for volume, sigmas, lines in _pivot(rows):
        table = Table(title=f"{volume}: PSNR in dB in the head; (-) below the noisy input{filters}")
        table.add_column("Method")
        for sigma in sigmas:
            table.add_column(_percent(sigma), justify="right", no_wrap=True)
        for method, own in lines:
            table.add_row(
                told_in_name(method, own[0].noise_level), *(_cell(row, f"{row.psnr_head_db:.2f}") for row in own)
            )
        tables.append(table)
    return tables


def to_markdown(rows: Sequence[VolumeRow], chosen_by: str | None = None) -> str:
    """One table for each volume, methods down and noise levels across; then harm, and where another one beats ours.

    `chosen_by` as for `to_terminal`.
    """
    filters = "" if chosen_by is None else f" The parameters of the 3-D filters were chosen by '{chosen_by}'."
    parts = [f"{_NOTE}{filters}"]
    for volume, sigmas, lines in _pivot(rows):
        headings = ["Method", "Noise level", *map(_percent, sigmas), "Seconds"]
        table = []
        for method, own in lines:
            cells = [_cell(row, f"{row.psnr_head_db:.2f} / {row.ssim_head:.3f}") for row in own]
            seconds = sum(row.seconds for row in own) / len(own)
            table.append([method, own[0].noise_level, *cells, f"{seconds:.1f}"])
        parts += [f"**{volume}**", markdown_table(headings, table, words=2)]
    parts.append("\n".join(f"- {sentence}" for sentence in (*harm_sentences(rows), *loss_sentences(rows))))
    return "\n\n".join(parts) + "\n"


def to_csv(rows: Sequence[VolumeRow]) -> str:
    """One line for each row, one column for each field; what a method does not estimate is left empty."""
    return csv_text([field.name for field in fields(VolumeRow)], [astuple(row) for row in rows])


def harm_sentences(rows: Sequence[VolumeRow]) -> list[str]:
    """Which methods fell below the noisy input, how often and where; that none did, if so."""
    sentences = []
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        harmed = [row for row in own if row.below_noisy]
        if harmed:
            sentences.append(
                f"{method} fell below the noisy input in {len(harmed)} of {len(own)} cases: {_places(harmed)}."
            )
    return sentences or ["No method fell below the noisy input anywhere."]


def loss_sentences(rows: Sequence[VolumeRow]) -> list[str]:
    """Where another is above ours, slice by slice, with a step across them or of three planes; nothing if never."""
    psnr = {(row.method, row.volume, row.sigma): row.psnr_head_db for row in rows}
    measured = {row.method for row in rows}
    sentences = []
    for own in (name for name in (OURS, OURS_ACROSS, OURS_THREE_PLANES) if name in measured):
        for peer in dict.fromkeys(row.method for row in rows if _is_peer(row)):
            gaps = [(row, row.psnr_head_db - psnr[own, row.volume, row.sigma]) for row in rows if row.method == peer]
            lost = [(row, gap) for row, gap in gaps if gap > 0]
            if lost:
                largest = max(gap for _, gap in lost)
                sentences.append(
                    f"{peer} is above {own} in {len(lost)} of {len(gaps)} cases, by up to {largest:.2f} dB: "
                    f"{_places([row for row, _ in lost])}."
                )
    return sentences


def _is_peer(row: VolumeRow) -> bool:
    # Ours estimate the noise level; filters are told it, and methods of one's own may be told nothing.
    return row.noise_level != "estimated" and row.method != NOISY_INPUT


def _places(rows: Sequence[VolumeRow]) -> str:
    volumes = dict.fromkeys(row.volume for row in rows)
    return "; ".join(
        f"{volume} at {', '.join(_percent(row.sigma) for row in rows if row.volume == volume)}" for volume in volumes
    )


def _pivot(rows: Sequence[VolumeRow]) -> list[tuple[str, list[float], list[tuple[str, list[VolumeRow]]]]]:
    """For each volume its name, its noise levels, and its rows by method in the order of the levels."""
    pages = []
    for volume in dict.fromkeys(row.volume for row in rows):
        of_volume = [row for row in rows if row.volume == volume]
        methods = dict.fromkeys(row.method for row in of_volume)
        lines = [(method, [row for row in of_volume if row.method == method]) for method in methods]
        pages.append((volume, list(dict.fromkeys(row.sigma for row in of_volume)), lines))
    return pages


def _percent(sigma: float) -> str:
    return f"{100 * sigma:g} %"


def _cell(row: VolumeRow, figure: str) -> str:
    return figure + (" (-)" if row.below_noisy else "")
