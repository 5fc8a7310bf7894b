"""The table of the volumes: on the terminal, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from .volume_methods import OURS, OURS_THREE_PLANES
from .volumes import VolumeRow

if TYPE_CHECKING:
    from rich.table import Table

_NOTE = (
    "PSNR in dB / SSIM in the head. Noise level: what the method is told. Seconds: mean over the noise levels. "
    "(-): below the noisy input."
)


def to_terminal(rows: Sequence[VolumeRow]) -> list[Table]:
    """One table of PSNR for each volume; SSIM is in the files."""
    from rich.table import Table

    tables = []
    for volume, headings, lines in _pivot(rows, lambda row: f"{row.psnr_head_db:.2f}"):
        table = Table(title=f"{volume}: PSNR in dB in the head, (-) below the noisy input")
        table.add_column(headings[0], min_width=18)
        for heading in headings[1:]:
            table.add_column(heading, justify="right")
        for line in lines:
            table.add_row(*line)
        tables.append(table)
    return tables


def to_markdown(rows: Sequence[VolumeRow]) -> str:
    """One table for each volume, methods down and noise levels across; then harm, and where a filter beats ours."""
    parts = [_NOTE]
    for volume, headings, lines in _pivot(rows, lambda row: f"{row.psnr_head_db:.2f} / {row.ssim_head:.3f}"):
        table = [f"| {' | '.join(headings)} |", "|---|---|" + "---:|" * (len(headings) - 2)]
        table += [f"| {' | '.join(line)} |" for line in lines]
        parts += [f"**{volume}**", "\n".join(table)]
    parts.append("\n".join(f"- {sentence}" for sentence in (*harm_sentences(rows), *loss_sentences(rows))))
    return "\n\n".join(parts) + "\n"


def to_csv(rows: Sequence[VolumeRow]) -> str:
    """One line for each row, one column for each field; what a method does not estimate is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(VolumeRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def harm_sentences(rows: Sequence[VolumeRow]) -> list[str]:
    """For each method how often it fell below the noisy input, in the order of the table."""
    sentences = []
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        harmed = [f"{row.volume} at {row.sigma:g}" for row in own if row.below_noisy]
        if harmed:
            sentences.append(
                f"{method} fell below the noisy input in {len(harmed)} of {len(own)}: {', '.join(harmed)}."
            )
    return sentences or ["No method fell below the noisy input anywhere."]


def loss_sentences(rows: Sequence[VolumeRow]) -> list[str]:
    """Where a filter is above ours, slice by slice and averaged over three planes; nothing if it never is."""
    psnr = {(row.method, row.volume, row.sigma): row.psnr_head_db for row in rows}
    sentences = []
    measured = {row.method for row in rows}
    for own in (name for name in (OURS, OURS_THREE_PLANES) if name in measured):
        for peer in dict.fromkeys(row.method for row in rows if row.noise_level == "true"):
            gaps = [(row, row.psnr_head_db - psnr[own, row.volume, row.sigma]) for row in rows if row.method == peer]
            lost = [f"{row.volume} at {row.sigma:g} by {gap:.2f} dB" for row, gap in gaps if gap > 0]
            if lost:
                sentences.append(f"{peer} is above {own} in {len(lost)} of {len(gaps)}: {', '.join(lost)}.")
    return sentences


def _pivot(
    rows: Sequence[VolumeRow], figure: Callable[[VolumeRow], str]
) -> list[tuple[str, list[str], list[list[str]]]]:
    """For each volume its name, headings and lines of cells."""
    pages = []
    for volume in dict.fromkeys(row.volume for row in rows):
        of_volume = [row for row in rows if row.volume == volume]
        sigmas = list(dict.fromkeys(row.sigma for row in of_volume))
        headings = ["Method", "Noise level", *(f"{100 * sigma:g} %" for sigma in sigmas), "Seconds"]
        lines = []
        for method in dict.fromkeys(row.method for row in of_volume):
            own = [row for row in of_volume if row.method == method]
            seconds = sum(row.seconds for row in own) / len(own)
            cells = [figure(row) + (" (-)" if row.below_noisy else "") for row in own]
            lines.append([method, own[0].noise_level, *cells, f"{seconds:.1f}"])
        pages.append((volume, headings, lines))
    return pages
