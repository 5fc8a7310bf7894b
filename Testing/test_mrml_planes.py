"""Which way slices lie, for what the user chose, on volumes of a real scene; and how that is said."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, place

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.planes import SlicesAlong, describe_slices, slice_axis
from NeuralDiffusionLib.mrml.parameters import NeuralDiffusionParameterNode

SINGLE = (SlicesAlong.RIGHT, SlicesAlong.ANTERIOR, SlicesAlong.SUPERIOR)
# The directions of I, J and K in RAS.
ACQUIRED = {
    "axial": (np.eye(3), (2, 1, 0)),
    "sagittal": (np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]], float), (0, 2, 1)),
    "coronal": (np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float), (2, 0, 1)),
}


@pytest.fixture
def volume(add_volume):
    return add_volume(np.zeros((6, 20, 24), np.int16))


def orient(volume, directions, spacing):
    matrix = np.eye(4)
    matrix[:3, :3] = directions * np.asarray(spacing)
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))


@pytest.mark.parametrize("plane", ACQUIRED)
def test_each_choice_finds_its_axis_however_the_scan_was_acquired(volume, plane):
    directions, axes = ACQUIRED[plane]
    orient(volume, directions, (0.8, 0.9, 4.0))
    assert tuple(slice_axis(volume, each) for each in SINGLE) == axes
    assert slice_axis(volume, SlicesAlong.ACQUISITION) == 0
    assert (
        describe_slices(volume, SlicesAlong.ACQUISITION)
        == f"Acquisition plane: {plane}, slices 4 mm apart: too thick for a step across."
    )


@pytest.mark.parametrize("axis", range(3))
def test_the_acquisition_plane_is_the_one_across_the_widest_spacing(volume, axis):
    spacing = [0.8, 0.8, 0.8]
    spacing[2 - axis] = 3.5
    orient(volume, np.eye(3), spacing)
    plane = ("axial", "coronal", "sagittal")[axis]
    for choice in (SlicesAlong.ACQUISITION, SlicesAlong.THREE_PLANES):
        assert slice_axis(volume, choice) == axis
    assert (
        describe_slices(volume, SlicesAlong.ACQUISITION)
        == f"Acquisition plane: {plane}, slices 3.5 mm apart: too thick for a step across."
    )


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_parent_transform_does_not_turn_the_slices(volume, geometry):
    before = place(volume, geometry)
    turned = np.diag([1.0, 1.0, 1.0, 1.0])
    turned[:3, :3] = ACQUIRED["sagittal"][0]
    before.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turned))
    assert tuple(slice_axis(volume, each) for each in SINGLE) == (2, 1, 0)


def test_where_the_spacing_favours_no_plane_that_is_said(volume):
    orient(volume, np.eye(3), (1.0, 1.0, 1.3))
    assert describe_slices(volume, SlicesAlong.ACQUISITION) == (
        "Acquisition plane: axial, as the slices are stored; their spacing (1 x 1 x 1.3 mm) favours none."
    )


def test_a_single_slice_has_no_distance_and_no_other_planes(add_volume):
    volume = add_volume(np.zeros((20, 1, 24), np.int16))
    assert slice_axis(volume, SlicesAlong.ACQUISITION) == 1
    assert describe_slices(volume, SlicesAlong.ACQUISITION) == "Acquisition plane: coronal, a single slice."
    assert describe_slices(volume, SlicesAlong.THREE_PLANES) == "Not possible here: the volume is a single slice."


def test_the_three_planes_say_what_they_cost_and_when_they_hurt(volume):
    orient(volume, np.eye(3), (1.0, 1.0, 1.2))
    cost = "Axial, coronal and sagittal, averaged: takes three times as long, and neighbouring slices agree."
    assert describe_slices(volume, SlicesAlong.THREE_PLANES) == cost
    orient(volume, np.eye(3), (0.6, 0.6, 3.0))
    assert describe_slices(volume, SlicesAlong.THREE_PLANES) == (
        f"{cost} Not for this scan: slices 3 mm apart look coarse in the other planes."
    )


def test_a_single_plane_warns_of_thick_slices_and_of_pixels_that_are_not_square(volume):
    orient(volume, np.eye(3), (0.6, 0.6, 3.0))
    assert describe_slices(volume, SlicesAlong.SUPERIOR) == (
        "Slices are axial, 3 mm apart: too thick for a step across."
    )
    assert describe_slices(volume, SlicesAlong.RIGHT) == (
        "Slices are sagittal, 0.6 mm apart. Their pixels of 0.6 x 3 mm are too far from square."
    )


def test_a_geometry_without_inverse_is_refused_where_it_matters(volume):
    orient(volume, np.diag([1.0, 1.0, 0.0]), (1.0, 1.0, 1.0))
    for describe in (describe_slices, slice_axis):
        with pytest.raises(InvalidVolumeError, match="no inverse"):
            describe(volume, SlicesAlong.RIGHT)


def test_a_volume_whose_voxels_are_not_there_yet_has_a_plane(scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert slice_axis(empty, SlicesAlong.ACQUISITION) == 0
    assert "axial" in describe_slices(empty, SlicesAlong.ACQUISITION)
    assert "averaged" in describe_slices(empty, SlicesAlong.THREE_PLANES)


def test_the_parameter_node_gives_the_axis_of_its_own_volume(volume, scene):
    node = NeuralDiffusionParameterNode(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    assert node.settings().slice_axis is None
    assert node.settings().across_slices is None
    directions, axes = ACQUIRED["sagittal"]
    orient(volume, directions, (0.8, 0.9, 4.0))
    node.inputVolume = volume
    expected = dict(zip(SINGLE, axes, strict=True)) | {SlicesAlong.ACQUISITION: 0, SlicesAlong.THREE_PLANES: 0}
    for choice, axis in expected.items():
        node.slicesAlong = choice
        assert node.settings().slice_axis == axis
        assert node.takesThreePlanes() == (choice is SlicesAlong.THREE_PLANES)
        # Three planes have no lines that a step across could take away; else the spacing decides.
        assert node.settings().across_slices is (False if choice is SlicesAlong.THREE_PLANES else None)
    node.slicesAlong, node.acrossSlices = SlicesAlong.ACQUISITION, False
    assert node.settings().across_slices is False
