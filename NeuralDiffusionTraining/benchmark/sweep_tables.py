"""The figures of `sweep` as CSV and on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from NeuralDiffusionLib import DenoiseSettings

from ..files.csv_text import csv_text
from ..files.words import counted
from .figure_text import STAR, STAR_MEANS, mean_text
from .sweep import SWEPT_FIGURES

if TYPE_CHECKING:
    from rich.table import Table

PICTURES = ("noisy", "diffused", "full")
_HARM = ("lowest_psnr_db", "worse_slices", "largest_loss_db")
_SETTING = ("noise", "sigma", "neighbours", "iterations")


def to_csv(cells: list[dict[str, Any]]) -> str:
    """One line for each combination; columns "full_psnr_db", "full_psnr_db_low", "full_psnr_db_high" and so on.

    Where slices are equal to the clean one their PSNR is infinite: "full_psnr_db_infinite_slices" counts them. At the
    end stand the lowest PSNR of a slice, and how many slices lost how much. Methods of one's own have columns by their
    names.
    """
    ends = {figure: ["mean", "low", "high"] for figure in SWEPT_FIGURES}
    ends["psnr_db"] += ["infinite_slices", "mean_of_finite"]
    pictures = [*PICTURES, *own_names(cells)]
    columns = [(picture, figure, end) for picture in pictures for figure in SWEPT_FIGURES for end in ends[figure]]
    names = ["_".join(column).removesuffix("_mean") for column in columns]
    harm = [(picture, name) for picture in pictures[1:] for name in _HARM]
    lines = []
    for cell in cells:
        found = cell | cell.get("own", {})
        lines.append(
            [
                *(cell[name] for name in _SETTING),
                *(found[picture][figure].get(end) for picture, figure, end in columns),
                *(found[picture].get(name) for picture, name in harm),
            ]
        )
    return csv_text([*_SETTING, *names, *("_".join(column) for column in harm)], lines)


def own_names(cells: list[dict[str, Any]]) -> list[str]:
    """The names of the methods of one's own that were measured; files of older versions have none."""
    return list(dict.fromkeys(name for cell in cells for name in cell.get("own", {})))


def usual_iterations(cells: list[dict[str, Any]]) -> int:
    """Of the numbers of iterations of a sweep the one nearest to the default, the smaller one of two."""
    measured = sorted({cell["iterations"] for cell in cells})
    return min(measured, key=lambda number: abs(number - DenoiseSettings.iterations))


def to_terminal(cells: list[dict[str, Any]], title: str) -> Table:
    """PSNR of each noise type and level at the number of iterations nearest to the usual one."""
    from rich.table import Table

    steps = usual_iterations(cells)
    neighbourhoods = sorted({cell["neighbours"] for cell in cells})
    table = Table(title=f"PSNR in dB, {counted(steps, 'iteration')}, {title}")
    for heading in ("Noise", "Sigma", "Noisy input"):
        table.add_column(heading, justify="left" if heading == "Noise" else "right")
    for neighbours in neighbourhoods:
        table.add_column(f"{neighbours} neighbours", justify="right")
        table.add_column(f"{neighbours}, no refinement", justify="right")
    own = own_names(cells)
    for name in own:
        table.add_column(name, justify="right")
    at_steps = {
        (cell["noise"], cell["sigma"], cell["neighbours"]): cell for cell in cells if cell["iterations"] == steps
    }
    noises = list(dict.fromkeys(cell["noise"] for cell in cells))
    for noise in noises:
        sigmas = sorted({sigma for kind, sigma, _ in at_steps if kind == noise})
        for sigma in sigmas:
            row = [at_steps[noise, sigma, neighbours] for neighbours in neighbourhoods]
            pictures = [row[0]["noisy"], *(cell[picture] for cell in row for picture in ("full", "diffused"))]
            pictures += [row[0]["own"][name] for name in own]
            psnr = [mean_text(picture["psnr_db"], 2) for picture in pictures]
            table.add_row(noise, f"{sigma:g}", *psnr, end_section=sigma == sigmas[-1])
            if any(text.endswith(STAR) for text in psnr):
                table.caption = STAR_MEANS
    return table
