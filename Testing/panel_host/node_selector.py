"""Slicer's selector of a node."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6.QtCore import Property, Signal, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget

from panel_host.scene_nodes import NodeFilter, SceneNodes


class qMRMLNodeComboBox(QWidget):
    """Slicer's selector of a node: lists the scene's nodes of some classes and follows them.

    As there:

    - disabled until it has a scene; a node chosen before that is kept and chosen then;
    - nodes appear, disappear and change their names with those of the scene;
    - with neither a "None" row nor rows for adding, renaming and deleting, the first node to appear is chosen;
    - when the chosen node is removed its successor is chosen, else the last one, else none;
    - `currentNodeChanged(vtkMRMLNode*)`, `currentNodeChanged(bool)` and `currentNodeIDChanged(QString)` are emitted in
      this order, also when the chosen node changes its name.

    The rows for adding, renaming and deleting are left out: their slots `addNode` and `removeCurrentNode` are there.
    """

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    nodeAddedByUser = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._nodes = SceneNodes(self._refresh)
        self._filter = NodeFilter()
        self._requested = ""
        self._base_names: dict[str, str] = {}
        self._rows_for: dict[str, bool] = {"add": True, "remove": True, "edit": False, "rename": False}
        self._none_enabled, self._none_display = False, "None"
        self._select_created = True
        self._box = QComboBox(self)
        self._box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._box.setMinimumContentsLength(12)
        self._box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._box.setPlaceholderText("Select a node")
        self._box.currentIndexChanged.connect(self._emit_current)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.setEnabled(False)

    @Slot(object)
    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is self._nodes.scene:
            return
        self._nodes.follow(scene)
        self._refresh()
        if self._requested and scene is not None:
            self.setCurrentNodeID(self._requested)
            self._requested = ""
        self.setEnabled(scene is not None)

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._nodes.scene

    def _refresh(self, leaving: slicer.vtkMRMLNode | None = None) -> None:
        rows = [("", self._none_display)] if self._none_enabled else []
        rows += [(node.GetID(), node.GetName() or "") for node in self._nodes.of(self._filter, leaving)]
        shown = [(self._box.itemData(row), self._box.itemText(row)) for row in range(self._box.count())]
        if rows == shown:
            return
        before = self._box.currentIndex()
        after = self._row_after(before, [row_id for row_id, _ in shown], [row_id for row_id, _ in rows])
        silent = self._box.blockSignals(True)
        self._box.clear()
        for row_id, name in rows:
            self._box.addItem(name, row_id)
        self._box.setCurrentIndex(after)
        self._box.blockSignals(silent)
        nothing = ("", "")
        if (rows[after] if after >= 0 else nothing) != (shown[before] if before >= 0 else nothing):
            self._emit_current()

    def _row_after(self, before: int, ids_before: list[str], ids_after: list[str]) -> int:
        """Return the row to choose now, if row `before` was chosen until now."""
        if before >= 0 and ids_before[before] in ids_after:
            return ids_after.index(ids_before[before])
        if before >= 0 and ids_before[before]:
            return min(before, len(ids_after) - 1)
        first_to_appear = bool(ids_after) and not ids_before and not any(self._rows_for.values())
        return 0 if first_to_appear or self._none_enabled else -1

    def _emit_current(self, index: int = 0) -> None:
        node = self.currentNode()
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(self._current_id())

    def nodeCount(self) -> int:
        return self._box.count() - self._none_enabled

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        return self.mrmlScene().GetNodeByID(self._box.itemData(index + self._none_enabled) or "")

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        node_id = self._box.currentData()
        return self.mrmlScene().GetNodeByID(node_id) if node_id and self.mrmlScene() is not None else None

    def _current_id(self) -> str:
        node = self.currentNode()
        return node.GetID() if node is not None else ""

    @Slot(object)
    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        self.setCurrentNodeID((node.GetID() or "") if node is not None else "")

    @Slot(str)
    def setCurrentNodeID(self, node_id: str) -> None:
        if self.mrmlScene() is None:
            self._requested = node_id
        index = self._box.findData(node_id) if node_id else -1
        self._box.setCurrentIndex(0 if index < 0 and self._none_enabled else index)

    def setCurrentNodeIndex(self, index: int) -> None:
        self._box.setCurrentIndex(index + self._none_enabled if index < self.nodeCount() else -1)

    @Slot()
    def addNode(self, node_type: str = "") -> slicer.vtkMRMLNode:
        scene = self.mrmlScene()
        node_type = node_type or self._filter.nodeTypes[0]
        name = self._base_names.get(node_type) or scene.GetTypeDisplayNameByClassName(node_type)
        node = scene.AddNewNodeByClass(node_type, scene.GenerateUniqueName(name))
        if self._select_created:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    @Slot()
    def removeCurrentNode(self) -> None:
        self.mrmlScene().RemoveNode(self.currentNode())

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        self._filter.attributes[node_type] = (name, value)
        self._refresh()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._filter.attributes.pop(node_type, None)
        self._refresh()

    def _set_base_name(self, name: str) -> None:
        self._base_names.update(dict.fromkeys(self._filter.nodeTypes, name))

    def _set_select_created(self, on: bool) -> None:
        self._select_created = on

    def _set_none_enabled(self, on: bool) -> None:
        self._none_enabled = on
        self._refresh()

    def _set_none_display(self, text: str) -> None:
        self._none_display = text
        self._refresh()

    def _filtered(kind: Any, name: str) -> Property:  # noqa: N805 - makes the properties below
        def write(self: qMRMLNodeComboBox, value: Any) -> None:
            setattr(self._filter, name, [text for text in value if text] if isinstance(value, list) else value)
            self._refresh()

        return Property(kind, lambda self: getattr(self._filter, name), write)

    def _row_for(name: str) -> Property:  # noqa: N805
        return Property(bool, lambda self: self._rows_for[name], lambda self, on: self._rows_for.update({name: on}))

    nodeTypes = _filtered("QStringList", "nodeTypes")
    hideChildNodeTypes = _filtered("QStringList", "hideChildNodeTypes")
    showHidden = _filtered(bool, "showHidden")
    showChildNodeTypes = _filtered(bool, "showChildNodeTypes")
    addEnabled, removeEnabled = _row_for("add"), _row_for("remove")
    editEnabled, renameEnabled = _row_for("edit"), _row_for("rename")
    noneEnabled = Property(bool, lambda self: self._none_enabled, _set_none_enabled)
    noneDisplay = Property(str, lambda self: self._none_display, _set_none_display)
    selectNodeUponCreation = Property(bool, lambda self: self._select_created, _set_select_created)
    baseName = Property(str, lambda self: next(iter(self._base_names.values()), ""), _set_base_name)
    currentNodeID = Property(str, _current_id, setCurrentNodeID)
