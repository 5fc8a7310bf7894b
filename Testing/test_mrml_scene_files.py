"""A scene with results, saved and opened again: Slicer's two kinds of scene file."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer_host

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.mrml.maps.overlay import DEFAULT_COLOUR_TABLE
from NeuralDiffusionLib.mrml.nodes.provenance import read_provenance
from NeuralDiffusionLib.mrml.parameters import NoiseType


def save_mrml(scene, folder):
    for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", scene):
        volume.AddDefaultStorageNode()
        volume.GetStorageNode().SetFileName(str(folder / f"{volume.GetID()}.nrrd"))
        assert volume.GetStorageNode().WriteData(volume)
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Commit()


def open_mrml(scene, folder):
    scene.SetURL(str(folder / "scene.mrml"))
    assert scene.Import()


def save_mrb(scene, folder):
    assert scene.WriteToMRB(str(folder / "scene.mrb"))


def open_mrb(scene, folder):
    # The application gives its scene a cache; a bundle is unpacked there.
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(folder))
    manager = slicer.vtkDataIOManager()
    manager.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    assert scene.ReadFromMRB(str(folder / "scene.mrb"))


FILES = {"mrml": (save_mrml, open_mrml), "mrb": (save_mrb, open_mrb)}


@pytest.fixture(params=FILES)
def reopened(request, scene, add_volume, tmp_path, monkeypatch):
    """What was in the scene, and the scene that was saved and opened again."""
    save, read = FILES[request.param]
    folder = tmp_path / "Bilder für Ärzte"
    folder.mkdir()
    logic = NeuralDiffusionLogic()
    volume = add_volume(name="T1; head: 1.5 T, 100 %")
    volume.SetIJKToRASDirections(1, 0, 0, 0, 0, 1, 0, -1, 0)
    output = logic.addOutputVolume(volume)
    output.SetName("Denoised")
    conduction = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Conduction")
    logic.process(volume, output, conduction, DenoiseSettings(iterations=2), device="cpu")
    # As a run on a GPU that was short of memory leaves it.
    output.SetAttribute("NeuralDiffusion.Device", "cuda:0")
    note = "The memory of cuda:0 ran out; the number of slices in a batch was halved to 4."
    output.SetAttribute("NeuralDiffusion.Notes", note)
    parameters = logic.getParameterNode()
    parameters.inputVolume = volume
    parameters.outputVolume = output
    parameters.noiseType = NoiseType.SPECKLE
    parameters.iterations = 33
    parameters.neighbours = 4
    parameters.refine = False
    parameters.conductionOpacity = 0.65
    save(scene, folder)
    again = slicer_host.new_scene()
    monkeypatch.setattr(slicer, "mrmlScene", again)
    read(again, folder)
    return output, again


def test_how_a_volume_was_made_is_still_known(reopened):
    output, scene = reopened
    attributes = read_provenance(scene.GetFirstNodeByName("Denoised"))
    assert attributes == read_provenance(output)
    assert attributes["InputVolume"] == "T1; head: 1.5 T, 100 %"
    assert len(attributes["WeightsSHA256"]) == 64


def test_the_volumes_are_the_same(reopened):
    output, scene = reopened
    again = scene.GetFirstNodeByName("Denoised")
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(again), slicer.util.arrayFromVolume(output))
    assert slicer.vtkSlicerVolumesLogic().CompareVolumeGeometry(again, output) == ""


def test_the_conduction_map_is_still_shown_in_colour_over_0_to_1(reopened):
    display = reopened[1].GetFirstNodeByName("Conduction").GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax(), display.GetAutoWindowLevel()) == (0, 1, 0)
    assert display.GetColorNode().GetName() == DEFAULT_COLOUR_TABLE


def test_what_the_user_chose_is_still_chosen(reopened):
    parameters = NeuralDiffusionLogic().getParameterNode()
    assert parameters.settings() == DenoiseSettings(
        noise="speckle", iterations=33, neighbours=4, refine=False, slice_axis=0
    )
    assert parameters.inputVolume.GetName() == "T1; head: 1.5 T, 100 %"
    assert parameters.outputVolume.GetName() == "Denoised"
    assert parameters.conductionVolume is None
    assert parameters.conductionOpacity == 0.65
