"""Slicer's application object and main window, as far as a module's panel meets them."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import slicer
from PySide6.QtCore import SIGNAL, Property, QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication, QMainWindow, QScrollArea, QVBoxLayout, QWidget

from panel_host.module_widgets import qSlicerScriptedLoadableModule
from panel_host.views import qSlicerLayoutManager

VERSION = (5, 13)


class qSlicerModuleManager(QObject):
    """Slicer's keeper of the modules: finds one by name, and says when one is about to be unloaded."""

    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, qSlicerScriptedLoadableModule] = {}

    def module(self, name: str) -> qSlicerScriptedLoadableModule | None:
        return self._modules.get(name)


class qSlicerMainWindow(QMainWindow):
    """Slicer's main window, which `slicer.util.mainWindow()` finds; it holds only the panel that shows a module."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._contents = QWidget()
        QVBoxLayout(self._contents)
        panel = QScrollArea()
        panel.setWidgetResizable(True)
        panel.setWidget(self._contents)
        self.setCentralWidget(panel)
        self.resize(520, 1000)

    def _add(self, widget: QWidget) -> None:
        self._contents.layout().addWidget(widget)
        widget.setVisible(True)

    def _remove(self, widget: QWidget) -> None:
        self._contents.layout().removeWidget(widget)
        widget.setVisible(False)
        widget.setParent(None)


class qSlicerApplication(QApplication):
    """`slicer.app`: Slicer's QApplication, which knows the scene, the views, the modules and the settings.

    The settings start empty and are thrown away. In testing mode (`slicer.app.testingEnabled()`), which is off at
    first, `slicer.util` logs its messages instead of showing them. `startupCompleted()` is emitted once all modules are
    loaded, here after each module's class is made.
    """

    startupCompleted = Signal()

    def __init__(self) -> None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        super().__init__(["Slicer"])
        self.setApplicationName("Slicer")
        self.setApplicationVersion("{}.{}.0".format(*VERSION))
        self.setStyle("fusion")
        # Closing the window of one test must not end the next one.
        self.setQuitOnLastWindowClosed(False)
        self._scene: slicer.vtkMRMLScene | None = None
        self._testing = False

    def _begin(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        self._testing = False
        self._folder = tempfile.TemporaryDirectory(prefix="panel-host-")
        self._settings = QSettings(os.path.join(self._folder.name, "Slicer.ini"), QSettings.Format.IniFormat)
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, self._folder.name)
        self._application_logic = slicer.vtkSlicerApplicationLogic()
        self._application_logic.SetMRMLScene(scene)
        # Slicer's own: it knows the view under the mouse.
        scene.AddNode(slicer.vtkMRMLCrosshairNode())
        # As Slicer's Colors module does.
        scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
        self._layout_manager = qSlicerLayoutManager(scene, self._application_logic)
        self._module_manager = qSlicerModuleManager()
        self._window = qSlicerMainWindow()
        self._window.show()

    def _end(self) -> None:
        from panel_host.qt_modules import delete

        if self.receivers(SIGNAL("startupCompleted()")):
            self.startupCompleted.disconnect()
        self._layout_manager._let_go()
        for qt_object in (self._window, self._layout_manager, self._module_manager, self._settings):
            delete(qt_object)
        self._application_logic.SetMRMLScene(None)
        self._scene = None
        self._folder.cleanup()

    def testingEnabled(self) -> bool:
        return self._testing

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._application_logic

    def layoutManager(self) -> qSlicerLayoutManager:
        return self._layout_manager

    def moduleManager(self) -> qSlicerModuleManager:
        return self._module_manager

    def settings(self) -> QSettings:
        return self._settings

    def userSettings(self) -> QSettings:
        return self._settings

    def pauseRender(self) -> None:
        """Nothing is rendered here."""

    def resumeRender(self) -> None:
        """Nothing is rendered here."""

    def translate(self, context: str, text: str) -> Any:
        """Slicer in English."""
        return text

    majorVersion = Property(int, lambda self: VERSION[0])
    minorVersion = Property(int, lambda self: VERSION[1])
    temporaryPath = Property(str, lambda self: self._folder.name)
