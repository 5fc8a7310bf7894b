"""Segmentations for the tests."""

from __future__ import annotations

import numpy as np
import slicer
from mrml_geometries import ijk_to_ras
from vtk.util.numpy_support import numpy_to_vtk


def add_mask(scene: slicer.vtkMRMLScene, inside: np.ndarray, name: str = "Brain") -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation of one segment, true voxels of an array (K, J, I) that lies on a grid of 1 mm from 0."""
    return _add(scene, inside, name, np.eye(4))


def add_mask_over(
    volume: slicer.vtkMRMLScalarVolumeNode, inside: np.ndarray, name: str = "Brain"
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation of one segment, true voxels of an array (K, J, I) that lies on the voxels of a volume."""
    return _add(volume.GetScene(), inside, name, ijk_to_ras(volume))


def _add(
    scene: slicer.vtkMRMLScene, inside: np.ndarray, name: str, matrix: np.ndarray
) -> slicer.vtkMRMLSegmentationNode:
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*inside.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(inside.astype(np.uint8).ravel(), deep=True))
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(matrix))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.AddSegmentFromBinaryLabelmapRepresentation(image, "Inside")
    return node
