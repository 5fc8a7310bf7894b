"""Nodes that leave the scene while they are chosen: nothing is chosen in their place."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml_segments import add_mask_over
from panel_scenes import add_like, parameters, wait_for_the_end

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

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


def test_an_output_that_was_chosen_after_the_first_was_deleted_stays_chosen(widget, add_scan, scene):
    node = parameters(widget)
    other = add_scan("Other")
    widget.ui.applyButton.click()
    scene.RemoveNode(node.outputVolume)
    node.outputVolume = other
    wait_for_the_end(widget)
    assert node.outputVolume is other
