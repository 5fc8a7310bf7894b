"""Word of each change to what the slice views show, and to which of them the layout has."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk

from NeuralDiffusionLib.mrml.nodes.scene_nodes import slice_nodes_in_layout

_REST_MS = 10


class SliceViewWatch:
    """Tells when a slice view shows something else, and when other views are seen after a change of the layout.

    Parameters
    ----------
    changed
        Called after each change to a slice view, and soon after one of the layout. It must not change the views itself.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._tags: dict[vtk.vtkObject, int] = {}
        self._seen: set[str] = set()
        # A new layout first takes all views out.
        self._rest = qt.QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.connect("timeout()", self.onRested)

    def start(self) -> None:
        """Watch the slice views that the scene has by now, and those to come; none of them is watched twice."""
        if not self._tags:
            self._seen = _views_in_layout()
            self._observe(slicer.mrmlScene, slicer.mrmlScene.NodeAddedEvent, self.onNodeAdded)
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            self._observe(view, vtk.vtkCommand.ModifiedEvent, self.onLayersChanged)
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            self._observe(view, vtk.vtkCommand.ModifiedEvent, self.onViewChanged)

    def stop(self) -> None:
        """Watch nothing."""
        self._rest.stop()
        for observed, tag in self._tags.items():
            observed.RemoveObserver(tag)
        self._tags = {}

    def onLayersChanged(self, layers: slicer.vtkMRMLSliceCompositeNode, event: str) -> None:
        """Pass it on that a view shows something else."""
        self._changed()

    def onViewChanged(self, view: slicer.vtkMRMLSliceNode, event: str) -> None:
        """Look soon whether the layout is another one; most changes are to where a view looks."""
        if not self._rest.isActive() and _views_in_layout() != self._seen:
            self._rest.start()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, scene: slicer.vtkMRMLScene, event: str, node: vtk.vtkObject) -> None:
        """Take up a slice view that a layout has made, once both of its nodes are there."""
        if node.IsA("vtkMRMLSliceNode") or node.IsA("vtkMRMLSliceCompositeNode"):
            self._rest.start()

    def onRested(self) -> None:
        """Take up new views, and tell of it if others are seen than before."""
        self.start()
        seen = _views_in_layout()
        if seen != self._seen:
            self._seen = seen
            self._changed()

    def _observe(self, observed: vtk.vtkObject, event: int, tell: Callable[..., None]) -> None:
        if observed not in self._tags:
            self._tags[observed] = observed.AddObserver(event, tell)


def _views_in_layout() -> set[str]:
    return {view.GetID() for view in slice_nodes_in_layout(slicer.mrmlScene)}
