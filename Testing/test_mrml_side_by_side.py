"""Volumes beside each other in the slice views, on Slicer's own slice logics; and what the user had, given back."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.views.looks import Looks
from NeuralDiffusionLib.mrml.views.side_by_side import SideBySide, views_in_layout
from NeuralDiffusionLib.mrml.views.view_notes import read_note, remove_note

ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal", "Slice4": "Axial"}


@pytest.fixture
def views(scene):
    """Slice logics of four views of different orientation, offset, zoom and size; the fourth in a group of its own."""
    application = slicer.vtkMRMLApplicationLogic()
    application.SetMRMLScene(scene)
    link = slicer.vtkMRMLSliceLinkLogic()
    link.SetMRMLApplicationLogic(application)
    link.SetMRMLScene(scene)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    logics = {}
    for index, (name, orientation) in enumerate(ORIENTATIONS.items()):
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        node = logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        node.SetDimensions(200 + 50 * index, 300, 1)
        node.SetFieldOfView(100.0 + 25 * index, 150, 1)
        node.SetXYZOrigin(3.0 * index, -2, 0)
        node.SetSliceOffset(1.5 + index)
        # As in Slicer's layouts with more than these three.
        node.SetViewGroup(int(name == "Slice4"))
        logics[name] = logic
    yield logics
    for logic in (*logics.values(), link):
        logic.SetMRMLScene(None)


@pytest.fixture
def own(views, add_volume):
    """Two volumes of the user's own, in all views."""
    behind, front = add_volume(name="Behind"), add_volume(name="In front")
    for index, logic in enumerate(views.values()):
        layers = logic.GetSliceCompositeNode()
        layers.SetBackgroundVolumeID(behind.GetID())
        layers.SetForegroundVolumeID(front.GetID())
        layers.SetForegroundOpacity(0.2 + 0.1 * index)
    return behind, front


@pytest.fixture
def scan(add_volume):
    volume = add_volume(name="Scan")
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevel(88, 44)
    return volume


@pytest.fixture
def results(add_volume):
    return [add_volume(name=name) for name in ("Denoised", "Diffusion", "Means")]


def test_what_it_cannot_give_back_of_a_display_stays_as_it_was(views, scan, results):
    shown = results[0].GetDisplayNode()
    shown.SetInterpolate(False)
    shown.SetThreshold(5, 10)
    shown.SetApplyThreshold(True)
    looks = SideBySide()
    looks.show(scan, results)
    assert (shown.GetWindow(), shown.GetLevel(), shown.GetAutoWindowLevel()) == (88, 44, 0)
    looks.hide()
    seen = shown.GetInterpolate(), shown.GetApplyThreshold(), shown.GetLowerThreshold(), shown.GetUpperThreshold()
    assert seen == (0, 1, 5, 10)


def test_switched_off_it_gives_the_volumes_their_window_and_colours_back(scene, views, scan, results):
    denoised, diffusion, means = (volume.GetDisplayNode() for volume in results)
    colours = scene.GetFirstNodeByClass("vtkMRMLColorTableNode").GetID()
    denoised.AutoWindowLevelOff()
    denoised.SetWindowLevel(123, 45)
    denoised.SetAndObserveColorNodeID(colours)
    diffusion.AutoWindowLevelOn()
    looks = SideBySide()
    looks.show(scan, results)
    assert [one.GetWindow() for one in (denoised, diffusion, means)] == [88] * 3
    means.SetWindowLevel(7, 8)
    looks.hide()
    assert (denoised.GetWindow(), denoised.GetLevel(), denoised.GetColorNodeID()) == (123, 45, colours)
    assert diffusion.GetAutoWindowLevel()
    # What the user has set meanwhile stays.
    assert (means.GetWindow(), means.GetLevel()) == (7, 8)


def test_a_scene_of_the_first_version_still_gives_the_layers_back(views, own, scan, results):
    looks = SideBySide()
    looks.show(scan, results)
    for name in ("Red", "Green", "Yellow"):
        layers = views[name].GetSliceCompositeNode()
        values = json.loads(read_note(layers, "NeuralDiffusion.SideBySide"))
        remove_note(layers, "NeuralDiffusion.SideBySide")
        layers.SetAttribute("NeuralDiffusion.SideBySide", json.dumps(values[:5]))
    looks.forget()
    again = SideBySide()
    again.show(scan, results)
    again.hide()
    assert views["Red"].GetSliceCompositeNode().GetBackgroundVolumeID() == own[0].GetID()


def place(logic):
    node = logic.GetSliceNode()
    matrix = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
    return matrix.tolist(), node.GetXYZOrigin(), node.GetFieldOfView(), node.GetOrientation()


def layers(logic):
    node = logic.GetSliceCompositeNode()
    return (
        node.GetBackgroundVolumeID(),
        node.GetForegroundVolumeID(),
        node.GetForegroundOpacity(),
        node.GetLinkedControl(),
    )


def everything(views):
    return {name: (place(logic), layers(logic)) for name, logic in views.items()}


def scroll(logic, offset):
    logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.SliceToRASFlag)
    logic.SetSliceOffset(offset)
    logic.EndSliceNodeInteraction()


def test_each_view_shows_its_volume_at_the_place_of_red(views, own, scan, results):
    red, fourth = place(views["Red"]), everything(views)["Slice4"]
    SideBySide().show(scan, results)
    shown = [layers(views[name])[:2] for name in ("Red", "Green", "Yellow")]
    assert shown == [(volume.GetID(), None) for volume in results]
    for name in ("Green", "Yellow"):
        matrix, origin, _field, orientation = place(views[name])
        assert (matrix, origin, orientation) == (red[0], red[1], "Axial")
    assert place(views["Red"]) == red
    assert everything(views)["Slice4"] == fourth


def test_a_millimetre_is_as_many_pixels_in_each_view_and_as_many_across_as_down(views, own, scan, results):
    SideBySide().show(scan, results)
    for name in ("Red", "Green", "Yellow"):
        node = views[name].GetSliceNode()
        sizes = np.divide(node.GetFieldOfView()[:2], node.GetDimensions()[:2])
        np.testing.assert_allclose(sizes, 0.5)


def test_they_are_shown_as_the_input_is_by_now(views, own, scan, results):
    results[1].GetDisplayNode().SetAutoWindowLevel(True)
    SideBySide().show(scan, results)
    for volume in results:
        display = volume.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (88, 44, 0)


def test_they_scroll_together_and_views_beside_them_do_not(views, own, scan, results):
    fourth = views["Slice4"].GetSliceOffset()
    SideBySide().show(scan, results)
    scroll(views["Green"], 7)
    assert [views[name].GetSliceOffset() for name in ORIENTATIONS] == [7, 7, 7, fourth]


def test_switched_off_everything_is_as_it_was_exactly(views, own, scan, results):
    views["Green"].GetSliceCompositeNode().SetLinkedControl(1)
    before, look = everything(views), SideBySide()
    look.show(scan, results)
    assert look.is_on
    scroll(views["Red"], 5)
    look.hide()
    assert not look.is_on
    assert everything(views) == before


def test_shown_again_with_other_volumes_the_user_still_gets_his_own_back(views, own, scan, results):
    before, look = everything(views), SideBySide()
    look.show(scan, results)
    look.show(scan, [results[0], results[0], results[2]])
    look.hide()
    assert everything(views) == before


def test_a_window_that_was_resized_meanwhile_is_not_stretched(views, own, scan, results):
    look = SideBySide()
    look.show(scan, results)
    views["Yellow"].GetSliceNode().SetDimensions(150, 150, 1)
    look.hide()
    assert views["Yellow"].GetSliceNode().GetFieldOfView() == (75, 75, 1)


def test_a_background_that_another_puts_in_ends_it_and_stays(views, own, scan, results, add_volume):
    told, before = [], everything(views)
    look, other = SideBySide(lambda: told.append("off")), add_volume(name="Other")
    look.show(scan, results)
    views["Green"].GetSliceCompositeNode().SetBackgroundVolumeID(other.GetID())
    assert told == ["off"]
    assert not look.is_on
    green = before["Green"]
    before["Green"] = (green[0], (other.GetID(), *green[1][1:]))
    assert everything(views) == before


def test_a_foreground_that_the_user_adds_stays(views, own, scan, results, add_volume):
    look, other = SideBySide(), add_volume(name="Other")
    look.show(scan, results)
    views["Green"].GetSliceCompositeNode().SetForegroundVolumeID(other.GetID())
    assert look.is_on
    look.hide()
    assert layers(views["Green"])[:2] == (own[0].GetID(), other.GetID())
    assert layers(views["Red"])[:2] == (own[0].GetID(), own[1].GetID())


def test_other_looks_that_are_switched_off_first_get_the_users_layers_back(views, own, scan, results):
    before, looks, look = everything(views), Looks(), SideBySide()
    looks.show_background(scan)
    looks.hide()
    look.show(scan, results)
    look.hide()
    looks.show_background(scan)
    looks.hide()
    assert everything(views) == before


def test_a_volume_that_is_deleted_leaves_no_error(views, own, scan, results, scene):
    before, look = everything(views), SideBySide()
    look.show(scan, results)
    scene.RemoveNode(results[1])
    scene.RemoveNode(own[1])
    look.hide()
    shown = everything(views)
    assert {name: shown[name][0] for name in views} == {name: before[name][0] for name in views}
    assert [layers(views[name])[:2] for name in ("Red", "Green", "Yellow")] == [(own[0].GetID(), None)] * 3


def test_forgetting_leaves_the_views_alone(views, own, scan, results, scene):
    look = SideBySide()
    look.show(scan, results)
    shown = everything(views)
    look.forget()
    look.hide()
    assert everything(views) == shown
    assert not look.is_on


def test_what_is_missing_is_named_and_nothing_changes(views, own, scan, results, scene):
    look = SideBySide()
    scene.RemoveNode(results[2])
    before = everything(views)
    with pytest.raises(InvalidVolumeError, match="'Means' is not in the scene"):
        look.show(scan, results)
    assert everything(views) == before
    assert not look.is_on


def test_without_the_views_the_user_is_told_where_they_are(scene, scan, results):
    with pytest.raises(InvalidVolumeError, match="choose the layout Four-Up"):
        SideBySide().show(scan, results)


def test_it_is_known_whether_the_layout_has_the_views(views, scene):
    assert not views_in_layout(scene)
    for logic in views.values():
        logic.GetSliceNode().SetMappedInLayout(1)
    assert views_in_layout(scene)
