"""The map of how uncertain the network is as a volume beside the input."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place, put_into_study

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine.uncertainty import sample_uncertainty
from NeuralDiffusionLib.engine.weights import load_weights, save_weights
from NeuralDiffusionLib.mrml.maps.uncertainty import add_uncertainty
from NeuralDiffusionLib.network.neural_diffusion import Architecture, NeuralDiffusionNetwork


@pytest.fixture
def deviation():
    return np.random.default_rng(0).uniform(0, 3, (3, 20, 24)).astype(np.float32)


def test_the_map_of_a_real_run_becomes_a_volume_named_after_the_input(add_volume, tmp_path):
    bundled = load_weights().network
    network = NeuralDiffusionNetwork(Architecture(bundled.architecture.reach, dropout=0.2))
    network.load_state_dict(bundled.state_dict())
    save_weights(tmp_path / "dropout.pt", network, {})
    volume = add_volume(name="T1 head")
    voxels = slicer.util.arrayFromVolume(volume)
    denoiser = Denoiser("cpu", tmp_path / "dropout.pt")
    sampled = sample_uncertainty(denoiser, voxels, DenoiseSettings(iterations=1), samples=2)
    added = add_uncertainty(volume, sampled.deviation)
    assert added.GetName() == "T1 head uncertainty"
    stored = slicer.util.arrayFromVolume(added)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, sampled.deviation)


def test_it_is_in_the_units_of_the_input(add_volume, deviation):
    volume, units = add_volume(), slicer.vtkCodedEntry()
    units.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
    volume.SetVoxelValueUnits(units)
    assert add_uncertainty(volume, deviation).GetVoxelValueUnits().GetCodeValue() == "[hnsf'U]"


def test_it_is_shown_from_zero_and_a_single_bright_voxel_does_not_set_the_window(add_volume, deviation):
    deviation[0, 0, 0] = 500
    display = add_uncertainty(add_volume(), deviation).GetDisplayNode()
    assert display.GetWindowLevelMin() == 0
    assert 2 < display.GetWindowLevelMax() < 4
    assert not display.GetAutoWindowLevel()
    assert display.GetColorNode().GetName() == "Inferno"


def test_where_the_network_is_certain_the_window_is_still_open(add_volume):
    display = add_uncertainty(add_volume(), np.zeros((3, 20, 24), np.float32)).GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 1)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_lies_voxel_on_voxel_over_the_input_and_moves_with_it(add_volume, deviation, geometry):
    volume = add_volume()
    transform = place(volume, geometry)
    added = add_uncertainty(volume, deviation)
    np.testing.assert_array_equal(ijk_to_ras(added), ijk_to_ras(volume))
    assert added.GetParentTransformNode() is transform


def test_it_stands_beside_the_input_in_the_subject_hierarchy(scene, add_volume, deviation):
    volume = add_volume()
    hierarchy, study = put_into_study(scene, volume)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(add_uncertainty(volume, deviation))) == study


def test_an_input_that_was_deleted_meanwhile_is_named(scene, add_volume, deviation, state):
    volume = add_volume()
    scene.RemoveNode(volume)
    before = state()
    with pytest.raises(InvalidVolumeError, match="'Scan' is not in the scene"):
        add_uncertainty(volume, deviation)
    assert state() == before
