"""The nodes of a scene."""

from __future__ import annotations

from collections.abc import Iterator

import slicer


def nodes_of_class(scene: slicer.vtkMRMLScene, kind: str) -> Iterator[slicer.vtkMRMLNode]:
    """Give the nodes of a class, such as ``"vtkMRMLTableNode"``, and of those derived from it, in the scene's order.

    `slicer.util.getNodesByClass` looks into the application's scene, whatever scene it is given.
    """
    return (scene.GetNthNodeByClass(number, kind) for number in range(scene.GetNumberOfNodesByClass(kind)))


def slice_nodes_in_layout(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceNode]:
    """Return the nodes of the slice views that the layout has, in the scene's order."""
    return [view for view in nodes_of_class(scene, "vtkMRMLSliceNode") if view.IsMappedInLayout()]
