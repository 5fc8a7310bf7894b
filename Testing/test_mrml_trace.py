"""The trace of a diffusion as a sequence that the user scrubs through."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place, put_into_study

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine.diffusion_trace import trace_diffusion
from NeuralDiffusionLib.mrml.maps.trace import add_trace


@pytest.fixture(scope="module")
def denoiser():
    return Denoiser("cpu")


@pytest.fixture
def choose(scene):
    """Choose an item of a browser and return the voxels of its volume, as Slicer's Sequences module does."""
    sequences_logic = slicer.vtkSlicerSequencesLogic()
    sequences_logic.SetMRMLScene(scene)

    def choose(browser, item):
        browser.SetSelectedItemNumber(item)
        sequences_logic.UpdateProxyNodesFromSequences(browser)
        return slicer.util.arrayFromVolume(browser.GetProxyNode(browser.GetMasterSequenceNode())).copy()

    return choose


def trace_of(volume, denoiser, **options):
    return trace_diffusion(denoiser, slicer.util.arrayFromVolume(volume), DenoiseSettings(iterations=24), **options)


def proxy_of(browser):
    return browser.GetProxyNode(browser.GetMasterSequenceNode())


def test_the_sequence_is_indexed_by_the_iteration_without_unit(add_volume, denoiser):
    volume = add_volume(name="T1 head")
    sequence = add_trace(volume, trace_of(volume, denoiser)).GetMasterSequenceNode()
    assert (sequence.GetIndexName(), sequence.GetIndexUnit(), sequence.GetIndexTypeAsString()) == (
        "iteration",
        "",
        "numeric",
    )
    values = [sequence.GetNthIndexValue(item) for item in range(sequence.GetNumberOfDataNodes())]
    assert values == ["0", "4", "8", "12", "16", "24"]


def test_scrubbing_shows_each_iteration_in_the_units_of_the_scan_and_again_on_the_way_back(
    add_volume, denoiser, choose
):
    volume = add_volume()
    trace = trace_of(volume, denoiser)
    expected = [image.copy() for image in trace.images]
    browser = add_trace(volume, trace)
    assert browser.GetNumberOfItems() == len(expected)
    for item in [*range(len(expected)), *reversed(range(len(expected)))]:
        np.testing.assert_array_equal(choose(browser, item), expected[item])
    np.testing.assert_array_equal(choose(browser, 0), slicer.util.arrayFromVolume(volume))


def test_the_browser_names_whole_iterations(add_volume, denoiser):
    volume = add_volume()
    browser = add_trace(volume, trace_of(volume, denoiser))
    assert [browser.GetFormattedIndexValue(item) for item in range(6)] == ["0", "4", "8", "12", "16", "24"]


def test_a_second_trace_takes_no_name_of_the_first(scene, add_volume, denoiser):
    volume = add_volume(name="T1 head")
    browsers = [add_trace(volume, trace_of(volume, denoiser)) for _ in range(2)]
    nodes = [node for browser in browsers for node in (browser, browser.GetMasterSequenceNode(), proxy_of(browser))]
    names = [node.GetName() for node in nodes]
    assert names[:3] == [
        "T1 head diffusion trace browser",
        "T1 head diffusion trace sequence",
        "T1 head diffusion trace",
    ]
    assert len(set(names)) == 6
    assert proxy_of(browsers[0]) is not proxy_of(browsers[1])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_iteration_lies_voxel_on_voxel_over_the_input_and_moves_with_it(add_volume, denoiser, choose, geometry):
    volume = add_volume()
    transform = place(volume, geometry)
    browser = add_trace(volume, trace_of(volume, denoiser))
    for item in range(browser.GetNumberOfItems()):
        choose(browser, item)
        np.testing.assert_allclose(ijk_to_ras(proxy_of(browser)), ijk_to_ras(volume))
        assert proxy_of(browser).GetParentTransformNode() is transform


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_trace_of_one_slice_lies_where_that_slice_does(add_volume, denoiser, choose, geometry, axis):
    volume = add_volume()
    place(volume, geometry)
    voxels = slicer.util.arrayFromVolume(volume)
    browser = add_trace(
        volume, trace_diffusion(denoiser, voxels, DenoiseSettings(iterations=4, slice_axis=axis), slice_index=2)
    )
    first = [0, 0, 0, 1]
    first[2 - axis] = 2
    for item in range(browser.GetNumberOfItems()):
        shown = choose(browser, item)
        np.testing.assert_allclose(ijk_to_ras(proxy_of(browser)) @ [0, 0, 0, 1], ijk_to_ras(volume) @ first)
        np.testing.assert_allclose(ijk_to_ras(proxy_of(browser))[:3, :3], ijk_to_ras(volume)[:3, :3])
        assert shown.shape == tuple(1 if one == axis else size for one, size in enumerate(voxels.shape))
    np.testing.assert_array_equal(choose(browser, 0), np.take(voxels, [2], axis))


def test_all_iterations_compare_under_the_window_of_the_input(add_volume, denoiser, choose):
    volume = add_volume()
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevel(90, 55)
    browser = add_trace(volume, trace_of(volume, denoiser))
    for item in range(browser.GetNumberOfItems()):
        choose(browser, item)
        display = proxy_of(browser).GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (90, 55, 0)


def test_its_volume_stands_beside_the_input_in_the_subject_hierarchy(scene, add_volume, denoiser):
    volume = add_volume()
    hierarchy, study = put_into_study(scene, volume)
    browser = add_trace(volume, trace_of(volume, denoiser))
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(proxy_of(browser))) == study


def test_its_volume_is_the_only_one_that_enters_the_scene(scene, add_volume, denoiser):
    # As in the application, where the Sequences module shows sequences that have no volume.
    sequences_logic = slicer.vtkSlicerSequencesLogic()
    sequences_logic.SetMRMLScene(scene)
    volume = add_volume()
    browser = add_trace(volume, trace_of(volume, denoiser))
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == [volume, proxy_of(browser)]


def test_the_images_are_not_copied_into_the_sequence(add_volume, denoiser):
    volume = add_volume()
    trace = trace_of(volume, denoiser)
    sequence = add_trace(volume, trace).GetMasterSequenceNode()
    for item, image in enumerate(trace.images):
        assert np.shares_memory(slicer.util.arrayFromVolume(sequence.GetNthDataNode(item)), image)


class TestBeforeAnyChoice:
    """Without Slicer's Sequences module, which brings the volume up to date as soon as there is a browser."""

    def test_the_volume_of_one_slice_lies_there_already(self, add_volume, denoiser):
        volume = add_volume()
        place(volume, "oblique")
        voxels = slicer.util.arrayFromVolume(volume)
        proxy = proxy_of(add_trace(volume, trace_diffusion(denoiser, voxels, slice_index=2)))
        np.testing.assert_allclose(ijk_to_ras(proxy) @ [0, 0, 0, 1], ijk_to_ras(volume) @ [0, 0, 2, 1])
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(proxy), voxels[2:])

    def test_what_the_user_does_to_the_volume_leaves_the_sequence_alone(self, add_volume, denoiser):
        volume = add_volume()
        browser = add_trace(volume, trace_of(volume, denoiser))
        slicer.util.arrayFromVolume(proxy_of(browser))[:] = 0
        first = browser.GetMasterSequenceNode().GetNthDataNode(0)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(first), slicer.util.arrayFromVolume(volume))


def test_an_input_that_was_deleted_meanwhile_is_named(scene, add_volume, denoiser, state):
    volume = add_volume()
    trace = trace_of(volume, denoiser)
    scene.RemoveNode(volume)
    before = state()
    with pytest.raises(InvalidVolumeError, match="'Scan' is not in the scene"):
        add_trace(volume, trace)
    assert state() == before


def test_a_memory_that_ends_at_the_volume_leaves_nothing(add_volume, denoiser, state, monkeypatch):
    def full(*_):
        raise MemoryError

    volume = add_volume()
    trace = trace_of(volume, denoiser)
    before = state()
    monkeypatch.setattr("NeuralDiffusionLib.mrml.maps.trace.make_image", full)
    with pytest.raises(MemoryError):
        add_trace(volume, trace)
    assert state() == before
