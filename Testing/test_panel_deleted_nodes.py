"""Nodes that leave the scene while they are chosen: nothing is chosen in their place."""

from __future__ import annotations

import numpy as np
import panel_host
import pytest
import slicer
from mrml_segments import add_mask_over
from panel_scenes import add_like, layers, parameters, wait_for_the_end

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")
SELECTORS = {
    "outputVolume": "outputSelector",
    "conductionVolume": "conductionSelector",
    "referenceVolume": "referenceSelector",
    "maskSegmentation": "maskSelector",
}


@pytest.fixture
def add(scan, add_scan):
    def add(choice, name):
        if choice == "maskSegmentation":
            return add_mask_over(scan, np.ones((6, 40, 48), bool), name)
        return add_scan(name)

    return add


@pytest.fixture
def widget(scan, open_panel):
    """The panel with an output, quick to denoise."""
    widget = open_panel()
    node = parameters(widget)
    node.inputVolume, node.iterations = scan, 1
    node.outputVolume = add_like("Output", slicer.util.arrayFromVolume(scan), scan)
    return widget


@pytest.mark.parametrize("choice", SELECTORS)
@pytest.mark.parametrize("how", ["by script", "in the selector"])
def test_its_neighbour_is_not_chosen(add, open_panel, scene, choice, how):
    widget = open_panel()
    node = parameters(widget)
    before, chosen, after = (add(choice, name) for name in ("Before", "Chosen", "After"))
    setattr(node, choice, chosen)
    if how == "by script":
        scene.RemoveNode(chosen)
    else:
        getattr(widget.ui, SELECTORS[choice]).removeCurrentNode()
    assert chosen.GetScene() is None
    assert getattr(node, choice) is None
    assert getattr(widget.ui, SELECTORS[choice]).currentNode() is None
    assert None not in (before.GetScene(), after.GetScene())


def test_the_next_run_leaves_other_volumes_alone(widget, add_scan, scene):
    node = parameters(widget)
    other = add_scan("Other patient")
    voxels = slicer.util.arrayFromVolume(other).copy()
    scene.RemoveNode(node.outputVolume)
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert node.outputVolume.GetName() == "Scan denoised"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(other), voxels)


def test_a_mask_that_is_gone_is_told(add, open_panel, scene):
    widget = open_panel()
    parameters(widget).maskSegmentation = add("maskSegmentation", "Left")
    scene.RemoveNode(parameters(widget).maskSegmentation)
    assert widget.ui.statusLabel.text == "'Left' was deleted: without a mask the whole volume is denoised."


def test_a_mask_that_went_while_another_module_was_open_is_told_once(add, open_panel, scene):
    widget = open_panel()
    mask = parameters(widget).maskSegmentation = add("maskSegmentation", "Left")
    panel_host.leave_module()
    scene.RemoveNode(mask)
    open_panel()
    assert widget.ui.statusLabel.text == "'Left' was deleted: without a mask the whole volume is denoised."
    widget.runs.say("")
    panel_host.leave_module()
    open_panel()
    assert widget.ui.statusLabel.text == ""


def test_a_mask_that_went_with_its_scene_is_not_told(add, open_panel, scene):
    widget = open_panel()
    parameters(widget).maskSegmentation = add("maskSegmentation", "Left")
    panel_host.leave_module()
    scene.Clear(0)
    open_panel()
    assert widget.ui.statusLabel.text == ""


@pytest.mark.parametrize("meanwhile", ["open", "left"])
@pytest.mark.parametrize(
    ("buttons", "deleted"),
    [
        (["beforeAfterButton"], "Scan denoised"),
        (["beforeAfterButton", "beforeAfterButton"], "Scan"),
        (["removedButton"], "Scan removed"),
        (["beforeAfterButton", "removedButton"], "Scan denoised"),
    ],
    ids=["after", "before", "removed", "after what was removed"],
)
def test_a_volume_that_is_shown_leaves_no_empty_views(done, scene, open_panel, buttons, deleted, meanwhile):
    before = layers(*VIEWS)
    for button in buttons:
        getattr(done.ui, button).click()
    assert layers(*VIEWS) != before
    if meanwhile == "left":
        panel_host.leave_module()
    scene.RemoveNode(scene.GetFirstNodeByName(deleted))
    open_panel()
    assert layers(*VIEWS) == before


def test_what_the_user_puts_in_place_of_a_deleted_volume_stays(done, scene, open_panel, own):
    done.ui.beforeAfterButton.click()
    panel_host.leave_module()
    scene.RemoveNode(scene.GetFirstNodeByName("Scan denoised"))
    slicer.util.setSliceViewerLayers(background=own[1])
    open_panel()
    assert [background for background, *_ in layers(*VIEWS)] == [own[1].GetID()] * 3


def test_an_output_that_was_chosen_after_the_first_was_deleted_stays_chosen(widget, add_scan, scene):
    node = parameters(widget)
    other = add_scan("Other")
    widget.ui.applyButton.click()
    scene.RemoveNode(node.outputVolume)
    node.outputVolume = other
    wait_for_the_end(widget)
    assert node.outputVolume is other
