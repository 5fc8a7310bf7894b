"""Word of an event of one node, another one from time to time."""

from __future__ import annotations

from collections.abc import Callable

import vtk


class NodeWatch:
    """Tells of an event of the node that is followed.

    Slicer's `VTKObservationMixin` keeps alive, with its image, every node that it has ever observed.

    Parameters
    ----------
    event
        Such as ``vtk.vtkCommand.ModifiedEvent``.
    happened
        Called with the node and the name of the event.
    """

    def __init__(self, event: int, happened: Callable[[vtk.vtkObject, str], None]) -> None:
        self._event, self._happened = event, happened
        self._tag = 0
        self.node: vtk.vtkObject | None = None

    def follow(self, node: vtk.vtkObject | None) -> bool:
        """Follow a node, or none, instead of the one before; return whether that is another one."""
        if node is self.node:
            return False
        if self.node is not None:
            self.node.RemoveObserver(self._tag)
        self.node = node
        if node is not None:
            self._tag = node.AddObserver(self._event, self._happened)
        return True
