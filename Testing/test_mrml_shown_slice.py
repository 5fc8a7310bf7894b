"""Which slice of a volume the user looks at."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from mrml_geometries import GEOMETRIES, ijk_to_ras, place

from NeuralDiffusionLib.mrml_shown_slice import shown_slice


@pytest.fixture
def views(scene):
    """Slice views as in Slicer's usual layout."""
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    logics, views = [], {}
    for name, orientation in (("Red", "Axial"), ("Yellow", "Sagittal"), ("Green", "Coronal")):
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        logics.append(logic)
        views[name] = logic.AddSliceNode(name)
        views[name].SetOrientation(orientation)
    yield views
    for logic in logics:
        logic.SetMRMLScene(None)


@pytest.fixture
def volume(add_volume):
    """(5, 20, 24) voxels of 1 x 2 x 3 mm along R, A and S."""
    volume = add_volume(np.zeros((5, 20, 24), np.int16))
    volume.SetSpacing(1, 2, 3)
    return volume


@pytest.mark.parametrize(("axis", "view", "spacing"), [(0, "Red", 3), (1, "Green", 2), (2, "Yellow", 1)])
def test_it_is_that_of_the_view_in_the_plane_of_the_slices(volume, views, axis, view, spacing):
    for index in (1, 4):
        point = [0, 0, 0]
        point[2 - axis] = (index + 0.3) * spacing
        views[view].JumpSliceByOffsetting(*point)
        assert shown_slice(volume, axis) == index


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_holds_the_centre_of_the_view_wherever_the_volume_lies(add_volume, views, geometry, axis):
    volume = add_volume()
    transform = place(volume, geometry)
    matrix = ijk_to_ras(volume)
    if transform is not None:
        parent = vtk.vtkMatrix4x4()
        transform.GetMatrixTransformToWorld(parent)
        matrix = slicer.util.arrayFromVTKMatrix(parent) @ matrix
    voxel = np.array([7, 9, 1, 1])
    for view in views.values():
        view.JumpSliceByCentering(*(matrix @ voxel)[:3])
    assert shown_slice(volume, axis) == voxel[2 - axis]


def test_a_view_beside_the_volume_gives_the_middle_slice(volume, views):
    views["Red"].SetSliceOffset(-40)
    assert shown_slice(volume, 0) == 2


def test_without_a_view_it_is_the_middle_slice(volume):
    assert [shown_slice(volume, axis) for axis in range(3)] == [2, 10, 12]


def test_of_views_in_the_same_plane_the_first_counts(volume, views):
    views["Green"].SetOrientation("Axial")
    views["Red"].SetSliceOffset(3)
    views["Green"].SetSliceOffset(9)
    assert shown_slice(volume, 0) == 1
