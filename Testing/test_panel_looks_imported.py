"""A scene that is added while a look is on replaces the views: switched off, they show what the added scene says."""

from __future__ import annotations

import pytest
import slicer
from panel_scenes import layers, parameters, save, wait_for_the_end

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")
LOOKS = ["showConductionCheckBox", "removedButton", "beforeAfterButton"]


def add_scene(folder):
    """Add a saved scene to the one that is there; return the volumes that it brought, by name."""
    scene = slicer.mrmlScene
    before = set(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    scene.SetURL(str(folder / "scene.mrml"))
    scene.SetRootDirectory(str(folder))
    scene.Import()
    added = set(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) - before
    return {volume.GetName(): volume.GetID() for volume in added}


@pytest.mark.parametrize("saved_with", [None, *LOOKS[:2]])
@pytest.mark.parametrize("look", LOOKS)
def test_switched_off_after_the_import_the_added_scenes_layers_come_back(done, own, scene, tmp_path, look, saved_with):
    if saved_with:
        getattr(done.ui, saved_with).click()
    save(scene, tmp_path / "second")
    if saved_with:
        getattr(done.ui, saved_with).click()
    slicer.util.setSliceViewerLayers(background=own[1], foreground=own[0], foregroundOpacity=0.8)
    getattr(done.ui, look).click()

    added = add_scene(tmp_path / "second")

    assert parameters(done).inputVolume.GetID() == added["Scan"]
    assert done.ui.showConductionCheckBox.checked == (saved_with == LOOKS[0])
    assert done.ui.removedButton.checked == (saved_with == LOOKS[1])
    if saved_with:
        getattr(done.ui, saved_with).click()
    theirs = [(added["Behind"], added["Front"], 0.3)] * 3
    assert layers(*VIEWS) == theirs
    for again in LOOKS[:2]:
        getattr(done.ui, again).click()
        assert layers(*VIEWS) != theirs
        getattr(done.ui, again).click()
        assert layers(*VIEWS) == theirs


def test_the_opacity_of_the_added_scenes_overlay_follows_the_slider(done, scene, tmp_path):
    done.ui.showConductionCheckBox.click()
    save(scene, tmp_path / "second")
    added = add_scene(tmp_path / "second")
    done.ui.conductionOpacitySliderWidget.value = 0.9
    assert layers(*VIEWS) == [(added["Scan"], added["Conduction"], 0.9)] * 3


@pytest.mark.parametrize("look", LOOKS[:2])
def test_a_scene_without_views_leaves_the_look_and_what_lies_under_it(done, own, scene, tmp_path, look):
    for name in VIEWS:
        slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode().SetSaveWithScene(False)
    parameters(done).parameterNode.SetSaveWithScene(False)
    save(scene, tmp_path / "second")
    before = layers(*VIEWS)
    getattr(done.ui, look).click()
    shown = layers(*VIEWS)
    add_scene(tmp_path / "second")
    assert layers(*VIEWS) == shown
    assert getattr(done.ui, look).checked
    getattr(done.ui, look).click()
    assert layers(*VIEWS) == before


def test_side_by_side_gives_the_views_of_the_added_scene_back(done, own, scene, tmp_path):
    done.ui.compareButton.click()
    wait_for_the_end(done)
    slicer.util.setSliceViewerLayers(background=own[0], foreground=None)
    save(scene, tmp_path / "second")
    slicer.util.setSliceViewerLayers(background=own[1], foreground=own[0], foregroundOpacity=0.8)
    done.ui.sideBySideCheckBox.click()
    added = add_scene(tmp_path / "second")
    theirs = [(added["Behind"], None, 0.3)] * 3
    assert not done.ui.sideBySideCheckBox.checked
    assert layers(*VIEWS) == theirs
    for _ in range(2):
        done.ui.sideBySideCheckBox.click()
    assert layers(*VIEWS) == theirs
