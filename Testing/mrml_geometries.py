"""Places of volumes that results must keep: oblique and left-handed IJK to RAS, under a parent transform."""

from __future__ import annotations

import numpy as np
import slicer
import vtk


def _oblique():
    """Directions of three axes, turned about two of the scanner's."""
    a, b = np.deg2rad(20), np.deg2rad(-35)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_z @ about_x


GEOMETRIES = {
    "axial": np.eye(3),
    "oblique": _oblique(),
    "left-handed": np.diag([-1.0, 1.0, 1.0]),
    "oblique and left-handed": _oblique() @ np.diag([1.0, 1.0, -1.0]),
}


def place(volume, geometry, spacing=(0.7, 0.9, 3.5), origin=(-91.25, 40.5, 7.75)):
    """Give a volume one of `GEOMETRIES` and a parent transform, which is returned."""
    matrix = np.eye(4)
    matrix[:3, :3] = GEOMETRIES[geometry] * spacing
    matrix[:3, 3] = origin
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    transform = volume.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([-1.0, 2.0, 1.0, 1.0])))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def ijk_to_ras(volume):
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def put_into_study(scene, volume):
    """Put a volume under a study in the Subject Hierarchy; returns the hierarchy and the study."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient"), "Study")
    hierarchy.CreateItem(study, volume)
    return hierarchy, study
