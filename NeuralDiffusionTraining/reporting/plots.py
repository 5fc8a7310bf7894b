"""Plots: learning curves, bars of a table's figures, and pictures side by side as in a paper's qualitative grid."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from ..benchmark.methods import OUR_GROUP, TRAINED_GROUP

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_DPI = 130
_BLUE, _ORANGE, _GREY = "#3b7dc4", "#d07a1f", "#8a8a8a"
_NOISE_COLOURS = {"gaussian": "#3b7dc4", "rician": "#d07a1f", "speckle": "#3f9a5f", "mixed": "#a05ab0"}
_BARS = (
    ("psnr_db", "whole slice", "PSNR (dB)", 2),
    ("psnr_head_db", "inside the head", "PSNR (dB)", 2),
    ("ssim", "whole slice", "SSIM", 3),
    ("edge_mse", "edges, less is better", "edge MSE", 4),
)
_INK = "#010203"
"""A black that occurs nowhere else, so that a page can replace it with the colour of its text."""


def plot_curves(curves: pd.DataFrame, path: Path) -> None:
    """Write the learning curves as PNG (or whatever the name of the file asks for); see `curves_figure`."""
    figure = curves_figure(curves)
    figure.savefig(path, dpi=_DPI, facecolor="white")


def curves_figure(curves: pd.DataFrame) -> Figure:
    """Loss of the training steps, and PSNR of the validation slices, against the epoch.

    Parameters
    ----------
    curves
        One row a logged step: "epoch" (counted from 0) and "step"; "loss" and "psnr_<noise>", with "_diffusion" for
        the same without refinement, or "psnr", where they were logged.
    """
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = _epochs(curves)
    if "loss" in curves and curves["loss"].notna().any():
        loss = curves["loss"]
        left.plot(epochs[loss.notna()], loss.dropna(), color=_BLUE, alpha=0.35, lw=0.8, label="steps")
        mean = loss.groupby(curves["epoch"]).mean().dropna()
        left.plot(mean.index + 0.5, mean, ".-", color=_BLUE, lw=1.6, label="mean of an epoch")
        # A first loss of ten times the last would press the rest of the curve onto the axis.
        if (loss.dropna() > 0).all() and loss.max() > 10 * loss.min():
            left.set_yscale("log")
        left.legend(frameon=False, fontsize="small")
    _dress(left, "Training loss", "loss")
    _plot_validation(right, curves, epochs)
    _dress(right, "Validation slices", "PSNR (dB)")
    return figure


def bars_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """PSNR over the whole slice and inside the head, SSIM and edge MSE of every row of a table, with 95 % intervals.

    Parameters
    ----------
    rows
        As `benchmark.tables.rows` returns them, or as read back from a file of results.
    """
    figure = Figure(figsize=(12.6, 0.9 + 0.34 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(_BARS), sharey=True)
    places = np.arange(len(rows))
    for axis, (name, heading, label, decimals) in zip(panels, _BARS, strict=True):
        means = np.array([_finite(row[name]["mean"]) for row in rows])
        ends = [np.array([_finite(row[name][end]) for row in rows]) for end in ("low", "high")]
        colours = [_bar_colour(row["group"]) for row in rows]
        spread = [np.nan_to_num(np.abs(end - means)) for end in ends]
        axis.errorbar(means, places, xerr=spread, fmt="none", ecolor=_INK, elinewidth=0.9, capsize=2)
        shown = np.concatenate([means, *ends])
        shown = shown[np.isfinite(shown)]
        first = 0.0
        if len(shown):
            margin = max(5 * 10.0**-decimals, 0.12 * np.ptp(shown))
            # Bars need not start at 0 dB, which means nothing; the axis says where they do.
            start = shown.min() - margin if label.endswith("(dB)") else 0
            first = max(0, start)
            axis.set_xlim(first, shown.max() + 3 * margin)
        # From the edge on: not every viewer of SVG cuts off what lies beyond.
        axis.barh(places, means - first, left=first, color=colours, height=0.72, zorder=1)
        for place, mean, high in zip(places, means, ends[1], strict=True):
            if np.isfinite(mean):
                at = np.nanmax([mean, high])
                axis.annotate(
                    f"{mean:.{decimals}f}", (at, place), (4, 0), textcoords="offset points", va="center", fontsize=8
                )
        axis.set_title(heading, fontsize="medium")
        axis.set_xlabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", alpha=0.25)
        axis.set_axisbelow(True)
    panels[0].set_yticks(places, [row["method"] for row in rows], fontsize=8)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    return figure


@dataclass(frozen=True)
class Panel:
    """One picture of the grid: (rows, columns), its title, and the values shown black and white."""

    picture: np.ndarray
    title: str
    window: tuple[float, float] = (0.0, 1.0)


def grid_figure(rows: Sequence[Sequence[Panel]]) -> Figure:
    """Pictures of one size in rows and columns."""
    height, width = rows[0][0].picture.shape
    column, heading = 1.75, 0.42
    size = (column * len(rows[0]), (column * height / width + heading) * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for line, panels in zip(axes, rows, strict=True):
        for axis, panel in zip(line, panels, strict=True):
            low, high = panel.window
            axis.imshow(panel.picture, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axis.set_title(panel.title, fontsize=7.5)
            axis.set_axis_off()
    return figure


def as_png(figure: Figure, dpi: int = _DPI) -> bytes:
    """The figure on white."""
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=dpi, facecolor="white")
    return written.getvalue()


def as_svg(figure: Figure) -> str:
    """The figure as an element for a page: without background, its text and lines in the page's own colour."""
    written = io.StringIO()
    # The names of shared parts come from their content, so that figures on one page do not disturb each other.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "neural-diffusion"}):
        _recolour(figure)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    # The page decides how wide it is.
    opening, rest = text.split(">", 1)
    return re.sub(r' (width|height)="[^"]*"', "", opening) + ">" + rest


def _recolour(figure: Figure) -> None:
    for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize")):
        text.set_color(_INK)
    for axis in figure.axes:
        axis.tick_params(color=_INK, which="both")
        for spine in axis.spines.values():
            spine.set_edgecolor(_INK)
        for line in (*axis.get_xgridlines(), *axis.get_ygridlines()):
            line.set_color(_INK)


def _epochs(curves: pd.DataFrame) -> pd.Series:
    """Epochs done at every row, with fractions."""
    ends = curves.groupby("epoch")["step"].max()
    # The last epoch may be unfinished, so the first one tells how many steps there are.
    steps = ends.iloc[0] + 1 if ends.index[0] == 0 else 0
    return (curves["step"] + 1) / steps if steps else curves["epoch"] + 1.0


def _plot_validation(axis: Axes, curves: pd.DataFrame, epochs: pd.Series) -> None:
    names = [name for name in curves if re.fullmatch(r"psnr_[a-z]+(_diffusion)?", name) and curves[name].notna().any()]
    if not names and "psnr" in curves and curves["psnr"].notna().any():
        names = ["psnr"]
    for name in names:
        noise = name.removeprefix("psnr").removesuffix("_diffusion").strip("_")
        alone = name.endswith("_diffusion")
        known = curves[name].notna()
        axis.plot(
            epochs[known],
            curves.loc[known, name],
            "--" if alone else ".-",
            color=_NOISE_COLOURS.get(noise, _BLUE),
            lw=1.2,
            label=f"{noise or 'mean'}{', no refinement' if alone else ''}",
        )
    if names:
        axis.legend(frameon=False, fontsize="x-small", ncols=2 if len(names) > 4 else 1)


def _dress(axis: Axes, title: str, name: str) -> None:
    axis.set_title(title, fontsize="medium")
    axis.set_xlabel("epoch")
    axis.set_ylabel(name)
    axis.set_xlim(left=0)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)


def _bar_colour(group: str) -> str:
    return {OUR_GROUP: _BLUE, TRAINED_GROUP: _ORANGE}.get(group, _GREY)


def _finite(value: float | None) -> float:
    return float("nan") if value is None or not np.isfinite(value) else float(value)
