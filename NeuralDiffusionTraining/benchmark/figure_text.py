"""Figures as they stand in tables: rounded, with their intervals, and with a star where slices do not count."""

from __future__ import annotations

import math
from typing import Any

from ..files.csv_text import is_unknown

STAR = "*"
STAR_MEANS = "* Mean of the slices that are not equal, pixel by pixel, to the one they are compared with."

DECIMALS = {
    "psnr_db": 2,
    "psnr_head_db": 2,
    "psnr_background_db": 2,
    "ssim": 3,
    "edge_mse": 4,
    "hfen": 3,
    "difference_psnr_db": 2,
}
"""Digits after the point, by the name of a figure."""


def number_text(value: float | None, decimals: int, signed: bool = False) -> str:
    """A rounded number; empty if it is not known."""
    if is_unknown(value):
        return ""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"


def count_text(count: float | None) -> str:
    """A large whole number; empty if it is not known."""
    return "" if count is None else f"{count:,.0f}"


def mean_text(figure: dict[str, Any], decimals: int, signed: bool = False) -> str:
    """A mean: with `STAR` where slices that are equal to the clean one do not count."""
    finite = figure.get("mean_of_finite")
    if is_unknown(finite):
        return number_text(figure["mean"], decimals, signed)
    return number_text(finite, decimals, signed) + STAR


def figure_text(figure: dict[str, Any], name: str) -> str:
    """The mean of a figure that `DECIMALS` names."""
    return mean_text(figure, DECIMALS[name])


def interval_text(figure: dict[str, Any], decimals: int, signed: bool = False) -> str:
    """A mean and in brackets the ends of its interval, if they are known and every slice counts."""
    text = mean_text(figure, decimals, signed)
    low, high = (number_text(figure[end], decimals, signed) for end in ("low", "high"))
    return f"{text} ({low} to {high})" if low and high and not text.endswith(STAR) else text


def difference_text(figure: dict[str, Any] | None, decimals: int) -> str:
    """A difference with its sign and interval; "0" of what is the same in every slice, empty where there is none."""
    if figure is None:
        return ""
    if figure["mean"] == figure["low"] == figure["high"] == 0:
        return "0"
    return interval_text(figure, decimals, signed=True)


def with_star(text: str) -> str:
    """A Markdown table and, if it has a `STAR`, what that means."""
    return f"{text}\n\n\\{STAR_MEANS}" if f"{STAR} " in text else text
