"""Slicer's base classes of a scripted module. Qt is used only where the application runs, not by scripts."""

from __future__ import annotations

import importlib
import typing
import unittest
from pathlib import Path

import slicer


class ScriptedLoadableModule:
    """As in Slicer: keeps the ``parent`` that the module fills in, gives it the module's icon, registers the self-test.

    Without the application the parent has no path, and neither is done.
    """

    def __init__(self, parent: typing.Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        if not hasattr(parent, "path"):
            return
        import qt

        for suffix in (".svg", ".png"):
            icon = Path(parent.path).parent / "Resources" / "Icons" / f"{self.moduleName}{suffix}"
            if icon.is_file():
                parent.icon = qt.QIcon(str(icon))
                break
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def runTest(self, msec: int = 100, **arguments: typing.Any) -> None:
        """Run the module's test class, as the buttons "Test" and "Reload and Test" do."""
        test = getattr(importlib.import_module(type(self).__module__), f"{self.moduleName}Test")()
        test.messageDelay = msec
        test.runTest(**arguments)


class ScriptedLoadableModuleWidget:
    """As in Slicer: knows its parent widget and layout, and is cleaned up when the module is about to be unloaded.

    Without a parent it makes itself one, sets itself up and shows it. The section for developers is left out: they call
    `onReload` and `onTest`.
    """

    def __init__(self, parent: typing.Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent or self._new_parent()
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def setup(self) -> None:
        """Slicer adds its section for developers here."""

    def cleanup(self) -> None:
        """Called when the application is about to unload the module, or the panel is reloaded."""

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **arguments: typing.Any) -> None:
        with slicer.util.tryWithErrorDisplay("Test failed."):
            slicer.selfTests[self.moduleName](**arguments)

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    @staticmethod
    def _new_parent() -> typing.Any:
        import qt

        parent = slicer.qMRMLWidget()
        parent.setLayout(qt.QVBoxLayout())
        parent.setMRMLScene(slicer.mrmlScene)
        return parent


class ScriptedLoadableModuleLogic:
    """As in Slicer: one parameter node a scene, a singleton ``vtkMRMLScriptedModuleNode`` tagged with the module."""

    def __init__(self, parent: typing.Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """As in Slicer: a ``unittest.TestCase`` that can show what it is doing; here it prints it."""

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        print(message)
