"""How to denoise, in the real panel: the plane named, and the defaults restored."""

from __future__ import annotations

import panel_host
import pytest
import slicer
import vtk
from panel_scenes import parameters

from NeuralDiffusionLib.mrml.parameters import DEFAULTS, Frames, NoiseType, SlicesAlong

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

CHOSEN = {
    "noiseType": NoiseType.MIXED,
    "estimateSigma": False,
    "sigma": 12.5,
    "iterations": 7,
    "neighbours": 4,
    "refine": False,
    "slicesAlong": SlicesAlong.SUPERIOR,
    "acrossSlices": False,
}


@pytest.fixture
def widget(scan, open_panel):
    return open_panel()


def test_the_plane_is_named_and_follows_the_choice_and_the_volume(widget, add_scan):
    label = widget.ui.slicesAlongNoteLabel
    assert label.text.startswith("Acquisition plane: axial")
    parameters(widget).slicesAlong = SlicesAlong.RIGHT
    assert label.text.startswith("Slices are sagittal")
    parameters(widget).slicesAlong = SlicesAlong.THREE_PLANES
    assert "three times as long" in label.text
    parameters(widget).slicesAlong = SlicesAlong.ACQUISITION
    other = add_scan("Other")
    other.SetSpacing(4.0, 1.0, 1.0)
    widget.ui.inputSelector.setCurrentNode(other)
    assert label.text == "Acquisition plane: sagittal, slices 4 mm apart: too thick for a step across."


def test_three_planes_leave_no_step_across_slices_to_choose(widget):
    assert widget.ui.acrossSlicesCheckBox.checked
    assert widget.ui.acrossSlicesCheckBox.enabled
    parameters(widget).slicesAlong = SlicesAlong.THREE_PLANES
    assert not widget.ui.acrossSlicesCheckBox.enabled
    parameters(widget).slicesAlong = SlicesAlong.ACQUISITION
    assert widget.ui.acrossSlicesCheckBox.enabled


def test_without_a_volume_nothing_is_said(open_panel):
    assert open_panel().ui.slicesAlongNoteLabel.text == ""


def test_a_volume_without_direction_is_named(widget, scan):
    flat = vtk.vtkMatrix4x4()
    flat.SetElement(2, 2, 0)
    scan.SetIJKToRASMatrix(flat)
    parameters(widget).slicesAlong = SlicesAlong.RIGHT
    assert "no inverse" in widget.ui.slicesAlongNoteLabel.text
    assert not widget.ui.applyButton.enabled
    assert "axes in one plane" in widget.ui.applyButton.toolTip


def test_the_defaults_are_restored_at_once_and_nothing_else(widget, scan, add_scan):
    node = parameters(widget)
    assert sorted(CHOSEN) == sorted(DEFAULTS)
    other = add_scan("Other")
    kept = {
        "frames": Frames.ALL,
        "outputVolume": other,
        "conductionOpacity": 0.75,
        "colourTable": "Inferno",
        "device": "cpu",
    }
    for name, value in (CHOSEN | kept).items():
        setattr(node, name, value)
    changes = []
    node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: changes.append(event))
    widget.ui.restoreDefaultsButton.click()
    assert {name: getattr(node, name) for name in DEFAULTS} == DEFAULTS
    assert {name: getattr(node, name) for name in kept} == kept
    assert node.inputVolume is scan
    assert len(changes) == 1
    assert widget.ui.iterationsSliderWidget.value == 16
    assert widget.ui.noiseTypeComboBox.currentText == NoiseType.RICIAN.label()


def test_the_defaults_are_those_of_a_new_scene(widget):
    assert {name: getattr(parameters(widget), name) for name in DEFAULTS} == DEFAULTS


def test_a_panel_that_was_left_restores_nothing(widget):
    parameters(widget).iterations = 7
    panel_host.leave_module()
    widget.ui.restoreDefaultsButton.click()
    assert slicer.util.getModuleLogic("NeuralDiffusion").getParameterNode().iterations == 7
