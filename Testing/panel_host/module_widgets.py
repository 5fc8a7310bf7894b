"""A scripted module and its panel, as Slicer keeps them around the Python classes of the module's file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import slicer
from PySide6.QtCore import Property, QObject
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QVBoxLayout, QWidget

from panel_host.mrml_widgets import qMRMLWidget
from panel_host.pythonqt import wrap


class qSlicerScriptedLoadableModule(QObject):
    """Slicer's side of a scripted module: `slicer.modules.<name in lower case>`, and `parent` to the module class.

    As there, the properties are what the module class fills in, and the panel is made when it is first asked for.
    """

    def __init__(self, path: str = "", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._about: dict[str, Any] = {"icon": QIcon()}
        self._representation: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget()
            self._representation._start(self._path)
        return self._representation

    def _of_module(kind: Any, name: str, default: Any) -> Property:  # noqa: N805 - makes the properties below
        def write(self: qSlicerScriptedLoadableModule, value: Any) -> None:
            self._about[name] = value

        return Property(kind, lambda self: self._about.get(name, default), write)

    name = Property(str, lambda self: Path(self._path).stem)
    path = Property(str, lambda self: self._path)
    title = _of_module(str, "title", "")
    categories = _of_module("QStringList", "categories", [])
    dependencies = _of_module("QStringList", "dependencies", [])
    contributors = _of_module("QStringList", "contributors", [])
    helpText = _of_module(str, "helpText", "")
    acknowledgementText = _of_module(str, "acknowledgementText", "")
    associatedNodeTypes = _of_module("QStringList", "associatedNodeTypes", [])
    hidden = _of_module(bool, "hidden", False)
    icon = _of_module(QIcon, "icon", None)


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """Slicer's side of a module's panel: `parent` to the widget class.

    As there: it makes the widget class of the module now in `sys.modules`, puts it at `slicer.modules.<name>Widget`,
    calls `setup`, and gets the scene after that; `isEntered` holds between `enter` and `exit`; `reload` makes a new
    widget and calls `setup`, but not `enter`. Where Slicer prints an exception of these methods, it is raised here.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        QVBoxLayout(self).setContentsMargins(0, 0, 0, 0)
        self._path = ""
        self._python: Any = None
        self._entered = False

    isEntered = Property(bool, lambda self: self._entered)

    def _start(self, path: str) -> None:
        self._path = path
        self.reload()
        self.setMRMLScene(slicer.mrmlScene)

    def reload(self) -> None:
        name = Path(self._path).stem
        module = sys.modules.get(name) or importlib.import_module(name)
        self._python = getattr(module, f"{name}Widget")(wrap(self))
        setattr(slicer.modules, f"{name}Widget", self._python)
        self._python.setup()

    def self(self) -> Any:
        return self._python

    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    def _call(self, name: str) -> None:
        # A module need not have these methods.
        method = getattr(self._python, name, None)
        if method is not None:
            method()
