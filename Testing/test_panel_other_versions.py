"""Scenes with values of another version: what this one does not know becomes the default, and the user is told."""

from __future__ import annotations

import panel_host
import pytest
import slicer
from panel_scenes import layers, load, parameters, save

from NeuralDiffusionLib.mrml.parameters import DEFAULTS, BeforeAfter, Frames, remove_unknown
from NeuralDiffusionLib.mrml.views.looks import Looks
from NeuralDiffusionLib.mrml.views.side_by_side import SideBySide
from NeuralDiffusionLib.mrml.views.view_notes import write_note

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

UNKNOWN = [
    ("noiseType", "POISSON", DEFAULTS["noiseType"], "noise type"),
    ("slicesAlong", "DIAGONAL", DEFAULTS["slicesAlong"], "slices along"),
    ("beforeAfter", "BOTH", BeforeAfter.NEITHER, "whether the volume before or after is shown"),
    ("frames", "SOME", Frames.THIS, "frames"),
    ("iterations", "abc", DEFAULTS["iterations"], "iterations"),
    ("iterations", "100", DEFAULTS["iterations"], "iterations"),
    ("neighbours", "6", DEFAULTS["neighbours"], "neighbourhood"),
    ("refine", "maybe", DEFAULTS["refine"], "refinement"),
    ("colourTable", "Turbo", "Viridis", "colours of the conduction map"),
    ("sigma", "-1", 0.0, "noise level"),
    ("sigma", "nan", 0.0, "noise level"),
    ("conductionOpacity", "3", 0.4, "opacity of the conduction map"),
    ("conductionOpacity", "nan", 0.4, "opacity of the conduction map"),
]


def spoil(widget, **values):
    """Have the parameter node of a module that was left say something else."""
    node = parameters(widget).parameterNode
    panel_host.leave_module()
    for name, value in values.items():
        node.SetParameter(name, value)


@pytest.mark.parametrize(("name", "value", "default", "label"), UNKNOWN)
@pytest.mark.parametrize("loaded", [False, True])
def test_an_unknown_value_becomes_the_default_and_the_user_is_told_once(
    scan, open_panel, scene, tmp_path, name, value, default, label, loaded
):
    widget = open_panel()
    spoil(widget, **{name: value})
    if loaded:
        save(scene, tmp_path)
        scene.Clear(0)
        open_panel()
        load(scene, tmp_path)
    else:
        open_panel()
    assert getattr(parameters(widget), name) == default
    assert not widget.restoring
    assert widget.ui.applyButton.enabled
    assert widget.ui.warningsLabel.visible
    assert widget.ui.warningsLabel.text.endswith(f": check {label}.")
    widget.runs.say("")
    panel_host.leave_module()
    open_panel()
    assert widget.ui.warningsLabel.text == ""


def test_all_unknown_values_are_named_in_one_sentence_and_the_others_are_kept(scan, open_panel):
    widget = open_panel()
    parameters(widget).refine = False
    spoil(widget, noiseType="POISSON", iterations="7", neighbours="6")
    open_panel()
    assert widget.ui.warningsLabel.text.endswith(": check noise type, neighbourhood.")
    assert (parameters(widget).iterations, parameters(widget).refine) == (7, False)


def test_a_script_gets_the_defaults_too(scan, open_panel):
    widget = open_panel()
    spoil(widget, slicesAlong="DIAGONAL")
    assert widget.logic.getParameterNode().slicesAlong is DEFAULTS["slicesAlong"]


def test_every_choice_that_is_kept_as_text_has_a_name_for_the_user(open_panel):
    widget = open_panel()
    node = parameters(widget).parameterNode
    panel_host.leave_module()
    texts = [name for name in node.GetParameterNames() if node.GetParameter(name)]
    for name in texts:
        node.SetParameter(name, "\N{SNOWMAN}")
    # Any text may name a device: one that is not there is refused when it is to compute.
    assert len(set(remove_unknown(node))) == len(texts) - 1


@pytest.mark.parametrize("value", ["abc", "[]", "[0.4, 0.4, true, 1]", "3", '["a", 0.4, true]', "[NaN, 0.4, true]"])
def test_a_cover_that_cannot_be_read_is_taken_as_none(scan, own, open_panel, scene, value):
    widget = open_panel()
    Looks().show_overlay(scan, own[0], 0.5)
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    write_note(red, "NeuralDiffusion.Foreground", value)
    looks = Looks()
    looks.resume(scene)
    looks.hide_overlay()
    assert layers("Red")[0][1] == own[0].GetID()
    assert layers("Green")[0][1] == own[1].GetID()
    widget.restoring = True
    widget.initializeParameterNode()
    assert not widget.restoring


@pytest.mark.parametrize("value", ["abc", "[]", "[[1], [0, 0, 0], [1, 1, 1], [1, 1], 0]", "[1, 2, 3, 4, 5]", "{}"])
def test_a_place_side_by_side_that_cannot_be_read_is_taken_as_none(scan, own, open_panel, add_scan, value):
    open_panel()
    volumes = [scan, add_scan("Second"), add_scan("Third")]
    first = SideBySide()
    first.show(scan, volumes)
    first.forget()
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    write_note(red, "NeuralDiffusion.SideBySide", value)
    again = SideBySide()
    again.show(scan, volumes)
    again.hide()
    assert layers("Red")[0][0] == scan.GetID()
    assert layers("Green")[0][:2] == (own[0].GetID(), own[1].GetID())
