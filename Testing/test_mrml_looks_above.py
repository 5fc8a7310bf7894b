"""A preview above the looks of slice views, and looks that a scene was saved with."""

from __future__ import annotations

import pytest
import slicer
import slicer_host
from looks_scene import layers

from NeuralDiffusionLib.mrml.views.looks import Looks
from NeuralDiffusionLib.mrml.views.view_notes import read_note

pytest_plugins = ["looks_scene"]


class TestPreview:
    """Above the looks, in one view."""

    @pytest.fixture
    def preview(self, add_volume):
        return add_volume(name="Preview")

    def test_it_is_shown_over_its_input_in_that_view_alone(self, views, before, preview):
        were = layers(views)
        looks = Looks()
        looks.show_preview(views[0], before, preview)
        assert layers(views) == [(before.GetID(), preview.GetID(), 1.0), were[1]]
        looks.hide_preview()
        assert layers(views) == were

    def test_it_moves_from_view_to_view(self, views, before, preview):
        were = layers(views)
        looks = Looks()
        looks.show_preview(views[0], before, preview)
        looks.show_preview(views[1], before, preview)
        assert layers(views) == [were[0], (before.GetID(), preview.GetID(), 1.0)]

    def test_the_looks_beneath_come_back(self, views, before, after, conduction, preview):
        looks = Looks()
        looks.show_background(after)
        looks.show_overlay(before, conduction, 0.3)
        were = layers(views)
        looks.show_preview(views[0], before, preview)
        looks.hide_preview()
        assert layers(views) == were

    @pytest.mark.parametrize("single", [False, True])
    def test_the_next_look_ends_it_and_the_user_gets_everything_back(
        self, scene, views, before, after, conduction, preview, single
    ):
        if single:
            scene.RemoveNode(views.pop())
        were = layers(views)
        looks = Looks()
        looks.show_background(after)
        looks.show_preview(views[0], before, preview)
        assert looks.background is after
        looks.show_overlay(before, conduction, 0.3)
        scene.RemoveNode(preview)
        assert layers(views) == [(after.GetID(), conduction.GetID(), 0.3)] * len(views)
        looks.hide()
        assert layers(views) == were

    def test_a_toggle_sees_through_it(self, scene, views, before, after, preview):
        scene.RemoveNode(views.pop())
        looks = Looks()
        looks.show_background(after)
        looks.show_preview(views[0], before, preview)
        assert not looks.toggle(before, after)
        assert layers(views)[0][0] == before.GetID()

    def test_all_going_it_goes_too(self, views, before, preview):
        were = layers(views)
        looks = Looks()
        looks.show_preview(views[0], before, preview)
        looks.hide()
        assert layers(views) == were

    def test_a_layer_that_the_user_changed_meanwhile_is_left(self, views, beneath, before, preview):
        looks = Looks()
        looks.show_preview(views[0], before, preview)
        views[0].SetBackgroundVolumeID(beneath[1].GetID())
        looks.hide_preview()
        assert layers(views)[0] == (beneath[1].GetID(), beneath[1].GetID(), 0.7)

    def test_deleted_it_leaves_no_hole(self, scene, views, before, preview):
        were = layers(views)
        looks = Looks()
        looks.show_preview(views[0], before, preview)
        scene.RemoveNode(preview)
        looks.hide_preview()
        assert layers(views) == were


class TestResumed:
    """What the views of a loaded scene show for the module, and what they held before."""

    @pytest.fixture
    def loaded(self, scene, views, before, conduction, tmp_path, monkeypatch):
        """Save the scene with the overlay, and return a function that loads it and the views of the loaded scene."""
        looks = Looks()
        looks.show_overlay(before, conduction, 0.6)
        scene.SetURL(str(tmp_path / "scene.mrml"))
        scene.Commit()

        def load(into):
            monkeypatch.setattr(slicer, "mrmlScene", into)
            count = into.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
            into.SetURL(str(tmp_path / "scene.mrml"))
            into.Import()
            kind = "vtkMRMLSliceCompositeNode"
            return [into.GetNthNodeByClass(n, kind) for n in range(count, into.GetNumberOfNodesByClass(kind))]

        return load

    def names(self, views):
        scene = views[0].GetScene()
        return [
            (scene.GetNodeByID(behind).GetName(), scene.GetNodeByID(front).GetName(), opacity)
            for behind, front, opacity in layers(views)
        ]

    def test_nothing_changes_and_switched_off_the_users_layers_come_back(self, loaded):
        views = loaded(slicer_host.new_scene())
        shown, looks = layers(views), Looks()
        looks.resume(views[0].GetScene())
        assert layers(views) == shown
        looks.hide_overlay()
        assert self.names(views) == [("Behind", "In front", 0.7), ("Behind", "In front", 0.2)]

    def test_beside_another_scene_where_identifiers_are_new(self, loaded, beneath):
        other = slicer_host.new_scene()
        taken = [other.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"Taken {index}") for index in range(9)]
        views = loaded(other)
        looks = Looks()
        looks.resume(other)
        looks.hide_overlay()
        assert self.names(views) == [("Behind", "In front", 0.7), ("Behind", "In front", 0.2)]
        assert {beneath[0].GetID(), beneath[1].GetID()} <= {volume.GetID() for volume in taken}

    def test_another_background_leaves_the_overlay_on(self, loaded):
        views = loaded(slicer_host.new_scene())
        scene, looks = views[0].GetScene(), Looks()
        looks.resume(scene)
        looks.show_background(scene.GetFirstNodeByName("In front"))
        assert self.names(views) == [("In front", "Conduction", 0.6)] * 2
        looks.hide()
        assert self.names(views) == [("Behind", "In front", 0.7), ("Behind", "In front", 0.2)]

    def test_a_layer_that_was_replaced_before_it_was_saved_is_left(self, loaded, scene, views, beneath):
        views[0].SetForegroundVolumeID(beneath[0].GetID())
        scene.Commit()
        again = loaded(slicer_host.new_scene())
        looks = Looks()
        looks.resume(again[0].GetScene())
        looks.hide_overlay()
        assert [front for _, front, _ in self.names(again)] == ["Behind", "In front"]

    def test_switched_off_before_it_was_saved_nothing_is_left_of_it(self, scene, views, before, conduction):
        looks = Looks()
        looks.show_overlay(before, conduction, 0.6)
        assert read_note(views[0], "NeuralDiffusion.Foreground")
        count = scene.GetNumberOfNodes()
        looks.hide()
        # A node of notes for each view.
        assert scene.GetNumberOfNodes() == count - len(views)
        for view in views:
            assert read_note(view, "NeuralDiffusion.Foreground") is None
            roles = [view.GetNthNodeReferenceRole(n) for n in range(view.GetNumberOfNodeReferenceRoles())]
            assert not [role for role in roles if role and view.GetNodeReferenceID(role) and "Neural" in role]

    def test_what_a_preview_covers_is_kept_until_it_is_hidden(self, views, before, conduction):
        looks = Looks()
        looks.show_preview(views[0], before, conduction)
        assert read_note(views[0], "NeuralDiffusion.PreviewForeground")
        # It is no look, which would be taken up again.
        assert read_note(views[0], "NeuralDiffusion.Foreground") is None
        looks.hide_preview()
        assert read_note(views[0], "NeuralDiffusion.PreviewForeground") is None
