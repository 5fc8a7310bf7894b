"""The panel's preview: one slice in one view, always that of what is chosen and shown."""

from __future__ import annotations

import threading

import numpy as np
import panel_host
import pytest
import slicer
from mrml_segments import add_mask
from panel_scenes import layers, parameters, wait_for_the_end
from preview_panel import (
    VIEWS,
    is_shown,
    leave_views,
    preview,
    section_of,
    settle,
    stay_in,
    switch_on,
    view,
    voxels,
    wait,
    wait_for_preview,
)

from NeuralDiffusionLib.mrml.parameters import SlicesAlong

pytest_plugins = ["panel_host.fixtures", "panel_scenes", "preview_panel"]


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


def test_a_scan_that_is_not_chosen_any_more_is_let_go(previewing, scan, add_scan):
    parameters(previewing).inputVolume = add_scan("Other")
    settle(previewing)
    # Slicer's mixin would keep it, and its image, as long as the preview is on.
    assert scan not in [node for node, *_ in section_of(previewing).Observations]


def test_it_follows_the_mouse_to_the_view_where_that_stays(previewing, scan, in_all_views):
    stay_in("Yellow")
    wait_for_preview(previewing, "Yellow")
    leave_views()
    settle(previewing)
    assert layers("Red") == layers("Green") == [(in_all_views[0].GetID(), in_all_views[1].GetID(), 0.3)]
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


def test_beside_the_scan_there_is_nothing_to_show_until_the_view_is_back(previewing, in_all_views):
    view("Red").SetSliceOffset(50)
    panel_host.wait_until(lambda: preview() is None)
    assert layers("Red") == layers("Green")
    assert previewing.ui.statusLabel.text == "No preview: the Red view lies beside 'Scan'."
    assert previewing.ui.previewCheckBox.checked
    view("Red").SetSliceOffset(5)
    wait_for_preview(previewing)
    assert preview().GetOrigin() == (0, 0, 5)


def test_in_a_view_of_a_slab_there_is_nothing_to_show_until_it_shows_one_slice(previewing):
    view("Red").SetSlabReconstructionEnabled(True)
    panel_host.wait_until(lambda: preview() is None)
    assert layers("Red") == layers("Green")
    assert "No preview: the Red view shows a slab" in previewing.ui.statusLabel.text
    assert previewing.ui.previewCheckBox.checked
    view("Red").SetSlabReconstructionEnabled(False)
    wait_for_preview(previewing)


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
