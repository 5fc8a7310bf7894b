"""A scene view that is restored while a look is on does not lose what the look covers, in a saved scene either."""

from __future__ import annotations

import pytest
import slicer
from panel_scenes import layers, save_and_load, wait_for_the_end
from restored_scene_views import SceneViews

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")


@pytest.fixture
def scene_views(slicer_app, scene):
    return SceneViews(scene, slicer_app.applicationLogic())


def shown():
    """Return the names of the volumes in each view, and the opacity of the one in front."""
    found = []
    for *volumes, opacity in layers(*VIEWS):
        nodes = [slicer.mrmlScene.GetNodeByID(volume or "") for volume in volumes]
        found.append((*(node and node.GetName() for node in nodes), opacity))
    return found


def restore_save_and_load(widget, scene_views, folder):
    """Restore the scene view, save the scene without it, and load that."""
    scene_views.restore("plain")
    scene_views.remove_all()
    return save_and_load(widget, folder)


@pytest.mark.parametrize("look", ["showConductionCheckBox", "removedButton"])
def test_switched_off_in_the_loaded_scene_the_users_layers_come_back(done, scene_views, look, tmp_path):
    before = shown()
    scene_views.add("plain")
    getattr(done.ui, look).click()
    widget = restore_save_and_load(done, scene_views, tmp_path)
    assert getattr(widget.ui, look).checked
    getattr(widget.ui, look).click()
    assert shown() == before


def test_from_side_by_side_too(done, own, scene_views, tmp_path):
    done.ui.compareButton.click()
    wait_for_the_end(done)
    slicer.util.setSliceViewerLayers(background=own[0], foreground=own[1], foregroundOpacity=0.3)
    before = shown()
    scene_views.add("plain")
    done.ui.sideBySideCheckBox.click()
    widget = restore_save_and_load(done, scene_views, tmp_path)
    assert widget.ui.sideBySideCheckBox.checked
    widget.ui.sideBySideCheckBox.click()
    assert shown() == before
