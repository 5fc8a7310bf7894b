"""Draw the icon of the module and the extension: a head, noisy on the left, denoised on the right, edges held.

python Resources/draw_icon.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ICON = Path(__file__).resolve().parent.parent / "NeuralDiffusion" / "Resources" / "Icons" / "NeuralDiffusion.png"
SIZE = 128
OVERSAMPLING = 8
GRAIN = 8  # side of a grain of noise in pixels of the icon: two or three of them remain a pixel at 24 px

BACKGROUND, TISSUE, VENTRICLE, EDGE = (30, 34, 52), (186, 192, 204), (72, 80, 104), (253, 200, 47)


def draw_icon() -> Image.Image:
    """Return the icon, 128 x 128 pixels with transparent corners."""
    return _draw(SIZE * OVERSAMPLING).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _draw(side: int) -> Image.Image:
    head = _picture(side)
    noise = np.random.default_rng(5).normal(0, 62, (SIZE // GRAIN, SIZE // GRAIN))
    noise = np.asarray(Image.fromarray(noise.astype(np.float32)).resize((side, side), Image.Resampling.NEAREST))
    pixels = np.asarray(head, np.float32).copy()
    inside = np.asarray(_head_mask(side)) > 0
    left = np.arange(side)[None, :] < side // 2
    pixels[inside & left, :3] += noise[inside & left][:, None]
    result = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8), "RGBA")
    _edges(result)
    return result


def _box(side: int, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    return left * side, top * side, right * side, bottom * side


def _picture(side: int) -> Image.Image:
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, side - 1, side - 1), radius=side * 0.18, fill=(*BACKGROUND, 255))
    pen.ellipse(_box(side, 0.14, 0.06, 0.86, 0.94), fill=(*TISSUE, 255))
    for box in _ventricles(side):
        pen.ellipse(box, fill=(*VENTRICLE, 255))
    return image


def _ventricles(side: int) -> list[tuple[float, float, float, float]]:
    return [_box(side, 0.30, 0.30, 0.45, 0.70), _box(side, 0.55, 0.30, 0.70, 0.70)]


def _head_mask(side: int) -> Image.Image:
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse(_box(side, 0.14, 0.06, 0.86, 0.94), fill=255)
    return mask


def _edges(image: Image.Image) -> None:
    """Outline what the diffusion holds, on the denoised side."""
    side = image.width
    pen = ImageDraw.Draw(image)
    width = int(side * 0.055)
    pen.arc(_box(side, 0.14, 0.06, 0.86, 0.94), -90, 90, fill=EDGE, width=width)
    pen.arc(_ventricles(side)[1], 0, 360, fill=EDGE, width=int(width * 0.8))


if __name__ == "__main__":
    draw_icon().save(ICON, optimize=True)
    print(f"Wrote {ICON}")
