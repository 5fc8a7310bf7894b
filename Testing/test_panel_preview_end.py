"""The end of the panel's preview, wanted or by a failure: it is gone without a trace."""

from __future__ import annotations

import numpy as np
import panel_host
import pytest
import slicer
from panel_scenes import add_like, layers, load, parameters, save, wait_for_the_end
from preview_panel import (
    VIEWS,
    composite,
    is_shown,
    nodes,
    preview,
    section_of,
    settle,
    stay_in,
    switch_on,
    view,
    wait,
)

from NeuralDiffusionLib.mrml import slicer_torch

pytest_plugins = ["panel_host.fixtures", "panel_scenes", "preview_panel"]


# Off


def off(widget):
    widget.ui.previewCheckBox.click()


def module_left(widget):
    panel_host.leave_module()


def volume_deleted(widget):
    slicer.mrmlScene.RemoveNode(parameters(widget).inputVolume)


def run_begun(widget):
    widget.ui.applyButton.click()
    assert not widget.ui.previewCheckBox.enabled
    widget.ui.applyButton.click()


def module_reloaded(widget):
    panel_host.reload_module("NeuralDiffusion")


@pytest.mark.parametrize("end", [off, module_left, volume_deleted, run_begun, module_reloaded])
def test_it_is_gone_and_the_view_has_its_layers_back(widget, scene, end):
    before, were = nodes(scene), layers(*VIEWS)
    scan = parameters(widget).inputVolume.GetID()
    display = parameters(widget).inputVolume.GetDisplayNodeID()
    switch_on(widget)
    end(widget)
    if end is volume_deleted:
        # Another volume was chosen in its place.
        panel_host.wait_until(lambda: not widget.ui.previewCheckBox.checked)
    assert preview() is None
    assert not widget.ui.previewCheckBox.checked
    assert layers(*VIEWS) == were
    wait(0.2)
    assert preview() is None
    assert [node for node in before if node not in nodes(scene)] in ([], [scan], [scan, display])
    assert [node for node in nodes(scene) if node not in before] == []


def test_it_is_gone_with_the_scene_and_the_next_one_can_be_previewed(previewing, scene, add_scan):
    scene.Clear(False)
    assert preview() is None
    assert not previewing.ui.previewCheckBox.checked
    wait(0.1)
    assert layers("Red") == layers("Green")
    parameters(previewing).inputVolume = add_scan("Next")
    switch_on(previewing)
    previewing.ui.previewCheckBox.click()
    assert layers("Red") == layers("Green")


def test_a_run_that_has_ended_shows_its_result_and_it_stays_off(previewing):
    previewing.ui.applyButton.click()
    assert previewing.ui.statusLabel.text == "Preparing..."
    wait_for_the_end(previewing)
    assert previewing.ui.statusLabel.text.startswith("Denoised 'Scan'")
    assert {background for background, _, _ in layers(*VIEWS)} == {parameters(previewing).outputVolume.GetID()}
    assert not previewing.ui.previewCheckBox.checked
    assert previewing.ui.previewCheckBox.enabled
    assert preview() is None


@pytest.mark.parametrize("layer", ["Background", "Foreground"])
def test_what_the_user_puts_into_the_view_stays_and_it_goes_off(previewing, in_all_views, add_volume, layer):
    chosen = add_volume(name="Chosen").GetID()
    getattr(composite("Red"), f"Set{layer}VolumeID")(chosen)
    panel_host.wait_until(lambda: not previewing.ui.previewCheckBox.checked)
    assert preview() is None
    shown = layers("Red")[0]
    expected = (chosen, in_all_views[1].GetID()) if layer == "Background" else (in_all_views[0].GetID(), chosen)
    assert shown[:2] == expected


def test_another_look_takes_its_place(previewing, in_all_views):
    previewing.ui.applyButton.click()
    wait_for_the_end(previewing)
    were = layers(*VIEWS)
    switch_on(previewing)
    previewing.ui.beforeAfterButton.click()
    panel_host.wait_until(lambda: not previewing.ui.previewCheckBox.checked)
    assert preview() is None
    assert {background for background, _, _ in layers(*VIEWS)} == {parameters(previewing).inputVolume.GetID()}
    previewing.logic.looks.hide()
    assert layers(*VIEWS) == were


def test_when_it_goes_off_its_line_goes_too(previewing):
    previewing.ui.previewCheckBox.click()
    assert previewing.ui.statusLabel.text == ""


def test_the_views_are_no_longer_watched_after_it_went_off(previewing):
    previewing.ui.previewCheckBox.click()
    started = []
    previewing.logic.startWork = started.append
    view("Red").SetSliceOffset(5)
    stay_in("Yellow")
    settle(previewing)
    assert started == []
    assert section_of(previewing).Observations == []


# Saving


def names_in(name):
    """Names of the volumes in the layers of a view, and the opacity of the foreground."""
    *volumes, opacity = layers(name)[0]
    return [volume and slicer.mrmlScene.GetNodeByID(volume).GetName() for volume in volumes], opacity


@pytest.mark.parametrize("overlay", [False, True], ids=["alone", "above an overlay"])
def test_the_view_of_a_scene_saved_meanwhile_has_its_own_layers(widget, scan, scene, tmp_path, overlay):
    before = names_in("Red")
    if overlay:
        half = np.full(slicer.util.arrayFromVolume(scan).shape, 0.5, np.float32)
        parameters(widget).conductionVolume = add_like("Map", half, scan)
        widget.ui.showConductionCheckBox.click()
    switch_on(widget)
    save(scene, tmp_path / "scene")
    load(scene, tmp_path / "scene")
    assert preview() is None
    if overlay:
        assert names_in("Red")[0] == ["Scan", "Map"]
        widget.ui.showConductionCheckBox.click()
    assert names_in("Red") == before == (["Behind", "In front"], 0.3)


def test_a_scene_saved_meanwhile_has_not_the_volume(previewing, scan, tmp_path):
    slicer.mrmlScene.Commit(str(tmp_path / "scene.mrml"))
    assert is_shown("Red")
    assert "Neural Diffusion preview" not in (tmp_path / "scene.mrml").read_text()
    previewing.ui.previewCheckBox.click()
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    slicer.mrmlScene.Import()
    assert preview() is None
    assert names_in("Red") == (["Behind", "In front"], 0.3)


# Errors


def take_popup(text):
    """Return the details of the one pop-up, which is about the preview; the console has the error too."""
    (popup,) = panel_host.popups.shown
    assert (popup.kind, popup.text) == ("critical", f"The preview failed.\n\n{text}")
    assert len(panel_host.console_errors) == 1
    panel_host.console_errors.clear()
    return popup.details


def test_without_pytorch_it_says_so_once_and_goes_off(widget, monkeypatch):
    monkeypatch.setattr(slicer_torch, "torch_installed", lambda: False)
    widget.ui.previewCheckBox.click()
    assert not widget.ui.previewCheckBox.checked
    line = widget.ui.statusLabel.text
    assert line.startswith("The preview failed. PyTorch is not installed")
    take_popup(line.removeprefix("The preview failed. "))
    assert preview() is None


def test_what_fails_in_the_thread_is_said_once_with_its_details_and_it_goes_off(widget):
    parameters(widget).device = "cuda:99"
    widget.ui.previewCheckBox.click()
    panel_host.wait_until(lambda: not widget.ui.previewCheckBox.checked)
    line = widget.ui.statusLabel.text
    assert line.startswith("The preview failed. Device 'cuda:99'")
    parameters(widget).iterations = 5
    wait(0.1)
    assert preview() is None
    assert "DeviceError" in take_popup(line.removeprefix("The preview failed. "))


def test_a_scan_with_gaps_is_named_and_it_goes_off(widget, scan):
    values = slicer.util.arrayFromVolume(scan).astype(np.float32)
    values[0, 0, 0] = np.nan
    slicer.util.updateVolumeFromArray(scan, values)
    widget.ui.previewCheckBox.click()
    panel_host.wait_until(lambda: not widget.ui.previewCheckBox.checked)
    reason = "'Scan' is NaN or infinite in 1 of its voxels: replace these by numbers first."
    assert widget.ui.statusLabel.text == f"The preview failed. {reason}"
    assert "InvalidVolumeError" in take_popup(reason)


def test_after_a_fault_of_the_program_the_view_has_its_layers_back(previewing):
    def fail(device):
        raise TypeError("Not foreseen.")

    previewing.logic.denoiser = fail
    parameters(previewing).iterations = 5
    panel_host.wait_until(lambda: not previewing.ui.previewCheckBox.checked)
    assert previewing.ui.statusLabel.text == "The preview failed. Not foreseen."
    assert layers("Red") == layers("Green")
    assert "in fail" in take_popup("Not foreseen.")
