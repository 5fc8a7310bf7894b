"""The nodes of a scene that a selector offers, and word of each change to them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import shiboken6
import slicer
import vtk


@dataclass
class NodeFilter:
    """Which nodes Slicer's `qMRMLSortFilterProxyModel` lets through, as far as a selector sets it.

    Of the classes `nodeTypes`; derived ones only with `showChildNodeTypes`, and not those of `hideChildNodeTypes`;
    those hidden from editors only with `showHidden`; with an entry in `attributes` only nodes that carry the attribute,
    with that value unless it is None.
    """

    nodeTypes: list[str] = field(default_factory=list)
    hideChildNodeTypes: list[str] = field(default_factory=list)
    showHidden: bool = False
    showChildNodeTypes: bool = True
    attributes: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def accepts(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        for kind in self.nodeTypes:
            if not node.IsA(kind) or (not self.showChildNodeTypes and node.GetClassName() != kind):
                continue
            if any(node.IsA(hidden) for hidden in self.hideChildNodeTypes):
                return False
            if kind not in self.attributes:
                return True
            name, value = self.attributes[kind]
            return node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name))
        return False


class SceneNodes:
    """Follows a scene for a widget: calls `changed(leaving)` when nodes come, go or are modified.

    As Slicer's `qMRMLSceneModel`, it hears of a node just before it is removed (`leaving`), and while the scene closes
    or is loaded it hears nothing, but once afterwards. The observers do not keep the widget alive.
    """

    def __init__(self, changed: Callable[[slicer.vtkMRMLNode | None], None]) -> None:
        self.scene: slicer.vtkMRMLScene | None = None
        self._changed = weakref.WeakMethod(changed)
        self._scene_tags: list[int] = []
        self._node_tags: list[tuple[slicer.vtkMRMLNode, int]] = []

    def follow(self, scene: slicer.vtkMRMLScene | None) -> None:
        """Follow this scene and no other."""
        for tag in self._scene_tags:
            self.scene.RemoveObserver(tag)
        self.scene = scene
        self._scene_tags = []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.EndCloseEvent, scene.EndImportEvent)
            self._scene_tags = [scene.AddObserver(event, self._observer()) for event in events]
            self._scene_tags.append(scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._removal_observer()))

    def of(self, accepted: NodeFilter, leaving: slicer.vtkMRMLNode | None = None) -> list[slicer.vtkMRMLNode]:
        """Return the nodes that a filter lets through, without one that is leaving, and watch all of their classes."""
        scene = self.scene
        nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())] if scene is not None else []
        nodes = [node for node in nodes if node is not leaving and any(node.IsA(kind) for kind in accepted.nodeTypes)]
        if nodes != [node for node, _ in self._node_tags]:
            for node, tag in self._node_tags:
                node.RemoveObserver(tag)
            modified = vtk.vtkCommand.ModifiedEvent
            self._node_tags = [(node, node.AddObserver(modified, self._observer())) for node in nodes]
        return [node for node in nodes if accepted.accepts(node)]

    def _observer(self) -> Callable:
        tell = _teller(self._changed)
        return lambda caller, event: tell(self.scene, None)

    def _removal_observer(self) -> Callable:
        tell = _teller(self._changed)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def observe(caller: Any, event: str, node: slicer.vtkMRMLNode) -> None:
            tell(self.scene, node)

        return observe


def _teller(method: weakref.WeakMethod) -> Callable:
    def tell(scene: slicer.vtkMRMLScene, leaving: slicer.vtkMRMLNode | None) -> None:
        changed = method()
        if (
            changed is not None
            and shiboken6.isValid(changed.__self__)
            and not (scene.IsClosing() or scene.IsImporting())
        ):
            changed(leaving)

    return tell
