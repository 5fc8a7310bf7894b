"""A segmentation as the mask of a volume: inside it is denoised, outside the scan stays as it was."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ...errors import InvalidVolumeError
from .volumes import check_input


def mask_of_segmentation(
    segmentation_node: slicer.vtkMRMLSegmentationNode | None, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> np.ndarray:
    """Resample all segments, the hidden ones too, into the voxels of a volume and unite them.

    A voxel is inside if its centre is. Parent transforms of both nodes are respected. Neither node is changed: a
    segmentation that holds surfaces only is converted in a copy, on the grid of the volume.

    Parameters
    ----------
    segmentation_node
        Segmentation with binary label maps, or with what Slicer converts to these.
    volume_node
        Volume whose image data and geometry set the voxels.

    Returns
    -------
    np.ndarray
        bool, (K, J, I), shape of the volume; at least one voxel is true.

    Raises
    ------
    InvalidVolumeError
        If there is no segmentation, it is empty, cannot be converted, or lies outside the volume; or if the volume
        cannot be denoised.
    """
    if segmentation_node is None or not segmentation_node.IsA("vtkMRMLSegmentationNode"):
        raise InvalidVolumeError(_("The mask is not a segmentation: choose a segmentation, or none."))
    check_input(volume_node)
    name = segmentation_node.GetName()
    voxels = _voxels_of(volume_node)
    to_volume = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        segmentation_node.GetParentTransformNode(), volume_node.GetParentTransformNode(), to_volume
    )
    segmentation = _with_label_maps(segmentation_node, volume_node)
    mask = np.zeros(volume_node.GetImageData().GetDimensions()[::-1], bool)
    empty = True
    for layer in range(segmentation.GetNumberOfLayers(_label_maps())):
        label_map = segmentation.GetLayerDataObject(layer, _label_maps())
        segments = segmentation.GetSegmentIDsForLayer(layer, _label_maps())
        labels = [segmentation.GetSegment(segment).GetLabelValue() for segment in segments]
        if not np.isin(_array(label_map), labels).any():
            continue
        empty = False
        resampled = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            label_map, voxels, resampled, False, False, to_volume
        )
        mask |= np.isin(_array(resampled), labels)
    if empty:
        raise InvalidVolumeError(_("The mask '{name}' is empty: draw a segment, or choose none.").format(name=name))
    if not mask.any():
        raise InvalidVolumeError(
            _(
                "The mask '{name}' covers no voxel of '{volume}': choose a mask that was drawn on this volume, and "
                "check the transforms of both."
            ).format(name=name, volume=volume_node.GetName())
        )
    return mask


def inside_mask(denoised: np.ndarray, original: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Take the denoised voxels inside a mask and the original ones outside.

    Parameters
    ----------
    denoised
        (K, J, I), float32 or float64.
    original
        Same shape and units, in the scalar type of the scan.
    mask
        Same shape, bool.

    Returns
    -------
    np.ndarray
        (K, J, I), float32 or float64, whichever holds the original values exactly (64-bit integers up to 2^53): outside
        every voxel is what it was.

    Raises
    ------
    InvalidVolumeError
        If the shapes differ.
    """
    if not denoised.shape == original.shape == mask.shape:
        raise InvalidVolumeError(
            _(
                "The mask has {mask} voxels, the scan {original} and the denoised image {denoised}: make all three of "
                "one scan."
            ).format(mask=_size(mask), original=_size(original), denoised=_size(denoised))
        )
    return np.where(mask, denoised, original)


def _label_maps() -> str:
    return slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()


def _voxels_of(volume_node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkOrientedImageData:
    """The volume's grid, without values."""
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    voxels = slicer.vtkOrientedImageData()
    voxels.SetExtent(volume_node.GetImageData().GetExtent())
    voxels.SetGeometryFromImageToWorldMatrix(matrix)
    return voxels


def _with_label_maps(
    segmentation_node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkSegmentation:
    """The node's segmentation, or a copy with label maps on the grid of the volume where it has none itself."""
    segmentation = segmentation_node.GetSegmentation()
    if segmentation.GetNumberOfSegments() == 0 or segmentation.ContainsRepresentation(_label_maps()):
        return segmentation
    grid, to_segmentation = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(grid)
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(
        volume_node.GetParentTransformNode(), segmentation_node.GetParentTransformNode(), to_segmentation
    )
    vtk.vtkMatrix4x4.Multiply4x4(to_segmentation, grid, grid)
    converter = slicer.vtkSegmentationConverter
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    copy.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(),
        converter.SerializeImageGeometry(grid, volume_node.GetImageData()),
    )
    if not copy.CreateRepresentation(_label_maps()) or copy.GetNumberOfLayers(_label_maps()) == 0:
        raise InvalidVolumeError(
            _(
                "The mask '{name}' has no binary label maps and could not be converted to them: choose 'Create' for "
                "'Binary labelmap' in the Segmentations module."
            ).format(name=segmentation_node.GetName())
        )
    return copy


def _array(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """Values of an image, (K, J, I); none where it holds none."""
    scalars = image.GetPointData().GetScalars()
    return np.empty((0, 0, 0)) if scalars is None else vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])


def _size(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape))
