"""Looks in the slice views: before and after, what was removed, an overlay; and what the user had, given back."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import slicer_host
from looks_scene import backgrounds, layers

from NeuralDiffusionLib.mrml.views.looks import Looks

pytest_plugins = ["looks_scene"]


class TestBackground:
    def test_it_is_shown_in_every_view_under_what_lies_in_front(self, views, beneath, before):
        Looks().show_background(before)
        assert layers(views) == [(before.GetID(), beneath[1].GetID(), 0.7), (before.GetID(), beneath[1].GetID(), 0.2)]

    def test_switched_off_every_view_shows_what_it_showed_before(self, views, before, after):
        were = layers(views)
        looks = Looks()
        for volume in (before, after, before):
            looks.show_background(volume)
        looks.hide_background()
        assert layers(views) == were

    def test_what_the_user_chose_meanwhile_is_left_in_that_view_alone(self, views, beneath, before):
        looks = Looks()
        looks.show_background(before)
        views[0].SetBackgroundVolumeID(beneath[1].GetID())
        looks.hide_background()
        assert backgrounds(views) == [beneath[1].GetID(), beneath[0].GetID()]

    def test_what_the_user_chose_between_two_looks_comes_back_after_the_second(self, views, beneath, before, after):
        looks = Looks()
        looks.show_background(before)
        views[0].SetBackgroundVolumeID(beneath[1].GetID())
        looks.show_background(after)
        assert backgrounds(views) == [after.GetID()] * 2
        looks.hide_background()
        assert backgrounds(views) == [beneath[1].GetID(), beneath[0].GetID()]

    def test_a_view_that_the_user_emptied_stays_empty(self, views, beneath, before):
        looks = Looks()
        looks.show_background(before)
        views[0].SetBackgroundVolumeID(None)
        looks.hide_background()
        assert backgrounds(views) == [None, beneath[0].GetID()]

    def test_a_deleted_volume_is_neither_shown_again_nor_in_the_way(self, scene, views, before, after, conduction):
        were = layers(views)
        looks = Looks()
        looks.show_background(after)
        scene.RemoveNode(after)
        looks.show_overlay(before, conduction, 0.5)
        assert backgrounds(views) == [before.GetID()] * 2
        looks.hide()
        assert layers(views) == were


class TestToggle:
    def test_each_call_shows_the_other_volume(self, views, before, after):
        looks = Looks()
        shown = []
        for _ in range(3):
            shown.append((looks.toggle(before, after), *backgrounds(views)))
        ids = {True: after.GetID(), False: before.GetID()}
        assert shown == [(is_after, ids[is_after], ids[is_after]) for is_after in (True, False, True)]

    def test_it_ends_in_what_the_user_had(self, views, before, after):
        were = layers(views)
        looks = Looks()
        looks.toggle(before, after)
        looks.toggle(before, after)
        looks.hide_background()
        assert layers(views) == were

    def test_the_window_of_the_scan_holds_for_the_result(self, views, before, after):
        before.GetDisplayNode().AutoWindowLevelOff()
        before.GetDisplayNode().SetWindowLevel(90, 55)
        Looks().toggle(before, after)
        display = after.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (90, 55, 0)

    def test_what_the_user_sets_while_one_is_shown_holds_for_the_other(self, views, before, after):
        looks = Looks()
        looks.toggle(before, after)
        after.GetDisplayNode().AutoWindowLevelOff()
        after.GetDisplayNode().SetWindowLevel(33, 44)
        looks.toggle(before, after)
        assert (before.GetDisplayNode().GetWindow(), before.GetDisplayNode().GetLevel()) == (33, 44)

    def test_a_window_that_is_the_same_is_not_touched(self, views, before, after):
        looks = Looks()
        looks.toggle(before, after)
        changed = before.GetDisplayNode().GetMTime()
        looks.toggle(before, after)
        assert before.GetDisplayNode().GetMTime() == changed
        assert before.GetDisplayNode().GetAutoWindowLevel()

    def test_after_a_result_that_somebody_else_has_shown_the_first_call_shows_before(self, views, before, after):
        for view in views:
            view.SetBackgroundVolumeID(after.GetID())
        looks = Looks()
        assert not looks.toggle(before, after)
        assert backgrounds(views) == [before.GetID()] * 2
        looks.hide_background()
        assert backgrounds(views) == [after.GetID()] * 2

    def test_it_works_for_volumes_without_display(self, scene, views, before):
        bare = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Bare")
        slicer.util.updateVolumeFromArray(bare, np.ones((3, 20, 24), np.int16))
        assert Looks().toggle(before, bare)
        assert bare.GetDisplayNode().GetWindow() == before.GetDisplayNode().GetWindow()


class TestOverlay:
    def test_it_is_shown_over_the_input_in_every_view(self, views, before, conduction):
        Looks().show_overlay(before, conduction, 0.3)
        assert layers(views) == [(before.GetID(), conduction.GetID(), 0.3)] * 2

    def test_switched_off_after_changes_every_view_shows_what_it_showed_before(
        self, views, before, conduction, add_volume
    ):
        were = layers(views)
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        looks.show_overlay(before, add_volume(name="Another map"), 0.8)
        assert {opacity for _, _, opacity in layers(views)} == {0.8}
        looks.hide_overlay()
        assert layers(views) == were

    def test_a_view_that_was_empty_is_empty_again(self, scene, before, conduction):
        view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Green")
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        looks.hide_overlay()
        assert layers([view]) == [(None, None, 0.0)]

    def test_a_view_opened_meanwhile_is_covered_and_given_back(self, scene, views, before, conduction):
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        opened = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Green")
        opened.SetBackgroundVolumeID(before.GetID())
        looks.show_overlay(before, conduction, 0.5)
        assert opened.GetForegroundVolumeID() == conduction.GetID()
        looks.hide_overlay()
        assert layers([opened]) == [(before.GetID(), None, 0.0)]

    def test_a_view_closed_meanwhile_is_no_obstacle(self, scene, views, before, conduction):
        were = layers(views[1:])
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        scene.RemoveNode(views[0])
        looks.hide_overlay()
        assert layers(views[1:]) == were

    def test_each_layer_that_the_user_changed_meanwhile_is_left(self, views, beneath, before, conduction, add_volume):
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        chosen = add_volume(name="Chosen meanwhile")
        views[0].SetBackgroundVolumeID(chosen.GetID())
        views[1].SetForegroundVolumeID(chosen.GetID())
        views[1].SetForegroundOpacity(0.9)
        looks.hide_overlay()
        assert layers(views) == [(chosen.GetID(), beneath[1].GetID(), 0.7), (beneath[0].GetID(), chosen.GetID(), 0.9)]

    def test_a_volume_of_the_user_deleted_meanwhile_does_not_come_back(self, scene, views, beneath, before, conduction):
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        scene.RemoveNode(beneath[1])
        looks.hide_overlay()
        assert [foreground for _, foreground, _ in layers(views)] == [None, None]

    def test_deleting_the_map_does_not_keep_the_views_from_being_given_back(self, scene, views, before, conduction):
        were = layers(views)
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        scene.RemoveNode(conduction)
        looks.hide_overlay()
        assert layers(views) == were


class TestOverlayTogetherWithBackground:
    @pytest.mark.parametrize("background_first", [True, False])
    def test_the_chosen_background_stays_under_the_overlay(self, views, before, after, conduction, background_first):
        looks = Looks()
        steps = [lambda: looks.show_background(after), lambda: looks.show_overlay(before, conduction, 0.3)]
        for step in steps if background_first else reversed(steps):
            step()
        assert layers(views) == [(after.GetID(), conduction.GetID(), 0.3)] * 2

    def test_switching_the_background_off_leaves_the_overlay_over_its_input(self, views, before, after, conduction):
        looks = Looks()
        looks.show_background(after)
        looks.show_overlay(before, conduction, 0.3)
        looks.hide_background()
        assert layers(views) == [(before.GetID(), conduction.GetID(), 0.3)] * 2

    def test_switching_the_overlay_off_leaves_the_background(self, views, beneath, before, after, conduction):
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        looks.show_background(after)
        looks.hide_overlay()
        assert layers(views) == [(after.GetID(), beneath[1].GetID(), 0.7), (after.GetID(), beneath[1].GetID(), 0.2)]

    @pytest.mark.parametrize("order", [("hide_background", "hide_overlay"), ("hide_overlay", "hide_background")])
    def test_in_whatever_order_they_go_the_user_gets_everything_back(self, views, before, after, conduction, order):
        were = layers(views)
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        looks.toggle(before, after)
        for name in order:
            getattr(looks, name)()
        assert layers(views) == were

    def test_all_go_at_once(self, views, before, after, conduction):
        were = layers(views)
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        looks.toggle(before, after)
        looks.hide()
        assert layers(views) == were


class TestReplaced:
    """A look that the user has replaced in every view is over."""

    def test_the_background_does_not_come_back_with_an_overlay(self, views, beneath, before, after, conduction):
        looks = Looks()
        looks.show_background(after)
        for view in views:
            view.SetBackgroundVolumeID(beneath[1].GetID())
        looks.show_overlay(before, conduction, 0.3)
        assert backgrounds(views) == [before.GetID()] * 2
        looks.hide_overlay()
        assert backgrounds(views) == [beneath[1].GetID()] * 2

    def test_the_overlay_does_not_come_back_with_a_background(self, views, beneath, before, after, conduction):
        looks = Looks()
        looks.show_overlay(before, conduction, 0.3)
        for view in views:
            view.SetForegroundVolumeID(beneath[0].GetID())
        looks.show_background(after)
        assert [foreground for _, foreground, _ in layers(views)] == [beneath[0].GetID()] * 2

    def test_in_one_view_only_it_is_not(self, views, beneath, after):
        looks = Looks()
        looks.show_background(after)
        views[0].SetBackgroundVolumeID(beneath[1].GetID())
        assert looks.background is after
        views[1].SetBackgroundVolumeID(beneath[1].GetID())
        assert looks.background is None


def test_it_tells_what_the_views_show_whoever_put_it_there(views, beneath, before):
    looks = Looks()
    assert looks.in_background(beneath[0])
    assert looks.in_foreground(beneath[1])
    assert not looks.in_background(beneath[1])
    assert not looks.in_foreground(beneath[0])
    assert looks.background is None
    looks.show_background(before)
    assert looks.in_background(before)
    assert not looks.in_background(beneath[0])


def test_a_map_that_was_in_front_before_goes_when_it_is_switched_off(views, beneath, before, conduction):
    views[0].SetForegroundVolumeID(conduction.GetID())
    looks = Looks()
    looks.hide_overlay(conduction)
    assert [foreground for _, foreground, _ in layers(views)] == [None, beneath[1].GetID()]
    views[0].SetForegroundVolumeID(conduction.GetID())
    looks.show_overlay(before, conduction, 0.3)
    looks.hide_overlay(conduction)
    assert [foreground for _, foreground, _ in layers(views)] == [None, beneath[1].GetID()]


def test_switching_off_what_is_off_changes_nothing(views):
    were = [view.GetMTime() for view in views]
    looks = Looks()
    looks.hide_background()
    looks.hide_overlay()
    looks.hide()
    assert [view.GetMTime() for view in views] == were


def test_forgetting_leaves_the_views_alone(views, before, after, conduction):
    looks = Looks()
    looks.show_background(after)
    looks.show_overlay(before, conduction, 0.3)
    looks.forget()
    looks.hide()
    assert layers(views) == [(after.GetID(), conduction.GetID(), 0.3)] * 2


def test_views_of_another_scene_get_their_own_back_when_the_scene_changes(views, before):
    were = layers(views)
    looks = Looks()
    looks.show_background(before)
    other_scene = slicer_host.new_scene()
    other_view = other_scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Red")
    other_volume = other_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Other")
    looks.show_background(other_volume)
    assert layers(views) == were
    assert backgrounds([other_view]) == [other_volume.GetID()]
    looks.hide()
    assert backgrounds([other_view]) == [None]


@pytest.mark.parametrize("opacity", [-0.1, 1.5, float("nan")])
def test_an_opacity_out_of_range_is_refused(views, before, conduction, opacity):
    were = layers(views)
    with pytest.raises(ValueError, match="from 0 to 1"):
        Looks().show_overlay(before, conduction, opacity)
    assert layers(views) == were
