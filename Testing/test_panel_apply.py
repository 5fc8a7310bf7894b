"""Apply in the real panel: what is chosen is what is done, and what was done is said."""

from __future__ import annotations

import re

import numpy as np
import panel_host
import pytest
import slicer
from mrml_segments import add_mask
from panel_scenes import layers, parameters, volumes, wait_for_the_end
from sequence_scenes import FRAMES, voxels_of

from NeuralDiffusionLib.mrml.nodes.provenance import read_provenance
from NeuralDiffusionLib.mrml.nodes.sequences import browser_and_sequence_of, frames_of
from NeuralDiffusionLib.mrml.parameters import Frames, NoiseType, SlicesAlong

pytest_plugins = ["panel_host.fixtures", "panel_scenes", "sequence_scenes"]


@pytest.fixture
def widget(scan, open_panel):
    """The panel with the scan as input, quick to denoise."""
    widget = open_panel()
    parameters(widget).inputVolume = scan
    parameters(widget).iterations = 2
    return widget


def apply(widget):
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    return parameters(widget).outputVolume


def test_the_result_of_the_scan_before_is_neither_taken_for_one_of_the_next_nor_replaced(widget, add_scan, scene):
    parameters(widget).conductionVolume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan conduction")
    first = apply(widget)
    before = slicer.util.arrayFromVolume(first).copy()
    assert widget.ui.beforeAfterButton.enabled
    parameters(widget).inputVolume = add_scan("Next")
    assert parameters(widget).outputVolume is parameters(widget).conductionVolume is None
    assert not widget.ui.beforeAfterButton.enabled
    second = apply(widget)
    assert volumes(scene) == ["Scan", "Scan conduction", "Scan denoised", "Next", "Next denoised"]
    assert second.GetName() == "Next denoised"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(first), before)
    # Whoever chooses it again means it.
    parameters(widget).outputVolume = first
    assert widget.ui.applyButton.enabled
    assert "was made of 'Scan', not of 'Next'" in widget.ui.beforeAfterButton.toolTip


def test_with_the_scan_before_its_own_outputs_are_chosen_again(widget, scan, add_scan, scene):
    conduction = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan conduction")
    parameters(widget).conductionVolume = conduction
    first, following = apply(widget), add_scan("Next")
    for run_on_the_next in (False, True):
        parameters(widget).inputVolume = following
        if run_on_the_next:
            second = apply(widget)
        else:
            line = "'Scan conduction' is the conduction map of another volume: choose one for 'Next' under Outputs."
            assert widget.ui.statusLabel.text == line
        parameters(widget).inputVolume = scan
        assert parameters(widget).outputVolume is first
        assert parameters(widget).conductionVolume is conduction
        assert widget.ui.beforeAfterButton.enabled
    parameters(widget).inputVolume = following
    assert parameters(widget).outputVolume is second
    assert parameters(widget).conductionVolume is None


def test_what_was_chosen_not_to_be_replaced_is_not_chosen_again(widget, scan, add_scan):
    first = apply(widget)
    parameters(widget).outputVolume = None
    parameters(widget).inputVolume = add_scan("Next")
    parameters(widget).inputVolume = scan
    assert parameters(widget).outputVolume is None
    assert first.GetScene() is not None


def test_the_result_of_a_volume_that_was_deleted_is_not_replaced(widget, scan, add_scan, scene, open_panel):
    add_scan("Next")
    first = apply(widget)
    panel_host.leave_module()
    scene.RemoveNode(scan)
    widget = open_panel()
    assert parameters(widget).inputVolume.GetName() == "Next"
    assert parameters(widget).outputVolume is None
    parameters(widget).outputVolume = first
    parameters(widget).inputVolume = None
    parameters(widget).inputVolume = add_scan("Third")
    assert parameters(widget).outputVolume is None


def test_an_output_of_no_known_input_stays_chosen(widget, add_scan, add_volume):
    own = parameters(widget).outputVolume = add_volume(name="Own")
    parameters(widget).inputVolume = add_scan("Next")
    assert parameters(widget).outputVolume is own


def test_a_volume_that_is_hidden_is_not_taken_as_input(slicer_app, add_volume, open_panel):
    add_volume(name="Hidden").SetHideFromEditors(1)
    shown = add_volume(name="Shown")
    assert parameters(open_panel()).inputVolume is shown


def test_slicers_mixin_observes_no_node_which_it_would_keep(widget, scene):
    assert {observed for observed, *_ in widget.Observations} == {scene}


def ball():
    inside = np.zeros((6, 40, 48), bool)
    inside[1:-1, 10:30, 12:36] = True
    return inside


class TestChoices:
    def test_the_mask_is_used(self, widget, scan, scene):
        widget.ui.maskSelector.setCurrentNode(add_mask(scene, ball()))
        output = apply(widget)
        before, after = voxels_of(scan), voxels_of(output)
        np.testing.assert_array_equal(after[~ball()], before[~ball()])
        assert (after[ball()] != before[ball()]).mean() > 0.5
        assert "'Scan' inside 'Brain'" in widget.ui.statusLabel.text

    @pytest.mark.parametrize(
        ("along", "axes"),
        [
            (SlicesAlong.ACQUISITION, "0"),
            (SlicesAlong.RIGHT, "2"),
            (SlicesAlong.ANTERIOR, "1"),
            (SlicesAlong.THREE_PLANES, "0 1 2"),
        ],
    )
    def test_the_slices_are_those_chosen(self, widget, along, axes):
        parameters(widget).slicesAlong = along
        assert read_provenance(apply(widget))["SliceAxis"] == axes

    def test_the_level_set_by_hand_is_used(self, widget):
        parameters(widget).estimateSigma = False
        parameters(widget).sigma = 31.25
        output = apply(widget)
        assert read_provenance(output)["Sigma"] == "31.25"
        assert "Noise level: 31.2 in image units (given)." in widget.ui.statusLabel.text

    def test_the_device_is_the_one_chosen(self, widget):
        parameters(widget).device = "cpu"
        apply(widget)
        assert widget.logic.loadedDenoiser("cpu") is not None
        assert widget.logic.loadedDenoiser("auto") is None

    def test_a_device_that_is_not_there_is_named(self, widget, scene):
        parameters(widget).device = "cuda:77"
        widget.ui.applyButton.click()
        (popup,) = panel_host.popups.shown
        assert "cuda" in popup.text
        assert "Traceback" in popup.details
        assert volumes(scene) == ["Scan"]
        panel_host.console_errors.clear()


class TestFrames:
    @pytest.fixture
    def cine(self, proxy, open_panel):
        widget = open_panel()
        parameters(widget).inputVolume = proxy
        parameters(widget).iterations = 2
        return widget

    def test_all_frames_become_a_new_sequence_which_is_shown(self, cine, proxy):
        parameters(cine).frames = Frames.ALL
        assert cine.ui.applyButton.toolTip == "Denoise all 4 frames into a new sequence."
        output = apply(cine)
        assert frames_of(output) == FRAMES
        assert browser_and_sequence_of(output)[0] is browser_and_sequence_of(proxy)[0]
        assert cine.ui.statusLabel.text.startswith("Denoised all 4 frames of 'Cine-Sequence' in ")
        assert layers() == [(output.GetID(), None, 0.0)]
        # And once more: neither replaces the other.
        assert apply(cine) is not output
        assert frames_of(output) == FRAMES

    def test_this_frame_alone_becomes_a_volume(self, cine, proxy):
        output = apply(cine)
        assert frames_of(output) == 1
        assert voxels_of(output).shape == voxels_of(proxy).shape
        assert "frames" not in cine.ui.statusLabel.text

    def test_all_frames_of_a_single_volume_are_that_volume(self, cine, scan):
        parameters(cine).frames = Frames.ALL
        parameters(cine).inputVolume = scan
        assert cine.ui.applyButton.toolTip == "Denoise the input volume."
        assert frames_of(apply(cine)) == 1

    def test_a_map_of_one_frame_is_not_asked_for_all(self, cine):
        parameters(cine).frames = Frames.ALL
        cine.ui.conductionSelector.addNode()
        assert not cine.ui.applyButton.enabled
        assert "holds one frame, not all" in cine.ui.applyButton.toolTip
        parameters(cine).frames = Frames.THIS
        assert cine.ui.applyButton.enabled

    def test_a_recording_disables_apply_until_it_ends(self, cine, browser):
        parameters(cine).frames = Frames.ALL
        browser.SetRecordingActive(True)
        assert not cine.ui.applyButton.enabled
        assert "is recording frames" in cine.ui.applyButton.toolTip
        browser.SetRecordingActive(False)
        assert cine.ui.applyButton.enabled

    def test_a_closed_scene_is_no_longer_watched(self, cine, browser, scene):
        scene.Clear(0)
        browser.SetRecordingActive(True)
        assert not cine.ui.framesComboBox.visible


class TestWhatIsSaid:
    def test_the_line_names_volume_time_device_weights_and_level(self, widget):
        output = apply(widget)
        made = read_provenance(output)
        assert re.fullmatch(
            rf"Denoised 'Scan' in \d+\.\d s on cpu with the weights {made['WeightsSHA256'][:8]}\. "
            rf"Noise level: {float(made['Sigma']):.3g} in image units \(estimated\)\.",
            widget.ui.statusLabel.text,
        )
        assert not widget.ui.warningsLabel.visible

    def test_it_is_about_the_run_whatever_was_chosen_meanwhile(self, widget, add_scan):
        other = add_scan("Other")
        widget.ui.applyButton.click()
        parameters(widget).noiseType = NoiseType.SPECKLE
        parameters(widget).inputVolume = other
        wait_for_the_end(widget)
        assert "Denoised 'Scan' in" in widget.ui.statusLabel.text
        assert "in image units" in widget.ui.statusLabel.text

    def test_warnings_stand_below_it_until_the_next_run(self, widget, scan):
        scan.SetSpacing(1.0, 2.0, 1.0)
        parameters(widget).slicesAlong = SlicesAlong.SUPERIOR
        apply(widget)
        assert "1 x 2 mm" in widget.ui.warningsLabel.text
        assert widget.ui.warningsLabel.visible
        scan.SetSpacing(1.0, 1.0, 1.0)
        apply(widget)
        assert widget.ui.warningsLabel.text == ""

    def test_an_error_has_details(self, widget, scan, scene):
        slicer.util.updateVolumeFromArray(scan, np.full((6, 40, 48), np.nan, np.float32))
        widget.ui.applyButton.click()
        (popup,) = panel_host.popups.shown
        assert popup.kind == "critical"
        assert "'Scan' is NaN or infinite" in popup.text
        assert "Traceback" in popup.details
        assert volumes(scene) == ["Scan"]
        panel_host.console_errors.clear()


class TestMaskChoice:
    def test_a_mask_without_segments_disables_apply_and_says_why(self, widget, scene):
        widget.ui.maskSelector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Brain"))
        assert not widget.ui.applyButton.enabled
        assert "'Brain' has no segments" in widget.ui.applyButton.toolTip
        widget.ui.maskSelector.setCurrentNode(None)
        assert widget.ui.applyButton.enabled

    def test_a_mask_beside_the_volume_is_an_error_on_apply(self, widget, scene, state):
        segmentation = add_mask(scene, ball())
        move = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        move.SetAndObserveMatrixTransformToParent(_far_away())
        segmentation.SetAndObserveTransformNodeID(move.GetID())
        widget.ui.maskSelector.setCurrentNode(segmentation)
        assert widget.ui.applyButton.enabled
        before = state()
        widget.ui.applyButton.click()
        (popup,) = panel_host.popups.shown
        assert "'Brain' covers no voxel of 'Scan'" in popup.text
        assert widget.ui.applyButton.text == "Apply"
        assert state() == before
        panel_host.console_errors.clear()


def _far_away():
    matrix = np.eye(4)
    matrix[0, 3] = 500
    return slicer.util.vtkMatrixFromArray(matrix)
