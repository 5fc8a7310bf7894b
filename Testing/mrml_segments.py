"""Segmentations for the tests."""

from __future__ import annotations

import numpy as np
import slicer
from vtk.util.numpy_support import numpy_to_vtk


def add_mask(scene: slicer.vtkMRMLScene, inside: np.ndarray, name: str = "Mask") -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation of one segment, true voxels of an array (K, J, I) that lies on a grid of 1 mm from 0."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*inside.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(inside.astype(np.uint8).ravel(), deep=True))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.AddSegmentFromBinaryLabelmapRepresentation(image, "Inside")
    return node
