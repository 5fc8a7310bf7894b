"""The panel's preview: one slice in one view, always that of what is chosen and shown, and gone without a trace."""

from __future__ import annotations

import threading
import time

import numpy as np
import panel_host
import pytest
import slicer
from mrml_segments import add_mask
from panel_scenes import layers, parameters, wait_for_the_end

from NeuralDiffusionLib import slicer_torch
from NeuralDiffusionLib.mrml_parameters import SlicesAlong

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")


def view(name):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def composite(name):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def preview():
    return slicer.mrmlScene.GetFirstNodeByName("Neural Diffusion preview")


def nodes(scene):
    return [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())]


def is_shown(name):
    return preview() is not None and composite(name).GetForegroundVolumeID() == preview().GetID()


def section_of(widget):
    return next(section for section in widget._sections if type(section).__name__ == "PreviewSection")


def settle(widget):
    """Wait until nothing is about to be previewed any more."""
    section = section_of(widget)
    panel_host.wait_until(lambda: not section._rest.isActive() and section._computed is None)


def wait_for_preview(widget, name="Red"):
    panel_host.wait_until(lambda: is_shown(name))
    settle(widget)


def voxels():
    return slicer.util.arrayFromVolume(preview()).copy()


def switch_on(widget, name="Red"):
    widget.ui.previewCheckBox.click()
    wait_for_preview(widget, name)


def wait(seconds):
    """Let the event loop run for a while, where nothing is expected to happen or the user rests."""
    until = time.monotonic() + seconds
    panel_host.wait_until(lambda: time.monotonic() > until)


def stay_in(name):
    """Move the mouse into a slice view and leave it there."""
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionXYZ([100, 100, 0], view(name))
    wait(0.4)


def leave_views():
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode").SetCursorPositionInvalid()


@pytest.fixture
def own(add_volume):
    """Volumes of the user's own, in all views."""
    own = [add_volume(name=name) for name in ("Behind", "In front")]
    for name in VIEWS:
        composite(name).SetBackgroundVolumeID(own[0].GetID())
        composite(name).SetForegroundVolumeID(own[1].GetID())
        composite(name).SetForegroundOpacity(0.3)
    return own


@pytest.fixture
def widget(scan, own, open_panel):
    """The panel with a scan, whose views show slices in its middle; few steps."""
    widget = open_panel()
    parameters(widget).inputVolume = scan
    parameters(widget).iterations = 2
    for name in VIEWS:
        view(name).JumpSliceByOffsetting(24, 20, 2)
    return widget


@pytest.fixture
def previewing(widget):
    switch_on(widget)
    return widget


# On


def test_it_is_off_at_first_and_stays_off_without_a_volume(open_panel):
    widget = open_panel()
    assert not widget.ui.previewCheckBox.checked
    assert not widget.ui.previewCheckBox.enabled
    assert "choose a scalar volume" in widget.ui.previewCheckBox.toolTip


def test_it_shows_the_denoised_slice_of_the_first_view_over_the_scan(widget, scan):
    others = layers("Green", "Yellow")
    switch_on(widget)
    assert layers("Red") == [(scan.GetID(), preview().GetID(), 1.0)]
    assert layers("Green", "Yellow") == others
    assert preview().GetOrigin() == (0, 0, 2)
    noisy = slicer.util.arrayFromVolume(scan)[2:3]
    assert voxels().shape == noisy.shape
    assert voxels()[0, :5].std() < noisy[0, :5].std()
    assert widget.ui.statusLabel.text == "Preview: axial slice 3 of 6 in the Red view."


def test_it_is_what_apply_makes_of_the_slice(previewing):
    shown = voxels()
    previewing.ui.applyButton.click()
    wait_for_the_end(previewing)
    output = slicer.util.arrayFromVolume(parameters(previewing).outputVolume)
    assert np.abs(output[2:3].astype(int) - shown).max() <= 1


def test_outside_the_mask_it_shows_the_scan(widget, scan, scene):
    inside = np.zeros((6, 40, 48), bool)
    inside[2, 10:20, 10:20] = True
    parameters(widget).maskSegmentation = add_mask(scene, inside)
    switch_on(widget)
    changed = voxels()[0] != slicer.util.arrayFromVolume(scan)[2]
    assert changed.any()
    assert not changed[~inside[2]].any()


# Following


@pytest.mark.parametrize(
    "name", ["iterationsSliderWidget", "neighboursComboBox", "refineCheckBox", "noiseTypeComboBox"]
)
def test_it_follows_each_control(previewing, name):
    control = getattr(previewing.ui, name)
    before = voxels()
    if name == "iterationsSliderWidget":
        control.value = 40
    elif name == "refineCheckBox":
        control.click()
    else:
        control.currentIndex = (control.currentIndex + 1) % control.count
    panel_host.wait_until(lambda: not np.array_equal(voxels(), before))
    settle(previewing)
    assert is_shown("Red")


def test_it_follows_the_slice(previewing, scan):
    for offset in (3, 4, 1):
        view("Red").SetSliceOffset(offset)
        panel_host.wait_until(lambda offset=offset: preview().GetOrigin()[2] == offset)
    assert previewing.ui.statusLabel.text == "Preview: axial slice 2 of 6 in the Red view."
    assert layers("Red") == [(scan.GetID(), preview().GetID(), 1.0)]


def test_it_follows_the_voxels(previewing, scan):
    slicer.util.arrayFromVolume(scan)[...] = 7
    slicer.util.arrayFromVolumeModified(scan)
    panel_host.wait_until(lambda: (voxels() == 7).all())


def test_it_follows_the_input(previewing, add_scan):
    other = add_scan("Other")
    other.SetOrigin(0, 0, -1)
    parameters(previewing).inputVolume = other
    panel_host.wait_until(lambda: layers("Red")[0][0] == other.GetID())
    settle(previewing)
    assert is_shown("Red")
    assert preview().GetOrigin() == (0, 0, 2)
    previewing.ui.previewCheckBox.click()
    assert layers("Red") == layers("Green")


def test_it_follows_the_mouse_to_the_view_where_that_stays(previewing, scan, own):
    stay_in("Yellow")
    wait_for_preview(previewing, "Yellow")
    leave_views()
    settle(previewing)
    assert layers("Red") == layers("Green") == [(own[0].GetID(), own[1].GetID(), 0.3)]
    assert layers("Yellow") == [(scan.GetID(), preview().GetID(), 1.0)]
    assert preview().GetImageData().GetDimensions() == (1, 40, 6)
    assert previewing.ui.statusLabel.text == (
        "Preview: sagittal slice 25 of 48 in the Yellow view. Apply will denoise axial slices."
    )


def test_views_that_the_mouse_crosses_do_not_count(previewing):
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    for name in ("Yellow", "Green"):
        crosshair.SetCursorPositionXYZ([100, 100, 0], view(name))
    leave_views()
    wait(0.4)
    settle(previewing)
    assert is_shown("Red")


def test_the_view_where_the_mouse_was_before_counts_too(widget):
    stay_in("Green")
    leave_views()
    switch_on(widget, "Green")
    assert widget.ui.statusLabel.text.startswith("Preview: coronal slice 21 of 40 in the Green view.")


def test_a_view_that_the_layout_no_longer_has_is_left(previewing):
    view("Red").SetMappedInLayout(0)
    panel_host.wait_until(lambda: is_shown("Yellow") or is_shown("Green"))
    for name in VIEWS:
        view(name).SetMappedInLayout(0)
    panel_host.wait_until(lambda: preview() is None)
    assert previewing.ui.statusLabel.text == "No preview: the layout has no slice view."


def test_beside_the_scan_there_is_nothing_to_show_until_the_view_is_back(previewing, own):
    view("Red").SetSliceOffset(50)
    panel_host.wait_until(lambda: preview() is None)
    assert layers("Red") == layers("Green")
    assert previewing.ui.statusLabel.text == "No preview: the Red view lies beside 'Scan'."
    assert previewing.ui.previewCheckBox.checked
    view("Red").SetSliceOffset(5)
    wait_for_preview(previewing)
    assert preview().GetOrigin() == (0, 0, 5)


def test_it_says_that_apply_averages_three_planes(previewing):
    parameters(previewing).slicesAlong = SlicesAlong.THREE_PLANES
    settle(previewing)
    assert previewing.ui.statusLabel.text.endswith("Apply will average the three planes.")


# The latest wins


def hold_worker(widget):
    """Keep the worker busy until the event that is returned is set."""
    go = threading.Event()
    widget.logic.startWork(lambda report, is_cancelled: go.wait(10))
    return go


def test_of_many_changes_the_last_is_shown_in_the_end(previewing):
    for value in (10, 30, 50, 64):
        parameters(previewing).iterations = value
        wait(0.02)
    settle(previewing)
    slow = voxels()
    parameters(previewing).iterations = 1
    settle(previewing)
    parameters(previewing).iterations = 64
    settle(previewing)
    assert np.array_equal(voxels(), slow)


def test_a_slider_in_motion_does_not_queue_up(previewing):
    started = []
    start = previewing.logic.startWork
    go = hold_worker(previewing)

    def count(work):
        # The noise level is estimated meanwhile, too.
        if "Preview" in work.__qualname__:
            started.append(work)
        return start(work)

    previewing.logic.startWork = count
    for value in range(3, 60):
        parameters(previewing).iterations = value
        wait(0.005)
    assert len(started) == 1
    go.set()
    settle(previewing)
    # One for the first change, one for the last; another if the noise level became known between them.
    assert len(started) in (2, 3)


def test_a_slice_that_was_left_meanwhile_is_not_shown(previewing):
    origins = []
    preview().AddObserver("ModifiedEvent", lambda node, event: origins.append(node.GetOrigin()[2]))
    go = hold_worker(previewing)
    view("Red").SetSliceOffset(4)
    wait(0.1)
    view("Red").SetSliceOffset(5)
    wait(0.1)
    go.set()
    settle(previewing)
    assert set(origins) == {5}


def test_what_comes_when_it_is_off_is_not_shown(previewing):
    go = hold_worker(previewing)
    view("Red").SetSliceOffset(4)
    wait(0.1)
    previewing.ui.previewCheckBox.click()
    go.set()
    wait(0.2)
    assert preview() is None
    assert previewing.ui.statusLabel.text == ""


def test_nothing_is_computed_when_nothing_changed(previewing):
    started = []
    previewing.logic.startWork = started.append
    view("Red").Modified()
    previewing.update()
    wait(0.1)
    settle(previewing)
    assert started == []


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
def test_what_the_user_puts_into_the_view_stays_and_it_goes_off(previewing, own, add_volume, layer):
    chosen = add_volume(name="Chosen").GetID()
    getattr(composite("Red"), f"Set{layer}VolumeID")(chosen)
    panel_host.wait_until(lambda: not previewing.ui.previewCheckBox.checked)
    assert preview() is None
    shown = layers("Red")[0]
    expected = (chosen, own[1].GetID()) if layer == "Background" else (own[0].GetID(), chosen)
    assert shown[:2] == expected


def test_another_look_takes_its_place(previewing, own):
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


def test_a_scene_saved_meanwhile_has_not_the_volume_and_its_view_shows_the_scan(previewing, scan, tmp_path):
    slicer.mrmlScene.Commit(str(tmp_path / "scene.mrml"))
    assert is_shown("Red")
    assert "Neural Diffusion preview" not in (tmp_path / "scene.mrml").read_text()
    previewing.ui.previewCheckBox.click()
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrml"))
    slicer.mrmlScene.Import()
    assert preview() is None
    assert slicer.mrmlScene.GetNodeByID(layers("Red")[0][0]).GetName() == scan.GetName()
    assert layers("Red")[0][1] is None


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
