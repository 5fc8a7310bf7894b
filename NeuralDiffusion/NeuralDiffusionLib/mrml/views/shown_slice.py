"""Which slice of a volume the slice views of its scene show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import slicer
import vtk

from ..nodes.scene_nodes import nodes_of_class, slice_nodes_in_layout

# Share of a slice's thickness; a view that runs along a slice's border shows that slice.
_TOLERANCE = 1e-3


class SliceInView(NamedTuple):
    """The slice of a volume in the centre of a slice view.

    Attributes
    ----------
    axis
        Axis of the array across the slices, 0 to 2, order K, J, I.
    index
        Place of the slice along that axis; ``None`` if the view is beside the volume.
    fills_view
        Whether all that the view shows of the volume is this slice; if not, the view cuts it at an angle.
    """

    axis: int
    index: int | None
    fills_view: bool


def slice_in_view(volume: slicer.vtkMRMLScalarVolumeNode, view: slicer.vtkMRMLSliceNode) -> SliceInView:
    """Find the slice of a volume, across the axis that suits the view best, in the centre of a slice view.

    The volume has an image; of a single slice, the axis is that across it.
    """
    size = volume.GetImageData().GetDimensions()[::-1]
    # Slices of a single row are none.
    axes = [axis for axis in range(3) if all(size[other] > 1 for other in range(3) if other != axis)]
    axis = max(axes, key=lambda axis: _parallel(volume, axis, view))
    width, height = view.GetDimensions()[:2]
    to_ras = slicer.util.arrayFromVTKMatrix(view.GetXYToRAS())
    centre, *corners = (
        _place(volume, axis, (to_ras @ (x, y, 0, 1))[:3])
        for x, y in ((width / 2, height / 2), (0, 0), (width, 0), (0, height), (width, height))
    )
    index = int(np.floor(centre + 0.5))
    fills_view = all(abs(corner - index) <= 0.5 + _TOLERANCE for corner in corners)
    return SliceInView(axis, index if 0 <= index < size[axis] else None, fills_view)


def shown_slice(volume: slicer.vtkMRMLScalarVolumeNode, axis: int) -> int:
    """Find the slice across an axis of a volume that the user looks at.

    Parameters
    ----------
    volume
        Volume with an image, in a scene.
    axis
        Axis of its array along which the slices are stacked, 0 to 2, order K, J, I.

    Returns
    -------
    int
        Place along the axis, 0 or more, of the slice in the centre of the slice view that lies most nearly in the plane
        of the slices, the first of several; the middle slice if that view is beside the volume or there is none.
    """
    count = volume.GetImageData().GetDimensions()[2 - axis]
    scene = volume.GetScene()
    # Those of other layouts look somewhere, too.
    views = slice_nodes_in_layout(scene) or list(nodes_of_class(scene, "vtkMRMLSliceNode"))
    if not views:
        return count // 2
    view = max(views, key=lambda view: _parallel(volume, axis, view))
    index = int(np.floor(_place(volume, axis, _slice_to_ras(view)[:3, 3]) + 0.5))
    return index if 0 <= index < count else count // 2


def _parallel(volume: slicer.vtkMRMLScalarVolumeNode, axis: int, view: slicer.vtkMRMLSliceNode) -> float:
    """Cosine of the angle between a view and the slices."""
    to_ras = _slice_to_ras(view)
    centre = to_ras[:3, 3]
    # By differences over 1 mm, which takes in any parent transform.
    steps = np.array(
        [_place(volume, axis, centre + direction / np.linalg.norm(direction)) for direction in to_ras[:3, :3].T]
    ) - _place(volume, axis, centre)
    # Rounded, so that among parallel views the first wins and not the last bit.
    return round(abs(steps[2]) / float(np.linalg.norm(steps)), 6)


def _place(volume: slicer.vtkMRMLScalarVolumeNode, axis: int, point: np.ndarray) -> float:
    """Place of a point in world RAS, (3,) in mm, along an axis of the volume's array, in voxels."""
    to_volume = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, volume.GetParentTransformNode(), to_volume)
    ras_to_ijk = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(ras_to_ijk)
    first = volume.GetImageData().GetExtent()[::2]
    return ras_to_ijk.MultiplyPoint((*to_volume.TransformPoint(point), 1.0))[2 - axis] - first[2 - axis]


def _slice_to_ras(view: slicer.vtkMRMLSliceNode) -> np.ndarray:
    return slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
