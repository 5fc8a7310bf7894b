"""What was removed: input minus output, in grey around zero, in the input's place."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from mrml_geometries import GEOMETRIES, ijk_to_ras, place, put_into_study

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.provenance import set_input_of
from NeuralDiffusionLib.mrml.views.removed import make_removed


@pytest.fixture
def removed(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Removed")


def after(volume, voxels, add_volume):
    """A result in the place of its input."""
    result = add_volume(voxels, name="Scan denoised")
    result.CopyOrientation(volume)
    result.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    return result


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_it_is_the_input_minus_the_output_in_float_and_never_wraps(add_volume, removed, dtype):
    first, second = np.full((2, 8, 8), 10, dtype), np.full((2, 8, 8), 10, dtype)
    first[0, 1, 2], second[1, 3, 4] = 120, 90
    make_removed(add_volume(first), add_volume(second, name="Scan denoised"), removed)
    voxels = slicer.util.arrayFromVolume(removed)
    assert removed.GetImageData().GetScalarType() == vtk.VTK_FLOAT
    assert (voxels[0, 1, 2], voxels[1, 3, 4], voxels[0, 0, 0]) == (110, -80, 0)


def test_zero_is_mid_grey_and_a_single_bright_voxel_does_not_set_the_window(add_volume, removed):
    random = np.random.default_rng(0)
    noise = random.normal(0, 10, (4, 40, 40)).astype(np.float32)
    noise[0, 0, 0] = 5000
    make_removed(add_volume(noise), add_volume(np.zeros_like(noise), name="Scan denoised"), removed)
    display = removed.GetDisplayNode()
    assert display.GetWindowLevelMin() == -display.GetWindowLevelMax()
    assert 20 < display.GetWindowLevelMax() < 40
    assert not display.GetAutoWindowLevel()
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeGrey"


@pytest.mark.parametrize("difference", [0, 3])
def test_where_hardly_anything_was_removed_the_window_is_still_open(add_volume, removed, difference):
    first = np.full((4, 40, 40), 50, np.int16)
    second = first.copy()
    second[0, 0, 0] -= difference
    make_removed(add_volume(first), add_volume(second, name="Scan denoised"), removed)
    assert removed.GetDisplayNode().GetWindowLevelMax() == (difference or 1)


@pytest.mark.parametrize(("gaps", "expected"), [(slice(0, 2), 3), (slice(None), 1)], ids=["some", "all"])
def test_voxels_that_are_no_numbers_any_more_do_not_set_the_window(add_volume, removed, gaps, expected):
    first = np.full((4, 40, 40), 50, np.float32)
    second = add_volume(first - 3, name="Scan denoised")
    first[gaps, :20], first[gaps, 20:] = np.nan, np.inf
    make_removed(add_volume(first), second, removed)
    assert removed.GetDisplayNode().GetWindowLevelMax() == expected


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_lies_voxel_on_voxel_over_the_input_and_moves_with_it(scene, add_volume, removed, geometry):
    volume = add_volume()
    transform = place(volume, geometry)
    make_removed(volume, after(volume, np.ones((3, 20, 24), np.int16), add_volume), removed)
    np.testing.assert_array_equal(ijk_to_ras(removed), ijk_to_ras(volume))
    assert removed.GetParentTransformNode() is transform


def test_it_stands_beside_the_input_in_the_subject_hierarchy(scene, add_volume, removed):
    volume = add_volume()
    hierarchy, study = put_into_study(scene, volume)
    make_removed(volume, add_volume(name="Scan denoised"), removed)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(removed)) == study


def test_a_result_of_another_volume_is_refused_and_the_scene_stays_as_it_was(add_volume, removed, state):
    volume, other = add_volume(), add_volume(name="Scan denoised")
    other.SetOrigin(1, 0, 0)
    before = state()
    with pytest.raises(InvalidVolumeError, match="'Scan denoised' does not lie voxel on voxel over 'Scan'") as refusal:
        make_removed(volume, other, removed)
    assert str(refusal.value).count(".") == 1
    assert state() == before


@pytest.mark.parametrize("moved", ["Scan", "Scan denoised"])
def test_a_result_under_another_transform_is_refused(scene, add_volume, removed, moved):
    volumes = {name: add_volume(name=name) for name in ("Scan", "Scan denoised")}
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Moved")
    volumes[moved].SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(InvalidVolumeError, match="'Scan denoised' and 'Scan' are under different transforms: put both"):
        make_removed(volumes["Scan"], volumes["Scan denoised"], removed)
    for volume in volumes.values():
        volume.SetAndObserveTransformNodeID(transform.GetID())
    make_removed(volumes["Scan"], volumes["Scan denoised"], removed)


@pytest.mark.parametrize("wrong", ["Scan", "Scan denoised"])
def test_neither_volume_is_overwritten(add_volume, state, wrong):
    volumes = {name: add_volume(name=name) for name in ("Scan", "Scan denoised")}
    before = state()
    with pytest.raises(InvalidVolumeError, match=f"'{wrong}'"):
        make_removed(volumes["Scan"], volumes["Scan denoised"], volumes[wrong])
    assert state() == before


def test_the_result_of_another_volume_of_the_scene_is_refused_even_where_it_lies_over_this_one(add_volume, removed):
    scan, other, denoised = (add_volume(name=name) for name in ("Scan", "Other", "Other denoised"))
    set_input_of(denoised, other)
    make_removed(other, denoised, removed)
    with pytest.raises(InvalidVolumeError, match="'Other denoised' was made of 'Other', not of 'Scan': choose"):
        make_removed(scan, denoised, removed)
    # Nobody knows any more what it was made of.
    other.GetScene().RemoveNode(other)
    make_removed(scan, denoised, removed)
