"""What lay under a look is known after one of Slicer's scene views was restored, by its own logic, and saved."""

from __future__ import annotations

import pytest
import slicer
from looks_scene import layers
from restored_scene_views import SceneViews

from NeuralDiffusionLib.mrml.views.looks import Looks
from NeuralDiffusionLib.mrml.views.side_by_side import SideBySide
from NeuralDiffusionLib.mrml.views.view_notes import read_note, remove_note, write_note

pytest_plugins = ["looks_scene"]


@pytest.fixture
def application(scene):
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    yield application
    application.SetMRMLScene(None)


@pytest.fixture
def scene_views(scene, application):
    return SceneViews(scene, application)


def notes(scene):
    """Return the nodes of the scene that hold notes."""
    return list(slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode", scene))


def test_after_a_scene_view_of_before_the_look_a_new_session_gives_the_users_layers_back(
    scene, views, scene_views, before, conduction
):
    were = layers(views)
    scene_views.add("plain")
    Looks().show_overlay(before, conduction, 0.6)
    scene_views.restore("plain")
    again = Looks()
    again.resume(scene)
    again.hide_overlay()
    assert layers(views) == were


def test_a_scene_view_of_an_earlier_look_brings_no_former_opacity(scene, views, scene_views, before, conduction):
    first = Looks()
    first.show_overlay(before, conduction, 0.6)
    scene_views.add("map")
    first.hide()
    views[0].SetForegroundOpacity(0.9)
    were = layers(views)
    Looks().show_overlay(before, conduction, 0.6)
    scene_views.restore("map")
    again = Looks()
    again.resume(scene)
    again.hide_overlay()
    assert layers(views) == were


def test_a_scene_view_of_a_look_that_is_off_by_now_brings_no_look(scene, views, scene_views, before, conduction):
    looks = Looks()
    looks.show_overlay(before, conduction, 0.6)
    scene_views.add("map")
    looks.hide()
    scene_views.restore("map")
    assert read_note(views[0], "NeuralDiffusion.Foreground") is None
    shown = layers(views)
    again = Looks()
    again.resume(scene)
    again.hide()
    assert layers(views) == shown


def test_side_by_side_gives_back_what_the_views_showed(
    scene, application, scene_views, beneath, before, after, conduction
):
    logics = []
    for name in ("Red", "Green", "Yellow"):
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        logic.AddSliceNode(name).SetSliceOffset(2.5)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(beneath[0].GetID())
        logics.append(logic)
    composites = [logic.GetSliceCompositeNode() for logic in logics]
    were = layers(composites)
    scene_views.add("plain")
    first, again = SideBySide(), SideBySide()
    first.show(before, [after, conduction, beneath[1]])
    scene_views.restore("plain")
    logics[0].GetSliceNode().SetSliceOffset(9)
    first.forget()
    # As in a loaded scene.
    again.show(before, [after, conduction, beneath[1]])
    again.hide()
    assert layers(composites) == were
    assert [logic.GetSliceOffset() for logic in logics] == [2.5] * 3
    for logic in logics:
        logic.SetMRMLScene(None)


def test_the_last_note_takes_its_node_out_of_the_scene(scene, views):
    write_note(views[0], "NeuralDiffusion.First", "1")
    write_note(views[0], "NeuralDiffusion.Second", "2")
    write_note(views[1], "NeuralDiffusion.First", "3")
    assert [node.GetHideFromEditors() for node in notes(scene)] == [1, 1]
    remove_note(views[0], "NeuralDiffusion.First")
    assert read_note(views[0], "NeuralDiffusion.First") is None
    assert read_note(views[0], "NeuralDiffusion.Second") == "2"
    remove_note(views[0], "NeuralDiffusion.Second")
    remove_note(views[0], "NeuralDiffusion.Second")
    assert len(notes(scene)) == 1
    assert read_note(views[1], "NeuralDiffusion.First") == "3"


def test_a_note_of_an_earlier_version_is_read_replaced_and_removed(scene, views):
    views[0].SetAttribute("NeuralDiffusion.Foreground", "old")
    assert read_note(views[0], "NeuralDiffusion.Foreground") == "old"
    write_note(views[0], "NeuralDiffusion.Foreground", "new")
    assert read_note(views[0], "NeuralDiffusion.Foreground") == "new"
    remove_note(views[0], "NeuralDiffusion.Foreground")
    assert read_note(views[0], "NeuralDiffusion.Foreground") is None


def test_notes_of_views_that_are_gone_go_with_the_next_one(scene, views):
    other = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Of another module")
    write_note(views[0], "NeuralDiffusion.Foreground", "1")
    scene.RemoveNode(views[0])
    write_note(views[1], "NeuralDiffusion.Foreground", "2")
    assert len(notes(scene)) == 2
    assert notes(scene)[0] is other
    assert read_note(views[1], "NeuralDiffusion.Foreground") == "2"


def test_a_node_of_notes_that_somebody_deletes_is_made_again(scene, views):
    write_note(views[0], "NeuralDiffusion.Foreground", "1")
    scene.RemoveNode(notes(scene)[0])
    assert read_note(views[0], "NeuralDiffusion.Foreground") is None
    write_note(views[0], "NeuralDiffusion.Foreground", "2")
    assert read_note(views[0], "NeuralDiffusion.Foreground") == "2"
