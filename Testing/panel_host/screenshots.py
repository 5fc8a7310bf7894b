"""Pictures of a panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint
from PySide6.QtGui import QFontDatabase, QImage, QPainter

from panel_host.pythonqt import unwrap
from panel_host.session import process_events


def screenshot(widget: Any, path: Path | str, scale: float = 1, width: int = 480) -> None:
    """Write a PNG file of a widget, as high as it needs to show everything.

    Parameters
    ----------
    widget
        A widget as `qt` has it, for a whole panel `widget.parent`.
    path
        File to write.
    scale
        Pixels of the picture for each pixel of the widget: 2 for a screen of high resolution.
    width
        Width of the widget in its own pixels.

    Raises
    ------
    RuntimeError
        If there is no font, or the file cannot be written.
    """
    if not QFontDatabase.families():
        raise RuntimeError(
            "There is no font to write with: install one, on Debian with 'apt-get install fonts-dejavu-core'."
        )
    panel = unwrap(widget)
    process_events()
    panel.setFixedWidth(width)
    process_events()
    height = max(panel.heightForWidth(width), panel.sizeHint().height())
    panel.resize(width, height)
    if panel.layout() is not None:
        panel.layout().activate()
    image = QImage(round(width * scale), round(height * scale), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    image.fill(panel.palette().window().color())
    painter = QPainter(image)
    panel.render(painter, QPoint(0, 0))
    painter.end()
    panel.setMinimumWidth(0)
    panel.setMaximumWidth(16777215)
    if not image.save(str(path), "PNG"):
        raise RuntimeError(f"The picture {path} could not be written: check that its folder is there.")
