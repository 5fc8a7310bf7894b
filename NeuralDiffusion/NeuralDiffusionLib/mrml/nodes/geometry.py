"""Whether two volumes are samples of the same voxels."""

from __future__ import annotations

from itertools import product

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError

# Share of a voxel; what a geometry loses in a file with 32-bit numbers, as NIfTI is, stays below.
_TOLERANCE = 0.01


def lie_voxel_on_voxel(first: slicer.vtkMRMLScalarVolumeNode, second: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether two volumes with images have the same size and place; parent transforms do not count."""
    if second.GetImageData().GetDimensions() != first.GetImageData().GetDimensions():
        return False
    places = [_corners(volume) @ ijk_to_ras(volume).T for volume in (first, second)]
    return bool(np.abs(places[0] - places[1]).max() < _TOLERANCE * min(first.GetSpacing()))


def check_same_transform(volume: slicer.vtkMRMLScalarVolumeNode, reference: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Check that volumes that lie voxel on voxel, parent transforms aside, do so in the views as well.

    Raises
    ------
    InvalidVolumeError
        If they have different parent transforms.
    """
    if volume.GetParentTransformNode() is not reference.GetParentTransformNode():
        raise InvalidVolumeError(
            _("'{name}' and '{reference}' are under different transforms: put both under the same first.").format(
                name=volume.GetName(), reference=reference.GetName()
            )
        )


def _corners(volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Numbers of the voxels in the corners, (8, 4), homogeneous; the first need not be 0."""
    first_and_last = np.reshape(volume.GetImageData().GetExtent(), (3, 2))
    return np.array([(*corner, 1) for corner in product(*first_and_last)])


def ijk_to_ras(volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Return the IJK to RAS matrix of a volume, (4, 4), in mm; parent transforms play no part."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def slice_origin(volume: slicer.vtkMRMLScalarVolumeNode, axis: int, index: int) -> np.ndarray:
    """Return where the first voxel of a slice lies in RAS, (3,), in mm; parent transforms play no part.

    Parameters
    ----------
    volume
        The whole volume.
    axis
        Axis of its array across the slice, 0 to 2, order K, J, I.
    index
        Place of the slice along that axis of the array, 0 or more, however the voxels of the image are numbered.
    """
    voxel = [*volume.GetImageData().GetExtent()[::2], 1]
    voxel[2 - axis] += index
    return ijk_to_ras(volume)[:3] @ voxel
