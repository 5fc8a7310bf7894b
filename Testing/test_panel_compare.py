"""The panel's comparison: filters in the background, the table, and the results side by side."""

from __future__ import annotations

import threading

import numpy as np
import panel_host
import pytest
import slicer
from mrml_segments import add_mask
from panel_scenes import layers, leave, load, parameters, reload, save, save_and_load, volumes, wait_for_the_end

from NeuralDiffusionLib import classical_filters
from NeuralDiffusionLib.mrml.comparison.filtered import find_filtered
from NeuralDiffusionLib.mrml.parameters import NoiseType
from NeuralDiffusionLib.similarity import psnr

pytest_plugins = ["panel_host.fixtures", "panel_scenes", "sequence_scenes"]

FILTERED = ["Scan, gradient anisotropic diffusion", "Scan, non-local means slice by slice"]
VIEWS = ("Red", "Green", "Yellow")


def compare(widget):
    widget.ui.compareButton.click()
    wait_for_the_end(widget)
    return widget.ui.statusLabel.text.splitlines()


def tables(scene):
    kind = "vtkMRMLTableNode"
    return [scene.GetNthNodeByClass(index, kind) for index in range(scene.GetNumberOfNodesByClass(kind))]


def places():
    nodes = [slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode() for name in VIEWS]
    return [
        (slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS()).tolist(), node.GetFieldOfView(), node.GetXYZOrigin())
        for node in nodes
    ]


@pytest.fixture
def truth(scan, add_volume):
    rows, columns = np.mgrid[:40, :48]
    clean = np.where((rows - 20) ** 2 + (columns - 24) ** 2 < 196, 800, 200) * np.ones((6, 1, 1))
    return add_volume(clean.astype(np.int16), name="Truth")


@pytest.fixture
def compared(scan, open_panel):
    """The panel after a run and a comparison."""
    widget = open_panel()
    parameters(widget).iterations = 1
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    compare(widget)
    return widget


@pytest.fixture
def held(monkeypatch):
    """A gate at each slice of non-local means."""
    gate, real = threading.Semaphore(0), classical_filters._non_local_means

    def wait(*arguments):
        gate.acquire()
        return real(*arguments)

    monkeypatch.setattr(classical_filters, "_non_local_means", wait)
    yield gate
    gate.release(100)


def test_side_by_side_stays_while_a_map_is_made_and_goes_for_a_new_result(compared):
    compared.ui.sideBySideCheckBox.click()
    shown = layers(*VIEWS)
    compared.ui.directionsButton.click()
    assert compared.ui.sideBySideCheckBox.checked
    compared.ui.applyButton.click()
    wait_for_the_end(compared)
    assert compared.ui.statusLabel.text == "Cancelled: nothing was changed."
    assert compared.ui.sideBySideCheckBox.checked
    assert layers(*VIEWS) == shown
    parameters(compared).inputVolume.GetDisplayNode().AutoWindowLevelOff()
    parameters(compared).inputVolume.GetDisplayNode().SetWindowLevel(500, 250)
    compared.ui.applyButton.click()
    wait_for_the_end(compared)
    assert not compared.ui.sideBySideCheckBox.checked
    assert parameters(compared).outputVolume.GetDisplayNode().GetWindow() == 500
    assert {volume for volume, _, _ in layers(*VIEWS)} == {parameters(compared).outputVolume.GetID()}


# The filters


def test_compare_adds_what_both_filters_make_and_says_so(scan, open_panel, scene):
    widget = open_panel()
    assert widget.ui.compareButton.enabled
    before = layers(*VIEWS)
    (line,) = compare(widget)
    assert line.startswith(f"Made '{FILTERED[0]}' and '{FILTERED[1]}' in ")
    assert volumes(scene) == ["Scan", *FILTERED]
    assert tables(scene) == []
    assert layers(*VIEWS) == before


def test_a_second_click_makes_no_copies_and_says_that_they_are_there(scan, open_panel, scene):
    widget = open_panel()
    compare(widget)
    assert compare(widget) == [f"'{FILTERED[0]}' and '{FILTERED[1]}' are up to date."]
    assert volumes(scene) == ["Scan", *FILTERED]


def test_without_a_suitable_volume_it_is_disabled_and_says_why(open_panel, scene, scan):
    widget = open_panel()
    parameters(widget).inputVolume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    assert not widget.ui.compareButton.enabled
    assert "'Empty' has no image data" in widget.ui.compareButton.toolTip
    parameters(widget).inputVolume = scan
    assert widget.ui.compareButton.enabled
    assert widget.ui.compareButton.toolTip.startswith("Denoise the input with Slicer's")


def test_the_window_stays_alive_and_cancel_leaves_the_scene_as_it_was(scan, open_panel, scene, state, held):
    widget = open_panel()
    before = state()
    widget.ui.compareButton.click()
    held.release(2)
    # The diffusion and two slices.
    panel_host.wait_until(lambda: widget.ui.progressBar.value == 8)
    assert widget.ui.progressBar.maximum == 12
    assert widget.ui.applyButton.text == "Cancel"
    assert not widget.ui.compareButton.enabled
    assert "Wait" in widget.ui.compareButton.toolTip
    widget.ui.applyButton.click()
    held.release()
    wait_for_the_end(widget)
    assert widget.ui.statusLabel.text == "Cancelled: nothing was changed."
    assert state() == before
    assert widget.ui.compareButton.enabled


def test_closing_the_scene_in_the_middle_ends_it(scan, open_panel, scene, held):
    widget = open_panel()
    widget.ui.compareButton.click()
    held.release()
    panel_host.wait_until(lambda: widget.ui.progressBar.value == 7)
    scene.Clear(0)
    held.release(100)
    panel_host.process_events(200)
    assert volumes(scene) == []
    assert widget.ui.statusLabel.text == "The run ended with the scene: nothing was written."


@pytest.mark.parametrize(("noise", "taken"), [(NoiseType.RICIAN, True), (NoiseType.SPECKLE, False)])
def test_a_noise_level_set_by_hand_is_taken_unless_it_is_relative_to_the_signal(scan, open_panel, noise, taken):
    widget = open_panel()
    node = parameters(widget)
    node.noiseType, node.estimateSigma, node.sigma = noise, False, 7.5
    compare(widget)
    described = find_filtered(scan).popitem()[1].GetDescription()
    assert described.endswith("noise level 7.5.") is taken


def test_a_lowered_time_step_is_said(scan, open_panel):
    scan.SetSpacing(0.1, 0.1, 0.5)
    widget = open_panel()
    compare(widget)
    assert "time steps of 0.022 instead of Slicer's 0.0625" in widget.ui.warningsLabel.text


# Against a reference


def test_a_reference_gives_a_table_with_all_four_volumes(compared, scan, truth, scene):
    parameters(compared).referenceVolume = truth
    lines = compare(compared)
    (table,) = tables(scene)
    rows = ["Scan", "Scan denoised", *FILTERED]
    assert [table.GetCellText(row, 0) for row in range(table.GetNumberOfRows())] == rows
    assert lines[0] == "PSNR and SSIM are in the table 'Scan compared with Truth' (Tables module):"
    decibel = psnr(slicer.util.arrayFromVolume(truth), slicer.util.arrayFromVolume(scan))
    assert lines[1].startswith(f"Scan: {decibel:.1f} dB, 0.")
    assert [line.split(":")[0] for line in lines[1:]] == rows


def test_without_a_denoised_volume_there_are_three_rows(scan, open_panel, truth, scene, add_volume):
    widget = open_panel()
    parameters(widget).referenceVolume = truth
    # Of another scan.
    parameters(widget).outputVolume = add_volume(name="Elsewhere")
    compare(widget)
    assert tables(scene)[0].GetNumberOfRows() == 3
    assert "'Elsewhere' does not lie voxel on voxel over 'Scan'" in widget.ui.warningsLabel.text


def test_only_what_is_inside_the_mask_counts(scan, open_panel, truth, scene):
    widget = open_panel()
    inside = slicer.util.arrayFromVolume(truth) > 500
    parameters(widget).referenceVolume, parameters(widget).maskSegmentation = truth, add_mask(scene, inside)
    compare(widget)
    decibel = tables(scene)[0].GetTable().GetColumn(1).GetValue(0)
    assert decibel == psnr(slicer.util.arrayFromVolume(truth), slicer.util.arrayFromVolume(scan), inside)


def test_a_reference_that_does_not_fit_is_named_before_anything_runs(scan, open_panel, add_volume, scene, state):
    widget = open_panel()
    parameters(widget).referenceVolume = add_volume(name="Elsewhere")
    before = state()
    widget.ui.compareButton.click()
    (popup,) = panel_host.popups.shown
    assert "'Elsewhere' does not lie voxel on voxel over 'Scan': resample it to that volume first." in popup.text
    assert widget.ui.applyButton.text == "Apply"
    assert state() == before
    panel_host.console_errors.clear()


# Side by side


def test_it_can_be_switched_on_once_all_three_are_there(scan, open_panel):
    widget = open_panel()
    compare(widget)
    assert not widget.ui.sideBySideCheckBox.enabled
    assert "Press Apply" in widget.ui.sideBySideCheckBox.toolTip
    parameters(widget).iterations = 1
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert widget.ui.sideBySideCheckBox.enabled


def test_filters_of_former_voxels_are_not_shown_beside_the_result_of_new_ones(compared, scan):
    compared.ui.sideBySideCheckBox.click()
    before = slicer.util.arrayFromVolume(scan).copy()
    slicer.util.updateVolumeFromArray(scan, before * 2)
    assert (compared.ui.sideBySideCheckBox.checked, compared.ui.sideBySideCheckBox.enabled) == (False, False)
    slicer.util.updateVolumeFromArray(scan, before)
    assert compared.ui.sideBySideCheckBox.enabled
    slicer.util.updateVolumeFromArray(scan, before * 2)
    compared.ui.applyButton.click()
    wait_for_the_end(compared)
    assert not compared.ui.sideBySideCheckBox.enabled
    assert compared.ui.sideBySideCheckBox.toolTip.endswith("than the input shows now: press Compare.")


def test_filters_of_another_frame_are_not_shown_beside_the_result_of_this_one(proxy, browser, open_panel):
    widget = open_panel()
    node = parameters(widget)
    node.inputVolume, node.iterations = proxy, 1
    compare(widget)
    browser.SetSelectedItemNumber(1)
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert not widget.ui.sideBySideCheckBox.enabled
    compare(widget)
    assert widget.ui.sideBySideCheckBox.enabled


def test_without_one_of_the_three_it_goes_off(compared, scan, scene, own):
    before = layers(*VIEWS)
    compared.ui.sideBySideCheckBox.click()
    scene.RemoveNode(find_filtered(scan).popitem()[1])
    assert (compared.ui.sideBySideCheckBox.checked, compared.ui.sideBySideCheckBox.enabled) == (False, False)
    assert layers(*VIEWS) == before


def test_all_three_are_shown_and_off_everything_is_as_it_was(compared, scan):
    before = layers(*VIEWS), places()
    compared.ui.sideBySideCheckBox.click()
    shown = [parameters(compared).outputVolume, *find_filtered(scan).values()]
    assert [layer[:2] for layer in layers(*VIEWS)] == [(volume.GetID(), None) for volume in shown]
    assert places() == [before[1][0]] * 3
    note = "Red: denoised. Green: anisotropic diffusion. Yellow: non-local means."
    assert compared.ui.sideBySideNoteLabel.text == note
    compared.ui.sideBySideCheckBox.click()
    assert (layers(*VIEWS), places()) == before
    assert compared.ui.sideBySideNoteLabel.text == ""


def test_a_layout_without_the_views_is_left_alone_and_one_that_has_them_named(compared):
    slicer.app.layoutManager().sliceWidget("Green").mrmlSliceNode().SetMappedInLayout(0)
    compared.ui.sideBySideCheckBox.click()
    advice = "Choose a layout that has these three views, Four-Up for instance."
    assert compared.ui.sideBySideNoteLabel.text.endswith(advice)
    slicer.app.layoutManager().sliceWidget("Green").mrmlSliceNode().SetMappedInLayout(1)
    assert advice not in compared.ui.sideBySideNoteLabel.text
    slicer.app.layoutManager().sliceWidget("Yellow").mrmlSliceNode().SetMappedInLayout(0)
    assert compared.ui.sideBySideNoteLabel.text.endswith(advice)


@pytest.fixture
def sideBySide(compared, add_scan):
    """The panel with the results side by side, over a volume of the user's own; and what the views showed before."""
    slicer.util.setSliceViewerLayers(background=add_scan("Own"), foreground=add_scan("In front"), foregroundOpacity=0.3)
    before = layers(*VIEWS), places()
    compared.ui.sideBySideCheckBox.click()
    assert compared.ui.sideBySideCheckBox.checked
    return compared, before


@pytest.mark.parametrize("button", ["beforeAfterButton", "removedButton"])
def test_another_look_ends_it_and_gives_the_users_own_back_afterwards(sideBySide, button):
    widget, before = sideBySide
    getattr(widget.ui, button).click()
    assert not widget.ui.sideBySideCheckBox.checked
    assert places() == before[1]
    assert len(set(layers(*VIEWS))) == 1
    widget.logic.looks.hide()
    assert (layers(*VIEWS), places()) == before


def test_switched_on_over_another_look_the_users_own_come_back(compared):
    before = layers(*VIEWS), places()
    compared.ui.beforeAfterButton.click()
    assert layers(*VIEWS) != before[0]
    compared.ui.sideBySideCheckBox.click()
    compared.ui.sideBySideCheckBox.click()
    assert (layers(*VIEWS), places()) == before


def test_a_new_run_shows_its_result_in_all_views(sideBySide):
    widget, before = sideBySide
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert not widget.ui.sideBySideCheckBox.checked
    assert {layer[0] for layer in layers(*VIEWS)} == {parameters(widget).outputVolume.GetID()}
    assert places() == before[1]


def test_comparing_again_with_another_noise_level_leaves_it_on(sideBySide):
    widget, _before = sideBySide
    shown = layers(*VIEWS)
    parameters(widget).estimateSigma, parameters(widget).sigma = False, 7.5
    assert compare(widget)[0].startswith("Made")
    assert widget.ui.sideBySideCheckBox.checked
    assert layers(*VIEWS) == shown


def test_another_input_ends_it(sideBySide, add_scan):
    widget, before = sideBySide
    parameters(widget).inputVolume = add_scan("Other")
    assert not widget.ui.sideBySideCheckBox.checked
    assert not widget.ui.sideBySideCheckBox.enabled
    assert (layers(*VIEWS), places()) == before


def test_closing_the_scene_ends_it(sideBySide, scene):
    widget, _before = sideBySide
    scene.Clear(0)
    assert not widget.ui.sideBySideCheckBox.checked
    assert widget.ui.sideBySideNoteLabel.text == ""


@pytest.mark.parametrize("again", [leave, reload, save_and_load])
def test_it_stays_and_the_users_own_come_back_afterwards(sideBySide, again, tmp_path):
    widget, before = sideBySide
    shown = layers(*VIEWS), places()
    assert parameters(widget).sideBySide
    widget = again(widget, tmp_path)
    assert widget.ui.sideBySideCheckBox.checked
    assert parameters(widget).sideBySide
    assert (layers(*VIEWS), places()) == shown
    widget.ui.sideBySideCheckBox.click()
    assert (layers(*VIEWS), places()) == before
    assert not parameters(widget).sideBySide
    # Nothing of it is left for the next time.
    widget = again(widget, tmp_path)
    assert not widget.ui.sideBySideCheckBox.checked
    assert (layers(*VIEWS), places()) == before


def test_it_stays_off_in_a_loaded_scene_whose_results_are_gone(sideBySide, scene, tmp_path):
    widget, _before = sideBySide
    panel_host.leave_module()
    scene.RemoveNode(scene.GetFirstNodeByName(FILTERED[0]))
    save(scene, tmp_path)
    load(scene, tmp_path)
    widget = panel_host.open_module("NeuralDiffusion")
    assert not widget.ui.sideBySideCheckBox.checked
    assert not parameters(widget).sideBySide


def test_it_stays_off_where_a_view_is_gone(sideBySide, scene):
    widget, _before = sideBySide
    panel_host.leave_module()
    widget.cleanup()
    scene.RemoveNode(slicer.app.layoutManager().sliceWidget("Green").mrmlSliceNode())
    widget = panel_host.reload_module("NeuralDiffusion")
    assert not widget.ui.sideBySideCheckBox.checked
    assert not parameters(widget).sideBySide


def test_when_slicer_ends_it_goes(sideBySide):
    _widget, before = sideBySide
    panel_host.close()
    assert (layers(*VIEWS), places()) == before
