"""Conduction maps of single directions as volumes beside the input."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place, put_into_study

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine.direction_maps import DIRECTIONS, direction_maps
from NeuralDiffusionLib.mrml.maps.directions import add_direction_volumes, direction_volumes
from NeuralDiffusionLib.mrml.maps.overlay import DEFAULT_COLOUR_TABLE
from NeuralDiffusionLib.mrml.nodes.provenance import is_result, may_be_of


@pytest.fixture
def maps():
    return {name: np.full((3, 20, 24), 0.05 * len(name), np.float32) for name in DIRECTIONS}


def test_each_direction_of_a_real_run_becomes_a_volume_named_after_it(add_volume):
    volume = add_volume(name="T1 head")
    maps = direction_maps(Denoiser("cpu"), slicer.util.arrayFromVolume(volume))
    volumes = add_direction_volumes(volume, maps)
    assert [one.GetName() for one in volumes.values()] == [f"T1 head conduction {name}" for name in DIRECTIONS]
    for name, one in volumes.items():
        stored = slicer.util.arrayFromVolume(one)
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, maps[name])


def test_they_are_no_results_of_a_run_which_what_a_run_has_written_is(logic, scene, add_volume, maps):
    volume, other = add_volume(), add_volume(name="Other")
    output, conduction = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(2))
    logic.process(volume, output, conduction, DenoiseSettings(iterations=1), device="cpu")
    for node in (output, conduction):
        assert is_result(node)
        assert may_be_of(node, volume)
        assert not may_be_of(node, other)
    for node in (volume, *add_direction_volumes(volume, maps).values()):
        assert not is_result(node)
        assert may_be_of(node, other)


def test_they_compare_in_the_colours_of_the_conduction_map_over_a_fixed_window(add_volume, maps):
    for table, volumes in (
        (DEFAULT_COLOUR_TABLE, add_direction_volumes(add_volume(), maps)),
        ("Magma", add_direction_volumes(add_volume(), maps, "Magma")),
    ):
        for one in volumes.values():
            display = one.GetDisplayNode()
            assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 1)
            assert not display.GetAutoWindowLevel()
            assert display.GetColorNode().GetName() == table


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_they_lie_voxel_on_voxel_over_the_input_and_move_with_it(add_volume, maps, geometry):
    volume = add_volume()
    transform = place(volume, geometry)
    for one in add_direction_volumes(volume, maps).values():
        np.testing.assert_array_equal(ijk_to_ras(one), ijk_to_ras(volume))
        assert one.GetParentTransformNode() is transform


def test_they_stand_beside_the_input_in_the_subject_hierarchy(scene, add_volume, maps):
    volume = add_volume()
    hierarchy, study = put_into_study(scene, volume)
    for one in add_direction_volumes(volume, maps).values():
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(one)) == study


def test_a_second_set_does_not_take_the_names_of_the_first(add_volume, maps):
    volume = add_volume()
    sets = [add_direction_volumes(volume, maps) for _ in range(3)]
    names = {one.GetName() for volumes in sets for one in volumes.values()}
    assert len(names) == 12


def test_they_are_found_again_also_in_a_loaded_scene(scene, add_volume, maps, tmp_path):
    volume = add_volume()
    names = [one.GetName() for one in add_direction_volumes(volume, maps).values()]
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    scene.Clear(0)
    assert direction_volumes(scene) == []
    scene.Import()
    assert [one.GetName() for one in direction_volumes(scene)] == names


def test_an_input_that_was_deleted_meanwhile_is_named(scene, add_volume, maps, state):
    volume = add_volume()
    scene.RemoveNode(volume)
    before = state()
    with pytest.raises(InvalidVolumeError, match="'Scan' is not in the scene"):
        add_direction_volumes(volume, maps)
    assert state() == before


def test_an_unknown_colour_table_leaves_the_scene_as_it_was(add_volume, maps, state):
    volume = add_volume()
    before = state()
    with pytest.raises(ValueError, match="'Rainbow' is not known"):
        add_direction_volumes(volume, maps, "Rainbow")
    assert state() == before
