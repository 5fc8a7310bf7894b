"""Observes an event of one node at a time; the node that is followed may be exchanged for another one."""

from __future__ import annotations

from collections.abc import Callable

import vtk


class NodeWatch:
    """Calls a function whenever an event of the followed node occurs.

    It stands in for Slicer's `VTKObservationMixin`, which keeps every node alive that it has ever observed, with its
    image.

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
