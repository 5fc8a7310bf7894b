"""`NeuralDiffusionLogic.process` on real MRML with the real network: runs that end early, or whose volumes change."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from NeuralDiffusionLib import DenoiseCancelled, DenoiseSettings, DeviceError, InvalidVolumeError

QUICK = DenoiseSettings(iterations=2)


@pytest.fixture
def filled(add_volume, output, conduction):
    """The input, and outputs that hold an earlier result."""
    volume = add_volume(np.tile(np.arange(64, dtype=np.int16), (96, 64, 1)))
    for node in (output, conduction):
        slicer.util.updateVolumeFromArray(node, np.full((2, 4, 4), 9, np.int16))
        node.CreateDefaultDisplayNodes()
        node.SetAttribute("NeuralDiffusion.Noise", "speckle")
    return volume, output, conduction


def test_a_cancelled_run_leaves_the_scene_as_it_was(logic, filled, state):
    before, asked = state(), []

    def cancelled():
        asked.append(True)
        return len(asked) > 1

    with pytest.raises(DenoiseCancelled):
        logic.process(*filled, QUICK, cancelled=cancelled)
    assert len(asked) == 2
    assert state() == before


def test_a_failing_callback_leaves_the_scene_as_it_was(logic, filled, state):
    before = state()

    def progress(done, total):
        raise OSError("The progress bar is gone.")

    with pytest.raises(OSError, match="progress bar"):
        logic.process(*filled, QUICK, progress=progress)
    assert state() == before


def test_an_unknown_device_leaves_the_scene_as_it_was(logic, filled, state):
    before = state()
    with pytest.raises(DeviceError, match="abacus"):
        logic.process(*filled, QUICK, device="abacus")
    assert state() == before


def test_a_card_that_is_not_there_leaves_the_scene_as_it_was(logic, filled, state, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    before = state()
    with pytest.raises(DeviceError, match=r"Device 'cuda' is not there \(0 CUDA devices found\): choose another"):
        logic.process(*filled, QUICK, device="cuda")
    assert state() == before


def test_an_unsuitable_conduction_node_stops_the_run_before_it_starts(logic, scene, add_volume, output, state):
    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    volume = add_volume()
    before, started = state(), []
    with pytest.raises(InvalidVolumeError, match="'Labels' cannot hold the result"):
        logic.process(volume, output, labels, QUICK, progress=lambda *_: started.append(True))
    assert not started
    assert state() == before


def test_a_map_that_is_removed_meanwhile_does_not_cost_the_denoised_volume(logic, scene, filled):
    _, output, conduction = filled
    result = logic.process(*filled, QUICK, progress=lambda *_: scene.RemoveNode(conduction))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), np.rint(result.image))
    assert conduction.GetScene() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda volume: volume.SetSpacing(2, 2, 2),
        lambda volume: volume.SetOrigin(0, 0, 9),
        lambda volume: volume.GetImageData().SetExtent(5, 68, 0, 63, 0, 95),
        lambda volume: volume.SetIJKToRASDirections(0, 1, 0, 1, 0, 0, 0, 0, 1),
        lambda volume: slicer.util.updateVolumeFromArray(volume, np.zeros((5, 6, 7), np.int16)),
        lambda volume: slicer.util.updateVolumeFromArray(volume, np.zeros((96, 64, 64), np.uint8)),
    ],
    ids=["spacing", "origin", "extent", "directions", "size", "scalar type"],
)
def test_an_input_that_is_changed_meanwhile_gives_its_result_no_other_place(logic, filled, change):
    volume, output, conduction = filled
    with pytest.raises(InvalidVolumeError, match="'Scan' was given another place, size or scalar type meanwhile"):
        logic.process(*filled, QUICK, progress=lambda *_: change(volume))
    for node in (output, conduction):
        assert slicer.util.arrayFromVolume(node).shape == (2, 4, 4)
        assert node.GetAttribute("NeuralDiffusion.Noise") == "speckle"


def test_voxels_that_are_edited_meanwhile_do_not_matter(logic, filled):
    volume, output, _ = filled
    logic.process(*filled, QUICK)
    expected = slicer.util.arrayFromVolume(output).copy()

    def edit(*_):
        slicer.util.arrayFromVolume(volume)[:] = 7
        slicer.util.arrayFromVolumeModified(volume)

    volume_before = slicer.util.arrayFromVolume(volume).copy()
    logic.process(*filled, QUICK, progress=edit)
    assert not np.array_equal(slicer.util.arrayFromVolume(volume), volume_before)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected)
