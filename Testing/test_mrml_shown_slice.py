"""Which slice of a volume the user looks at."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from mrml_geometries import GEOMETRIES, ijk_to_ras, place

from NeuralDiffusionLib.mrml.views.shown_slice import shown_slice, slice_in_view


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


def turn_to(view, normal, centre):
    """Let a view look along a direction at a point."""
    matrix = np.eye(4)
    # Any two directions within the plane will do.
    within = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    matrix[:3, :3] = np.linalg.qr(np.column_stack([within, np.cross(normal, within), normal]))[0]
    matrix[:3, 3] = centre
    view.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(matrix))
    view.UpdateMatrices()


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


def test_views_that_are_in_the_layout_come_before_those_that_are_not(volume, views):
    views["Green"].SetOrientation("Axial")
    views["Green"].SetMappedInLayout(1)
    views["Red"].SetSliceOffset(3)
    views["Green"].SetSliceOffset(9)
    assert shown_slice(volume, 0) == 3


@pytest.mark.parametrize(("view", "axis"), [("Red", 0), ("Green", 1), ("Yellow", 2)])
def test_each_view_shows_slices_across_its_own_axis(volume, views, view, axis):
    for index in (0, 3, 4):
        point = [8, 20, 6]
        point[2 - axis] = (index + 0.3) * volume.GetSpacing()[2 - axis]
        views[view].JumpSliceByOffsetting(*point)
        assert slice_in_view(volume, views[view]) == (axis, index, True)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_view_turned_into_the_plane_of_the_slices_shows_one_of_them(add_volume, views, geometry, axis):
    volume = add_volume()
    parent = vtk.vtkMatrix4x4()
    place(volume, geometry).GetMatrixTransformToWorld(parent)
    to_world = slicer.util.arrayFromVTKMatrix(parent) @ ijk_to_ras(volume)
    first, second = (to_world[:3, 2 - other] for other in range(3) if other != axis)
    turn_to(views["Green"], np.cross(first, second), (to_world @ (7, 9, 1, 1))[:3])
    assert slice_in_view(volume, views["Green"]) == (axis, (1, 9, 7)[axis], True)


def test_a_view_at_an_angle_shows_more_than_one_slice(volume, views):
    turn_to(views["Red"], GEOMETRIES["oblique"][:, 2], (12, 20, 6))
    assert slice_in_view(volume, views["Red"]) == (0, 2, False)


def test_moved_aside_the_centre_of_what_the_view_shows_counts(volume, views):
    turn_to(views["Red"], GEOMETRIES["oblique"][:, 2], (12, 20, 6))
    views["Red"].SetXYZOrigin(0, 24, 0)
    moved = views["Red"].GetXYToRAS().MultiplyPoint((*(size / 2 for size in views["Red"].GetDimensions()[:2]), 0, 1))
    assert slice_in_view(volume, views["Red"]).index == round(moved[2] / 3) != 2


def test_beside_the_volume_a_view_shows_no_slice(volume, views):
    for place_ in (-2, 14):
        views["Red"].JumpSliceByOffsetting(8, 20, place_)
        assert slice_in_view(volume, views["Red"]) == (0, None, True)


def test_rows_are_no_slices(add_volume, views):
    single = add_volume(np.zeros((1, 20, 24), np.int16))
    views["Yellow"].JumpSliceByOffsetting(8, 10, 0)
    assert slice_in_view(single, views["Yellow"])[:2] == (0, 0)
