"""Word of each change to what the slice views show."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk


class SliceViewWatch:
    """Tells when a slice view shows something else.

    Parameters
    ----------
    changed
        Called after each change to a slice view. It must not change the views itself.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._tags: dict[vtk.vtkObject, int] = {}

    def start(self) -> None:
        """Watch the slice views that the scene has by now; those already watched are not watched twice."""
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if view not in self._tags:
                self._tags[view] = view.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: self._changed())

    def stop(self) -> None:
        """Watch nothing."""
        for observed, tag in self._tags.items():
            observed.RemoveObserver(tag)
        self._tags = {}
