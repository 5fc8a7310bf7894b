"""Slicer's widgets over the MRML scene: plain stand-ins for their looks, the real scene behind them."""

from __future__ import annotations

import slicer
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from panel_host.node_selector import qMRMLNodeComboBox


class qMRMLWidget(QWidget):
    """Slicer's widget that knows the scene: passes it on by `mrmlSceneChanged(vtkMRMLScene*)`, once for each scene."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: slicer.vtkMRMLScene | None = None

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene


class qMRMLColorTableComboBox(qMRMLNodeComboBox):
    """Slicer's selector of a colour table: lists hidden ones too, and has no rows to add or delete one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filter.nodeTypes = ["vtkMRMLColorTableNode", "vtkMRMLProceduralColorNode"]
        self._filter.showHidden = True
        self._rows_for = dict.fromkeys(self._rows_for, False)
