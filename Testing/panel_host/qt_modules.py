"""The modules `qt` and `ctk`, and the widget classes in `slicer`, as Slicer's Python console has them."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from panel_host import ctk_slider, ctk_widgets, module_widgets, mrml_widgets, node_selector
from panel_host.pythonqt import unwrap, wrapper_class

CTK_CLASSES = (
    ctk_widgets.ctkCollapsibleButton,
    ctk_widgets.ctkComboBox,
    ctk_widgets.ctkDoubleSpinBox,
    ctk_widgets.ctkMessageBox,
    ctk_slider.ctkSliderWidget,
)
SLICER_CLASSES = (
    mrml_widgets.qMRMLColorTableComboBox,
    node_selector.qMRMLNodeComboBox,
    mrml_widgets.qMRMLWidget,
    module_widgets.qSlicerScriptedLoadableModule,
    module_widgets.qSlicerScriptedLoadableModuleWidget,
)


class QUiLoader(QtUiTools.QUiLoader):
    """Slicer's QUiLoader knows the widgets of CTK and Slicer through their designer plugins.

    As there, the file's connections are made by text. Arguments that are VTK objects pass as Python objects here.
    """

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> QtWidgets.QWidget:
        custom = {kind.__name__: kind for kind in (*CTK_CLASSES, *SLICER_CLASSES)}
        if class_name not in custom:
            if class_name not in self.availableWidgets():
                raise NotImplementedError(f"{class_name} in the .ui file: the stand-in does not supply it.")
            return super().createWidget(class_name, parent, name)
        widget = custom[class_name](parent)
        widget.setObjectName(name)
        return widget

    def load(self, device: QtCore.QIODevice, parent: Any = None) -> QtWidgets.QWidget:
        text = re.sub(rb"\(vtk\w+\*\)", b"(PyObject)", device.readAll().data())
        buffer = QtCore.QBuffer()
        buffer.setData(text)
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        return super().load(buffer, parent)


def single_shot(milliseconds: int, target: Callable) -> None:
    """`qt.QTimer.singleShot(msec, callable)`: PythonQt's own, which takes these two arguments only."""
    QtCore.QTimer.singleShot(milliseconds, unwrap(target))


class _QtModule(types.ModuleType):
    """`qt`: the classes of QtCore, QtGui, QtWidgets and QtUiTools in one module; only QObjects need a wrapper."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for library in (QtCore, QtGui, QtWidgets):
            value = getattr(library, name, None)
            if value is not None:
                return wrapper_class(value) if isinstance(value, type) and issubclass(value, QtCore.QObject) else value
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


# One module each for as long as the process lives: a module that imported them once keeps them.
qt = _QtModule("qt")
qt.QTimer = wrapper_class(QtCore.QTimer, singleShot=staticmethod(single_shot))
qt.QUiLoader = wrapper_class(QUiLoader)

ctk = types.ModuleType("ctk")
for _kind in CTK_CLASSES:
    setattr(ctk, _kind.__name__, wrapper_class(_kind))

slicer_classes = {kind.__name__: wrapper_class(kind) for kind in SLICER_CLASSES}


def delete(qt_object: QtCore.QObject) -> None:
    """Delete an object now, as C++ does when its owner goes."""
    if shiboken6.isValid(qt_object):
        shiboken6.delete(qt_object)
