"""Plots of the sweep: quality against noise level, and against the number of iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..benchmark.published import ORIGINAL_PSNR_DB
from ..benchmark.sweep import SWEPT_FIGURES
from ..benchmark.sweep_tables import usual_iterations
from ..files.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "edge_mse": "Edge MSE"}
_PICTURES = {"full": ("with refinement", "#1f5fa8"), "diffused": ("without refinement", "#d07a1f")}
_DASHES = {8: "-", 4: "--"}
_PANEL_INCHES = (3.1, 2.5)
SWEEP_DPI = 110
_HIGHEST_PSNR_DB = 55
"""Above this nobody sees a difference; all but untouched slices are left out, or they would squeeze the others."""


def sweep_figures(cells: list[dict[str, Any]], split: str) -> dict[str, Figure]:
    """Draw the sweep against the noise level and against the iterations.

    Parameters
    ----------
    cells
        As `benchmark.sweep.sweep` returns them, or as read back from its JSON.
    split
        Name of the slices' split; beside "original" stands what the original project published.

    Returns
    -------
    dict
        The figures, by the names "sweep_sigma" and "sweep_iterations".
    """
    return {"sweep_sigma": _against_sigma(cells, split), "sweep_iterations": _against_iterations(cells)}


def _against_sigma(cells: list[dict[str, Any]], split: str) -> Figure:
    """Rows: figures; columns: noise types; at the number of iterations nearest to the usual one."""
    steps = usual_iterations(cells)
    cells = [cell for cell in cells if cell["iterations"] == steps]
    figure, axes = _grid(cells, f"Quality by noise level, {counted(steps, 'iteration')}")
    for (noise, name), axis in axes.items():
        of_noise = [cell for cell in cells if cell["noise"] == noise]
        for neighbours in reversed(_values(of_noise, "neighbours")):
            line = [cell for cell in of_noise if cell["neighbours"] == neighbours]
            for picture, (label, colour) in _PICTURES.items():
                _draw(axis, line, "sigma", picture, name, f"{neighbours} neighbours, {label}", colour, neighbours)
        line = [cell for cell in of_noise if cell["neighbours"] == of_noise[0]["neighbours"]]
        _draw(axis, line, "sigma", "noisy", name, "noisy input", "#8a8a8a", 8)
        if name == "psnr_db" and split == "original":
            published = ORIGINAL_PSNR_DB[noise]
            axis.plot(published.keys(), published.values(), "x", color="#444444", label="original project, published")
    _finish(figure, axes, "Noise level sigma (share of the range)")
    return figure


def _against_iterations(cells: list[dict[str, Any]]) -> Figure:
    """Rows: figures; columns: noise types; one line for each noise level and neighbourhood, with refinement."""
    from matplotlib import colormaps

    figure, axes = _grid(cells, "Quality by iterations, with refinement (dashed: 4 neighbours)")
    sigmas = _values(cells, "sigma")
    colours = colormaps["viridis"](np.linspace(0, 0.9, len(sigmas)))
    for (noise, name), axis in axes.items():
        for sigma, colour in zip(sigmas, colours, strict=True):
            for neighbours in reversed(_values(cells, "neighbours")):
                setting = (noise, sigma, neighbours)
                line = [cell for cell in cells if (cell["noise"], cell["sigma"], cell["neighbours"]) == setting]
                label = f"sigma {sigma:g}" if neighbours == _values(cells, "neighbours")[-1] else ""
                _draw(axis, line, "iterations", "full", name, label, colour, neighbours)
        axis.set_xscale("log", base=2)
        axis.set_xticks(_values(cells, "iterations"), [str(steps) for steps in _values(cells, "iterations")])
        axis.minorticks_off()
    _finish(figure, axes, "Iterations (diffusion steps)")
    return figure


def _grid(cells: list[dict[str, Any]], title: str) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    noises = list(dict.fromkeys(cell["noise"] for cell in cells))
    width, height = _PANEL_INCHES
    # Room beside the panels for the legend.
    size = (width * len(noises) + 2.4, height * len(SWEPT_FIGURES) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(SWEPT_FIGURES), len(noises), sharex=True, sharey="row", squeeze=False)
    figure.suptitle(title)
    named = {(noise, name): panels[row, column]
             for row, name in enumerate(SWEPT_FIGURES) for column, noise in enumerate(noises)}  # fmt: skip
    for (noise, name), axis in named.items():
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        if name == SWEPT_FIGURES[0]:
            axis.set_title(noise.capitalize())
        if noise == noises[0]:
            axis.set_ylabel(_LABELS[name])
    return figure, named


def _draw(
    axis: Axes,
    line: list[dict[str, Any]],
    against: str,
    picture: str,
    name: str,
    label: str,
    colour: Any,
    neighbours: int,
) -> None:
    line = sorted(line, key=lambda cell: cell[against])
    heights = [_height(cell[picture][name]) for cell in line]
    axis.plot(
        [cell[against] for cell in line], heights, _DASHES[neighbours], color=colour, label=label, marker=".", lw=1.3
    )


def _height(figure: dict[str, Any]) -> float:
    """The mean, of the slices that are not equal to the clean one where some are; NaN, a gap, where it is too high."""
    mean = figure.get("mean_of_finite", figure["mean"])
    return float("nan") if mean is None or mean > _HIGHEST_PSNR_DB else mean


def _finish(figure: Figure, axes: dict[tuple[str, str], Axes], below: str) -> None:
    figure.supxlabel(below, fontsize="medium")
    first = next(iter(axes.values()))
    figure.legend(*first.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize="small")


def _values(cells: list[dict[str, Any]], name: str) -> list[Any]:
    return sorted({cell[name] for cell in cells})
