"""The module's real panel on the stand-in for the application: bound both ways, applied, shown, closed, reloaded."""

from __future__ import annotations

import gc
import re
import weakref

import numpy as np
import panel_host
import pytest
import slicer
import slicer_host
from panel_scenes import layers, parameters, volumes, wait_for_the_end
from shell import ROOT

from NeuralDiffusionLib import Denoiser
from NeuralDiffusionLib.mrml.parameters import Frames, NoiseType, SlicesAlong

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]


# Opening


def test_the_panel_opens_in_an_empty_scene_and_says_what_is_missing(open_panel):
    widget = open_panel()
    assert widget.parent.isEntered
    assert not widget.ui.applyButton.enabled
    assert widget.ui.applyButton.toolTip != "Denoise the input volume."
    assert panel_host.popups.shown == []


def test_the_module_says_where_it_belongs_and_has_its_icon(open_panel):
    open_panel()
    module = slicer.modules.neuraldiffusion
    assert module.title == "Neural Diffusion"
    assert module.categories == ["Filtering.Denoising"]
    assert "not for diagnosis" in module.helpText
    assert not module.icon.isNull()


def test_the_help_leads_to_the_pages_of_the_extension(open_panel):
    open_panel()
    home = re.search(r'EXTENSION_HOMEPAGE "([^"]+)"', (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]
    pages = re.findall(r"href='([^']+)'", slicer.modules.neuraldiffusion.helpText)
    assert pages == [home, f"{home}/blob/main/MESSAGES.md"]
    assert (ROOT / "MESSAGES.md").is_file()


def test_the_logic_is_reached_from_the_console(open_panel):
    widget = open_panel()
    assert slicer.util.getModuleWidget("NeuralDiffusion") is widget
    assert slicer.util.getModuleLogic("NeuralDiffusion") is widget.logic


def test_the_first_volume_is_the_input(scan, add_scan, open_panel):
    add_scan("Second")
    widget = open_panel()
    assert widget.ui.inputSelector.currentNode() is scan
    assert parameters(widget).inputVolume is scan
    assert widget.ui.applyButton.enabled


def test_a_volume_loaded_later_becomes_the_input(open_panel, scene):
    widget = open_panel()
    scan = slicer.vtkMRMLScalarVolumeNode()
    scan.SetName("Loaded")
    slicer.util.updateVolumeFromArray(scan, np.ones((6, 40, 48), np.int16))
    scene.AddNode(scan)
    assert parameters(widget).inputVolume is scan
    assert widget.ui.applyButton.enabled


def test_label_maps_are_not_offered(open_panel, add_volume):
    widget = open_panel()
    add_volume(name="Labels", node_class="vtkMRMLLabelMapVolumeNode")
    assert widget.ui.inputSelector.nodeCount() == 0


# Bound both ways

CHOICES = {
    "frames": Frames.ALL,
    "noiseType": NoiseType.SPECKLE,
    "estimateSigma": False,
    "sigma": 12.5,
    "iterations": 7,
    "neighbours": 4,
    "refine": False,
    "slicesAlong": SlicesAlong.SUPERIOR,
    "acrossSlices": False,
    "conductionOpacity": 0.75,
    "colourTable": "Inferno",
    "showLegend": False,
}
NODES = ("inputVolume", "maskSegmentation", "outputVolume", "conductionVolume", "referenceVolume")


def bound_widgets(widget):
    named = {child.property("SlicerParameterName"): child for child in widget.parent.findChildren("QWidget")}
    return {name: child for name, child in named.items() if name}


SHOWN_BY = {"QComboBox": "currentText", "QCheckBox": "checked", "ctkSliderWidget": "value", "QDoubleSpinBox": "value"}


def shown(control):
    """Return what a control shows."""
    if control.className() == "qMRMLNodeComboBox":
        return control.currentNode()
    return getattr(control, SHOWN_BY[control.className()])


def change(control, volume, segmentation):
    """Do to a control what a user does."""
    kind = control.className()
    if kind == "qMRMLNodeComboBox":
        control.setCurrentNode(segmentation if "vtkMRMLSegmentationNode" in control.nodeTypes else volume)
    elif kind == "QComboBox":
        control.currentIndex = (control.currentIndex + 1) % control.count
    elif kind == "QCheckBox":
        control.click()
    else:
        control.value = control.maximum if control.value != control.maximum else control.minimum


def test_every_parameter_has_a_control(open_panel):
    widget = open_panel()
    # The device is listed by the panel itself, once PyTorch is there to ask; what is shown follows the slice views.
    followed = ["showConduction", "showRemoved", "beforeAfter", "sideBySide"]
    assert sorted([*bound_widgets(widget), "device", *followed]) == sorted(parameters(widget).allParameters)


def test_every_control_writes_its_own_parameter_and_no_other(scan, open_panel, add_scan, scene):
    widget = open_panel()
    other, segmentation = add_scan("Other"), scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    for name, control in bound_widgets(widget).items():
        before = {each: getattr(parameters(widget), each) for each in bound_widgets(widget)}
        change(control, other, segmentation)
        after = {each: getattr(parameters(widget), each) for each in before}
        assert {each for each in before if before[each] != after[each]} == {name}


def test_every_parameter_is_shown_by_its_control(scan, open_panel, add_scan, scene):
    widget = open_panel()
    other, segmentation = add_scan("Other"), scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    nodes = dict(zip(NODES, (other, segmentation, scan, other, other), strict=True))
    values = {**CHOICES, **nodes}
    assert sorted(values) == sorted(bound_widgets(widget))
    for name, control in bound_widgets(widget).items():
        before = shown(control)
        setattr(parameters(widget), name, values[name])
        assert shown(control) != before, name


def test_a_panel_that_was_left_does_not_change_the_scene(scan, open_panel, state):
    widget = open_panel()
    slider = widget.ui.iterationsSliderWidget
    panel_host.leave_module()
    before = state()
    slider.value = 3
    assert not widget.parent.isEntered
    assert state() == before


def test_a_panel_opened_again_is_the_same_and_shows_what_changed_meanwhile(scan, open_panel):
    widget = open_panel()
    panel_host.leave_module()
    widget.logic.getParameterNode().iterations = 5
    assert open_panel() is widget
    assert widget.ui.iterationsSliderWidget.value == 5


# Whether it can be applied


def test_what_was_chosen_is_let_go_with_the_panel_that_was_left(scan, open_panel):
    widget = open_panel()
    wrapped = weakref.ref(parameters(widget))
    panel_host.leave_module()
    gc.collect()
    assert wrapped() is None


def test_an_unsuitable_volume_disables_apply_and_says_why(scan, open_panel, add_volume, scene):
    widget = open_panel()
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    line = add_volume(np.zeros((1, 1, 8), np.int16), name="Line")
    for unsuitable, reason in ((empty, "'Empty' has no image data"), (line, "'Line' is 8 x 1 x 1 voxels large")):
        widget.ui.inputSelector.setCurrentNode(unsuitable)
        assert not widget.ui.applyButton.enabled
        assert reason in widget.ui.applyButton.toolTip
    widget.ui.inputSelector.setCurrentNode(scan)
    assert widget.ui.applyButton.enabled
    assert "Scan" not in widget.ui.applyButton.toolTip


def test_the_input_cannot_be_the_output(scan, open_panel):
    widget = open_panel()
    widget.ui.outputSelector.setCurrentNode(scan)
    assert not widget.ui.applyButton.enabled
    assert "Scan" in widget.ui.applyButton.toolTip


# Applying


def test_apply_writes_a_denoised_volume_and_shows_it(scan, open_panel, scene):
    widget = open_panel()
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert volumes(scene) == ["Scan", "Scan denoised"]
    output = parameters(widget).outputVolume
    assert widget.ui.outputSelector.currentNode() is output
    noisy, denoised = slicer.util.arrayFromVolume(scan), slicer.util.arrayFromVolume(output)
    assert denoised.dtype == noisy.dtype
    assert denoised[:, :5].std() < noisy[:, :5].std()
    assert "Scan" in widget.ui.statusLabel.text
    assert layers("Red", "Green", "Yellow") == [(output.GetID(), None, 0.0)] * 3
    assert panel_host.popups.shown == []


def test_a_failure_is_shown_and_leaves_nothing_behind(scan, open_panel, scene, monkeypatch):
    widget = open_panel()

    def fail(*arguments, **named):
        raise RuntimeError("The device is on fire.")

    monkeypatch.setattr(Denoiser, "__call__", fail)
    widget.ui.applyButton.click()
    panel_host.wait_until(lambda: panel_host.popups.shown)
    (popup,) = panel_host.popups.shown
    assert popup.kind == "critical"
    assert "The device is on fire." in popup.text
    assert "RuntimeError" in popup.details
    assert widget.ui.statusLabel.text == "Denoising failed. The device is on fire."
    assert volumes(scene) == ["Scan"]
    assert widget.ui.applyButton.enabled
    assert widget.ui.applyButton.text == "Apply"
    panel_host.console_errors.clear()


def test_what_cannot_even_begin_is_said_in_the_pop_up_and_in_the_panel(scan, open_panel, scene):
    widget = open_panel()
    parameters(widget).device = "cuda:7"
    widget.ui.applyButton.click()
    (popup,) = panel_host.popups.shown
    assert "'cuda:7' is not there" in popup.text
    assert "'cuda:7' is not there" in widget.ui.statusLabel.text
    assert widget.ui.applyButton.text == "Apply"
    assert volumes(scene) == ["Scan"]
    panel_host.console_errors.clear()


# The conduction map over the input


@pytest.fixture
def with_map(scan, open_panel, scene):
    """The panel after a run that has stored a conduction map."""
    widget = open_panel()
    widget.ui.conductionSelector.addNode()
    assert not widget.ui.showConductionCheckBox.enabled
    parameters(widget).iterations = 1
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    return widget


def test_the_overlay_is_shown_and_gives_the_layers_back(with_map, scan):
    before = layers("Red", "Green", "Yellow")
    conduction = parameters(with_map).conductionVolume
    with_map.ui.showConductionCheckBox.click()
    assert layers("Red", "Green", "Yellow") == [(scan.GetID(), conduction.GetID(), 0.4)] * 3
    with_map.ui.conductionOpacitySliderWidget.value = 0.75
    assert layers() == [(scan.GetID(), conduction.GetID(), 0.75)]
    with_map.ui.showConductionCheckBox.click()
    assert layers("Red", "Green", "Yellow") == before


def test_deleting_the_map_switches_the_overlay_off(with_map, scene):
    before = layers()
    with_map.ui.showConductionCheckBox.click()
    scene.RemoveNode(parameters(with_map).conductionVolume)
    with_map.ui.conductionSelector.setCurrentNode(None)
    assert not with_map.ui.showConductionCheckBox.checked
    assert layers() == before


# Scenes


def test_closing_the_scene_starts_the_panel_afresh(with_map, scene, add_scan):
    with_map.ui.showConductionCheckBox.click()
    scene.Clear(0)
    assert not with_map.ui.applyButton.enabled
    assert not with_map.ui.showConductionCheckBox.checked
    assert parameters(with_map).iterations == 16
    assert with_map.ui.iterationsSliderWidget.value == 16
    following = add_scan("Next")
    assert parameters(with_map).inputVolume is following
    assert with_map.ui.inputSelector.currentNode() is following


def test_closing_the_scene_behind_a_panel_that_was_left_is_clean(scan, open_panel, scene):
    widget = open_panel()
    panel_host.leave_module()
    scene.Clear(0)
    assert parameters(widget) is None
    open_panel()
    assert parameters(widget).inputVolume is None


def test_choices_survive_saving_and_loading_the_scene(scan, open_panel, scene, tmp_path):
    widget = open_panel()
    for name, value in CHOICES.items():
        setattr(parameters(widget), name, value)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    scene.Clear(0)
    assert parameters(widget).settings().iterations == 16
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Import()
    assert {name: getattr(parameters(widget), name) for name in CHOICES} == CHOICES
    assert widget.ui.iterationsSliderWidget.value == 7
    assert widget.ui.noiseTypeComboBox.currentText == NoiseType.SPECKLE.label()
    assert parameters(widget).inputVolume.GetName() == "Scan"


def test_two_scenes_keep_their_own_choices(scan, open_panel, scene, monkeypatch):
    widget = open_panel()
    other = slicer_host.new_scene()
    widget.ui.iterationsSliderWidget.value = 3
    panel_host.leave_module()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(slicer, "mrmlScene", other)
        widget.logic.getParameterNode().iterations = 40
    open_panel()
    assert parameters(widget).iterations == 3


def test_a_reloaded_panel_shows_the_choices_and_the_old_one_is_gone(scan, open_panel):
    widget = open_panel()
    widget.ui.iterationsSliderWidget.value = 9
    reloaded = panel_host.reload_module("NeuralDiffusion")
    assert reloaded is not widget
    assert reloaded.ui.iterationsSliderWidget.value == 9
    reloaded.ui.iterationsSliderWidget.value = 10
    assert parameters(widget) is None
    assert parameters(reloaded).iterations == 10


def test_ending_the_application_gives_the_layers_back(qt_loads, scene, add_scan):
    scan = add_scan()
    with panel_host.application():
        widget = panel_host.open_module("NeuralDiffusion")
        slicer.util.setSliceViewerLayers(background=scan)
        conduction = slicer.util.addVolumeFromArray(np.ones((6, 40, 48), np.float32), name="Conduction")
        parameters(widget).conductionVolume = conduction
        composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
        widget.ui.showConductionCheckBox.click()
        assert composite.GetForegroundVolumeID() == conduction.GetID()
    assert (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()) == (scan.GetID(), None)
    assert panel_host.console_errors == []
