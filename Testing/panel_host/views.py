"""The slice views of the application: Slicer's real slice logics and nodes, without the windows that draw them."""

from __future__ import annotations

import slicer
import vtk
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
VIEW_SIZE = (256, 256)


class qMRMLSliceView(QWidget):
    """Slicer's window of a slice. Nothing is drawn here: rendering is only counted, in `renderings`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._renderings = 0

    def scheduleRender(self) -> None:
        self._renderings += 1

    def forceRender(self) -> None:
        self._renderings += 1

    def renderings(self) -> int:
        return self._renderings


class qMRMLSliceWidget(QWidget):
    """Slicer's slice viewer: gives its logic, its nodes and its view."""

    def __init__(self, logic: slicer.vtkMRMLSliceLogic, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._logic = logic
        self._view = qMRMLSliceView(self)

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        return self._logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> slicer.vtkMRMLSliceCompositeNode:
        return self._logic.GetSliceCompositeNode()

    def sliceView(self) -> qMRMLSliceView:
        return self._view


class qSlicerLayoutManager(QObject):
    """Slicer's layout manager in its usual layout as far as slices go: views Red, Yellow and Green of 256 x 256 pixels.

    As there, the nodes of a view are singletons of the scene, named after it, and stay when the scene is closed; they
    say that the layout has them (`IsMappedInLayout`).
    """

    def __init__(self, scene: slicer.vtkMRMLScene, application_logic: slicer.vtkSlicerApplicationLogic) -> None:
        super().__init__()
        self._logics = vtk.vtkCollection()
        self._application_logic = application_logic
        self._widgets: dict[str, qMRMLSliceWidget] = {}
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        for name, orientation in ORIENTATIONS.items():
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(application_logic)
            logic.SetMRMLScene(scene)
            node = logic.AddSliceNode(name)
            node.SetOrientation(orientation)
            node.SetDimensions(*VIEW_SIZE, 1)
            node.SetMappedInLayout(1)
            self._logics.AddItem(logic)
            self._widgets[name] = qMRMLSliceWidget(logic)
        application_logic.SetSliceLogics(self._logics)

    def _let_go(self) -> None:
        for index in range(self._logics.GetNumberOfItems()):
            self._logics.GetItemAsObject(index).SetMRMLScene(None)
        self._application_logic.SetSliceLogics(None)

    def sliceViewNames(self) -> list[str]:
        return list(self._widgets)

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        return self._widgets.get(name)

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return self._logics
