"""A stand-in for the Slicer application on which a module's real widget class runs: for tests and screenshots.

The MRML scene, its nodes and logics are the real ones, from `slicer-core`, and so is `slicer.util`. PySide6 stands in
for Qt behind the names `qt` and `ctk`, in PythonQt's manner; plain widgets stand in for Slicer's own. Each stand-in
says which behaviour of Slicer, CTK or PythonQt it reproduces; what no module here uses is left out, so that a new use
fails loudly.

    import panel_host

    with panel_host.application():
        widget = panel_host.open_module("NeuralDiffusion")
        widget.ui.applyButton.click()
        panel_host.wait_until(lambda: widget.ui.statusLabel.text)
        panel_host.screenshot(widget.parent, "panel.png", scale=2)

Qt is loaded at the first use of one of these names, not by importing the package.
"""

from __future__ import annotations

import importlib
from typing import Any

from panel_host.qt_libraries import import_qt, missing_packages, why_qt_does_not_load

_PLACES = {
    "application": "session",
    "open_module": "session",
    "leave_module": "session",
    "reload_module": "session",
    "close": "session",
    "wait_until": "session",
    "process_events": "session",
    "set_testing": "session",
    "console_errors": "session",
    "screenshot": "screenshots",
    "popups": "popups",
}

__all__ = ["missing_packages", "why_qt_does_not_load", *_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'panel_host' has no attribute '{name}'")
    import_qt()
    module = importlib.import_module(f"panel_host.{_PLACES[name]}")
    return getattr(module, name, module)
