"""Word of each change to what the slice views show."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk


class SliceViewWatch:
    """Tells when a slice view shows something else, and when a scene has been loaded.

    Parameters
    ----------
    changed
        Called after each change to a slice view. It must not change the views itself.
    loaded
        Called once the nodes of a loaded scene are complete.
    """

    def __init__(self, changed: Callable[[], None], loaded: Callable[[], None]) -> None:
        self._changed, self._loaded = changed, loaded
        self._tags: dict[vtk.vtkObject, int] = {}

    def start(self) -> None:
        """Watch the scene and the slice views that it has by now; those already watched are not watched twice."""
        self._observe(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._loaded)
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            self._observe(view, vtk.vtkCommand.ModifiedEvent, self._changed)

    def stop(self) -> None:
        """Watch nothing."""
        for observed, tag in self._tags.items():
            observed.RemoveObserver(tag)
        self._tags = {}

    def _observe(self, observed: vtk.vtkObject, event: int, tell: Callable[[], None]) -> None:
        if observed not in self._tags:
            self._tags[observed] = observed.AddObserver(event, lambda caller, event: tell())
