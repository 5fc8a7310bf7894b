"""Plot of the scaling: time against slices, size of a slice, iterations, threads and slices in a batch."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from ..files.result_files import write_file
from ..speed.scaling import Curve

_AXES = {
    "slices": ("Slices", "ns a voxel"),
    "side": ("Rows and columns of a slice", "ns a voxel"),
    "iterations": ("Diffusion steps", "seconds, 16 slices"),
    "threads": ("Threads", "seconds, 16 slices"),
    "batch": ("Slices in a batch", "ns a voxel"),
}
_LOGARITHMIC = ("slices", "side", "batch")
_COLUMNS = 3
_PANEL_INCHES = (3.1, 2.4)
_CLOSE = 8
_DPI = 110
_COLOUR = "#1f5fa8"


def plot_scaling(curves: dict[str, Curve], path: Path) -> None:
    """Draw what `speed.scaling.scaling` returns into a PNG file.

    Raises
    ------
    CommandError
        If the file cannot be written.
    """
    columns = min(len(curves), _COLUMNS)
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(_PANEL_INCHES[0] * columns, _PANEL_INCHES[1] * rows), layout="constrained")
    for number, (name, curve) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(rows, columns, number)
        across, along = _AXES[name]
        by_voxel = along.startswith("ns")
        values = [point["value"] for point in curve]
        times = [1e9 * point["seconds"] / point["voxels"] if by_voxel else point["seconds"] for point in curve]
        axes.plot(values, times, marker="o", markersize=4, color=_COLOUR)
        if name in _LOGARITHMIC:
            axes.set_xscale("log")
            axes.minorticks_off()
        # On an axis with even steps the small numbers of diffusion steps would lie on each other.
        axes.set_xticks([value for value in values if name in _LOGARITHMIC or value >= max(values) / _CLOSE])
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.tick_params(labelsize=7)
        axes.set_ylim(0, 1.1 * max(times))
        axes.set_xlabel(across, fontsize=8)
        axes.set_ylabel(along, fontsize=8)
        axes.grid(alpha=0.3)
    write_file(path, lambda unfinished: figure.savefig(unfinished, dpi=_DPI))
