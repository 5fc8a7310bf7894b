"""A page of slice pictures: rows of panels with captions, sides of the body and colour bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAGE = (12, 13, 16)
BRIGHT = (236, 238, 241)
QUIET = (160, 166, 175)
LEGIBLE_WIDTH = 470  # pixels that a panel is enlarged to; noise is seen voxel by voxel from there on


@dataclass(frozen=True)
class ColourBar:
    """Colours of a panel and what its two ends mean: (colours, 3) bytes, from low to high."""

    colours: np.ndarray
    low: str
    high: str


@dataclass(frozen=True)
class Column:
    """What the panels of one column show."""

    title: str
    note: str = ""
    bar: ColourBar | None = None


@dataclass(frozen=True)
class Row:
    """Panels of one slice, its place, and the sides of the body at its left, right, upper and lower edge."""

    panels: tuple[Image.Image, ...]
    label: str
    edge_letters: tuple[str, str, str, str]


def compose(columns: tuple[Column, ...], rows: tuple[Row, ...]) -> Image.Image:
    """Lay rows of panels out on a dark page, all at one scale, enlarged by a whole number.

    Parameters
    ----------
    columns
        Captions, once on top; colour bars, once below.
    rows
        One row of panels a slice; every row has as many panels as there are columns.
    """
    cell = max(row.panels[0].width for row in rows)
    factor = max(1, round(LEGIBLE_WIDTH / cell))
    cell *= factor
    unit = cell / 100
    title, note, small = (ImageFont.load_default(round(size * unit)) for size in (5.6, 4.0, 3.6))
    gap, edge = round(2.4 * unit), round(4 * unit)
    head, foot = round(16 * unit), round(14 * unit) if any(column.bar for column in columns) else edge
    heights = [row.panels[0].height * factor for row in rows]
    page = Image.new(
        "RGB",
        (2 * edge + len(columns) * (cell + gap) - gap, head + sum(heights) + gap * (len(rows) - 1) + foot),
        PAGE,
    )
    draw = ImageDraw.Draw(page)

    for index, column in enumerate(columns):
        left = edge + index * (cell + gap)
        draw.text((left, round(7.6 * unit)), column.title, BRIGHT, title, anchor="ls")
        draw.text((left, round(13 * unit)), column.note, QUIET, note, anchor="ls")
        if column.bar:
            _draw_bar(page, column.bar, left, page.height - foot + round(3.6 * unit), cell, unit, small)

    top = head
    for row, height in zip(rows, heights, strict=True):
        for index, panel in enumerate(row.panels):
            enlarged = panel.resize((panel.width * factor, height), Image.Resampling.BICUBIC)
            left = edge + index * (cell + gap) + (cell - enlarged.width) // 2
            page.paste(enlarged, (left, top))
            if index == 0:
                _draw_letters(draw, row, (left, top, left + enlarged.width, top + height), unit, small)
        top += height + gap
    return page


def _draw_letters(
    draw: ImageDraw.ImageDraw, row: Row, box: tuple[int, int, int, int], unit: float, font: ImageFont.FreeTypeFont
) -> None:
    """Sides of the body on the four edges of a panel, the slice's place in its lower left corner."""
    left, top, right, bottom = box
    inset = round(2 * unit)
    middle_x, middle_y = (left + right) // 2, (top + bottom) // 2
    places = (
        (left + inset, middle_y, "lm"),
        (right - inset, middle_y, "rm"),
        (middle_x, top + inset, "mt"),
        (middle_x, bottom - inset, "ms"),
    )
    for letter, (x, y, anchor) in zip(row.edge_letters, places, strict=True):
        draw.text((x, y), letter, BRIGHT, font, anchor=anchor, stroke_width=1, stroke_fill=(0, 0, 0))
    draw.text((left + inset, bottom - inset), row.label, BRIGHT, font, "ls", stroke_width=1, stroke_fill=(0, 0, 0))


def _draw_bar(
    page: Image.Image, bar: ColourBar, left: int, top: int, width: int, unit: float, font: ImageFont.FreeTypeFont
) -> None:
    """Colour bar of a panel's width, with what its ends mean below."""
    height = round(2.2 * unit)
    colours = np.asarray(bar.colours, dtype=np.uint8)
    across = colours[np.linspace(0, len(colours) - 1, width).round().astype(int)]
    page.paste(Image.fromarray(np.repeat(across[None], height, axis=0)), (left, top))
    draw = ImageDraw.Draw(page)
    below = top + height + round(1.8 * unit)
    draw.text((left, below), bar.low, QUIET, font, anchor="lt")
    draw.text((left + width, below), bar.high, QUIET, font, anchor="rt")
