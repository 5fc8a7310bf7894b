"""The slice view that the user works in."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from NeuralDiffusionLib.mrml.nodes.scene_nodes import slice_nodes_in_layout

_STAY_MS = 300


class ActiveSliceView(VTKObservationMixin):
    """The slice view in which the mouse stayed last, for 0.3 s; until then the first of the layout, usually Red.

    Views that the mouse crosses on its way to the panel do not count.

    Parameters
    ----------
    changed
        Called when another view is the active one, and after each change to where a view looks.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed
        # Identifiers of the view under the mouse, and of the one where it stayed.
        self._entered: str | None = None
        self._stayed: str | None = None
        self._stay = qt.QTimer()
        self._stay.setSingleShot(True)
        self._stay.setInterval(_STAY_MS)
        self._stay.connect("timeout()", self.onStayed)

    @property
    def node(self) -> slicer.vtkMRMLSliceNode | None:
        """The active view; ``None`` where the layout has no slice view."""
        views = slice_nodes_in_layout(slicer.mrmlScene)
        return next((view for view in views if view.GetID() == self._stayed), views[0] if views else None)

    def start(self) -> None:
        """Watch the mouse and the slice views that there are by now; those already watched are not watched twice."""
        # Slicer's own node, which knows the view under the mouse.
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if crosshair is not None:
            self._observe(crosshair, crosshair.CursorPositionModifiedEvent, self.onCursorMoved)
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            self._observe(view, vtk.vtkCommand.ModifiedEvent, self.onViewChanged)

    def stop(self) -> None:
        """Watch nothing."""
        self._stay.stop()
        self.removeObservers()

    def onCursorMoved(self, crosshair: slicer.vtkMRMLCrosshairNode, event: str) -> None:
        """Wait whether the mouse stays in the view that it has come into."""
        view = crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0])
        entered = view and view.GetID()
        if entered != self._entered:
            self._entered = entered
            self._stay.stop()
            if entered:
                self._stay.start()

    def onViewChanged(self, view: slicer.vtkMRMLSliceNode, event: str) -> None:
        """Pass it on that a view looks elsewhere, or that the layout no longer has it."""
        self._changed()

    def onStayed(self) -> None:
        """Make the view under the mouse the active one."""
        if self._entered != self._stayed:
            self._stayed = self._entered
            self._changed()

    def _observe(self, observed: vtk.vtkObject, event: int, tell: Callable[[vtk.vtkObject, str], None]) -> None:
        if not self.hasObserver(observed, event, tell):
            self.addObserver(observed, event, tell)
