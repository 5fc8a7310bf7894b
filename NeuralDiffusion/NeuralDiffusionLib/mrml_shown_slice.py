"""Which slice of a volume the slice views of its scene show."""

from __future__ import annotations

import numpy as np
import slicer
import vtk


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
    scene, kind = volume.GetScene(), "vtkMRMLSliceNode"
    views = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
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
    """Place of a point in world RAS, (3,) in mm, along an axis of the volume, in voxels."""
    to_volume = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, volume.GetParentTransformNode(), to_volume)
    ras_to_ijk = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(ras_to_ijk)
    return ras_to_ijk.MultiplyPoint((*to_volume.TransformPoint(point), 1.0))[2 - axis]


def _slice_to_ras(view: slicer.vtkMRMLSliceNode) -> np.ndarray:
    return slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
