"""What the slice views show for the panel survives saving and loading the scene, reloading, and leaving the module."""

from __future__ import annotations

import panel_host
import pytest
import slicer
from panel_scenes import add_like, layers, leave, legend_of, load, parameters, reload, save, save_and_load, volumes
from preview_panel import wait

from NeuralDiffusionLib.mrml.views import removed_volumes
from NeuralDiffusionLib.mrml.views.view_notes import remove_note

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")
OVERLAY, REMOVED, BEFORE_AFTER = "showConductionCheckBox", "removedButton", "beforeAfterButton"
LOOKS = {
    "overlay": [OVERLAY],
    "removed": [REMOVED],
    "after": [BEFORE_AFTER],
    "before": [BEFORE_AFTER, BEFORE_AFTER],
    "removed over before": [BEFORE_AFTER, BEFORE_AFTER, REMOVED],
    "overlay over removed": [REMOVED, OVERLAY],
    "overlay over after": [OVERLAY, BEFORE_AFTER],
    "all": [BEFORE_AFTER, OVERLAY, REMOVED],
}


def click(widget, *buttons):
    for button in buttons:
        getattr(widget.ui, button).click()


def names():
    """Return the names of the volumes in each view, which a loaded scene has in common with the one that was saved."""
    found = [
        (slicer.mrmlScene.GetNodeByID(behind or ""), slicer.mrmlScene.GetNodeByID(front or ""), opacity)
        for behind, front, opacity in layers(*VIEWS)
    ]
    return [(behind and behind.GetName(), front and front.GetName(), opacity) for behind, front, opacity in found]


def choices(widget):
    node = parameters(widget)
    return node.showConduction, node.showRemoved, node.beforeAfter.name


def state(widget):
    ui = widget.ui
    return names(), ui.showConductionCheckBox.checked, ui.removedButton.checked, ui.beforeAfterButton.text


def load_while_left(widget, folder):
    save(slicer.mrmlScene, folder)
    panel_host.leave_module()
    load(slicer.mrmlScene, folder)
    return panel_host.open_module("NeuralDiffusion")


AGAIN = [save_and_load, load_while_left, reload, leave]


def test_the_parameter_node_says_what_is_shown(done):
    assert choices(done) == (False, False, "NEITHER")
    click(done, OVERLAY)
    assert choices(done) == (True, False, "NEITHER")
    click(done, BEFORE_AFTER)
    assert choices(done) == (True, False, "AFTER")
    click(done, BEFORE_AFTER)
    assert choices(done) == (True, False, "BEFORE")
    click(done, REMOVED)
    assert choices(done) == (True, True, "BEFORE")
    click(done, OVERLAY, BEFORE_AFTER)
    assert choices(done) == (False, False, "AFTER")


def test_what_the_user_puts_into_the_views_instead_is_known_to_it(done, own):
    click(done, BEFORE_AFTER, OVERLAY, REMOVED)
    slicer.util.setSliceViewerLayers(background=own[1], foreground=own[0])
    assert choices(done) == (False, False, "NEITHER")


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("look", LOOKS)
def test_the_views_and_the_panel_show_it_still(done, look, again, tmp_path):
    click(done, *LOOKS[look])
    shown, chosen, count = state(done), choices(done), len(volumes(slicer.mrmlScene))
    widget = again(done, tmp_path)
    assert state(widget) == shown
    assert choices(widget) == chosen
    assert len(volumes(slicer.mrmlScene)) == count
    if chosen[0]:
        assert legend_of(widget).GetVisibility()


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("look", ["overlay", "removed", "overlay over removed"])
def test_switched_off_afterwards_the_users_own_layers_come_back(done, look, again, tmp_path):
    before = names()
    click(done, *LOOKS[look])
    widget = again(done, tmp_path)
    click(widget, *reversed(LOOKS[look]))
    assert names() == before
    assert choices(widget) == (False, False, "NEITHER")
    if "overlay" in look:
        assert not legend_of(widget).GetVisibility()
    # Nothing of it is left for the next time.
    widget = again(widget, tmp_path)
    assert names() == before


@pytest.mark.parametrize("again", [save_and_load, load_while_left, leave])
def test_what_was_removed_is_not_computed_again(done, again, tmp_path, monkeypatch):
    click(done, REMOVED)
    made = []
    monkeypatch.setattr(removed_volumes, "make_removed", lambda *volumes: made.append(volumes))
    assert again(done, tmp_path).ui.removedButton.checked
    wait(0.1)
    assert made == []


@pytest.mark.parametrize("again", AGAIN)
def test_from_under_what_was_removed_the_volume_before_comes_back(done, again, tmp_path):
    click(done, *LOOKS["removed over before"])
    widget = again(done, tmp_path)
    click(widget, REMOVED)
    assert {behind for behind, _, _ in names()} == {"Scan"}
    assert choices(widget)[2] == "BEFORE"


@pytest.mark.parametrize("again", AGAIN)
def test_the_other_button_and_the_slider_work_on(done, again, tmp_path):
    click(done, OVERLAY)
    widget = again(done, tmp_path)
    widget.ui.conductionOpacitySliderWidget.value = 0.8
    click(widget, BEFORE_AFTER)
    assert names() == [("Scan denoised", "Conduction", 0.8)] * 3


@pytest.mark.parametrize("again", [save_and_load, load_while_left])
def test_a_view_that_the_user_has_for_something_else_is_left_in_a_loaded_scene(done, own, again, tmp_path):
    click(done, OVERLAY)
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    red.SetBackgroundVolumeID(own[0].GetID())
    red.SetForegroundVolumeID(own[1].GetID())
    shown = names()
    widget = again(done, tmp_path)
    assert names() == shown
    click(widget, OVERLAY)
    assert [front for _, front, _ in names()] == ["Front"] * 3


@pytest.mark.parametrize("look", LOOKS)
def test_what_the_user_puts_there_before_the_module_is_opened_stays(done, own, scene, tmp_path, look):
    click(done, *LOOKS[look])
    save(scene, tmp_path)
    panel_host.leave_module()
    load(scene, tmp_path)
    behind, front = (slicer.util.getNode(volume.GetName()) for volume in own)
    slicer.util.setSliceViewerLayers(background=front, foreground=behind, foregroundOpacity=0.3)
    shown = names()
    widget = panel_host.open_module("NeuralDiffusion")
    assert names() == shown
    assert choices(widget) == (False, False, "NEITHER")


@pytest.mark.parametrize("again", [save_and_load, load_while_left])
def test_views_that_the_file_does_not_have_show_it_again(done, again, tmp_path):
    click(done, OVERLAY, REMOVED)
    shown = state(done)
    for name in VIEWS:
        slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode().SetSaveWithScene(False)
    widget = again(done, tmp_path)
    assert state(widget) == shown
    click(widget, REMOVED, OVERLAY)
    assert names() == [(None, None, 0.0)] * 3


def test_a_look_whose_result_is_gone_stays_off(done, scene, tmp_path):
    click(done, OVERLAY, REMOVED)
    gone = [parameters(done).conductionVolume, parameters(done).outputVolume]
    panel_host.leave_module()
    for volume in gone:
        scene.RemoveNode(volume)
    save(scene, tmp_path)
    load(scene, tmp_path)
    widget = panel_host.open_module("NeuralDiffusion")
    assert choices(widget) == (False, False, "NEITHER")
    assert not widget.ui.showConductionCheckBox.checked
    assert not widget.ui.removedButton.checked


def test_each_of_two_scenes_shows_its_own(done, scene, tmp_path):
    plain = state(done)
    save(scene, tmp_path / "plain")
    click(done, OVERLAY, REMOVED)
    looks, chosen = state(done), choices(done)
    save(scene, tmp_path / "looks")
    for _ in range(2):
        load(scene, tmp_path / "plain")
        assert state(done) == plain
        assert choices(done) == (False, False, "NEITHER")
        load(scene, tmp_path / "looks")
        assert state(done) == looks
        assert choices(done) == chosen


def test_a_scene_that_does_not_say_what_was_there_before_can_be_switched_off(done, scene, tmp_path):
    click(done, OVERLAY, REMOVED)
    for name in VIEWS:
        view = slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()
        for layer in ("Background", "Foreground"):
            remove_note(view, f"NeuralDiffusion.{layer}")
    save(scene, tmp_path)
    load(scene, tmp_path)
    click(done, REMOVED, OVERLAY)
    assert [(behind, front) for behind, front, _ in names()] == [("Scan denoised", None)] * 3


@pytest.mark.parametrize("opened_first", [True, False])
def test_the_chosen_volumes_are_those_of_the_loaded_scene(slicer_app, add_scan, open_panel, tmp_path, opened_first):
    widget = open_panel() if opened_first else None
    first, second = add_scan("First"), add_scan("Second")
    widget = widget or open_panel()
    voxels = slicer.util.arrayFromVolume(second)
    chosen = parameters(widget)
    chosen.inputVolume, chosen.referenceVolume = second, first
    chosen.outputVolume = add_like("Second denoised", voxels - 7, second)

    save_and_load(widget, tmp_path)

    found = parameters(widget)
    assert [node.GetName() for node in (found.inputVolume, found.referenceVolume, found.outputVolume)] == [
        "Second",
        "First",
        "Second denoised",
    ]
    assert widget.ui.inputSelector.currentNode() is found.inputVolume
    assert widget.ui.outputSelector.currentNode() is found.outputVolume
