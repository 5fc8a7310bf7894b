"""What the panel shows in the slice views: before and after, what was removed, the conduction map; and the way back."""

from __future__ import annotations

import numpy as np
import panel_host
import pytest
import slicer
from panel_scenes import add_like, layers, legend_of, parameters, volumes, wait_for_the_end

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")


def backgrounds():
    return [background for background, _, _ in layers(*VIEWS)]


def foregrounds():
    return [foreground for _, foreground, _ in layers(*VIEWS)]


def removed_of(scene):
    return scene.GetFirstNodeByName("Scan removed")


class TestBeforeAndAfter:
    def test_one_click_shows_the_one_and_the_next_the_other(self, done, scan):
        button, output = done.ui.beforeAfterButton, parameters(done).outputVolume
        for text, shown in (("Show after", output), ("Show before", scan), ("Show after", output)):
            assert button.text == text
            button.click()
            assert backgrounds() == [shown.GetID()] * 3

    def test_the_layer_in_front_stays(self, done, own):
        done.ui.beforeAfterButton.click()
        assert foregrounds() == [own[1].GetID()] * 3

    def test_window_and_level_are_the_same_on_both_sides(self, done, scan):
        output = parameters(done).outputVolume
        for volume, window in ((scan, 300), (output, 700), (scan, 200)):
            volume.GetDisplayNode().AutoWindowLevelOff()
            volume.GetDisplayNode().SetWindowLevel(window, 450)
            done.ui.beforeAfterButton.click()
            assert {each.GetDisplayNode().GetWindow() for each in (scan, output)} == {window}

    def test_after_a_run_the_first_click_shows_before(self, scan, open_panel):
        widget = open_panel()
        parameters(widget).iterations = 1
        assert not widget.ui.beforeAfterButton.enabled
        widget.ui.applyButton.click()
        wait_for_the_end(widget)
        assert widget.ui.beforeAfterButton.text == "Show before"
        widget.ui.beforeAfterButton.click()
        assert backgrounds() == [scan.GetID()] * 3

    def test_a_run_shows_its_result_and_no_look_of_before_comes_back(self, done, scan):
        done.ui.beforeAfterButton.click()
        done.ui.beforeAfterButton.click()
        assert backgrounds() == [scan.GetID()] * 3
        parameters(done).iterations = 1
        done.ui.applyButton.click()
        wait_for_the_end(done)
        output = parameters(done).outputVolume
        assert backgrounds() == [output.GetID()] * 3
        parameters(done).conductionOpacity = 0.9
        assert backgrounds() == [output.GetID()] * 3

    def test_the_button_follows_what_the_user_puts_into_the_views(self, done, scan):
        output = parameters(done).outputVolume
        slicer.util.setSliceViewerLayers(background=output)
        assert done.ui.beforeAfterButton.text == "Show before"
        slicer.util.setSliceViewerLayers(background=scan)
        assert done.ui.beforeAfterButton.text == "Show after"

    def test_disabled_it_says_why(self, done, add_scan, scene):
        button, enabled = done.ui.beforeAfterButton, done.ui.beforeAfterButton.toolTip
        other = add_scan("Other")
        other.SetOrigin(50, 0, 0)
        output = parameters(done).outputVolume
        empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        for volume, reason in (
            (None, "There is no denoised volume yet: press Apply."),
            (empty, "There is no denoised volume yet: press Apply."),
            (other, "'Other' does not lie voxel on voxel over 'Scan': choose the result of that volume."),
            (parameters(done).inputVolume, "'Scan' is both input and output"),
        ):
            parameters(done).outputVolume = volume
            for each in (button, done.ui.removedButton):
                assert not each.enabled
                assert reason in each.toolTip
        parameters(done).outputVolume = output
        assert button.enabled
        assert button.toolTip == enabled

    def test_without_an_input_it_says_so(self, open_panel):
        assert "input" in open_panel().ui.beforeAfterButton.toolTip


class TestRemoved:
    def test_input_minus_output_is_shown_and_switched_off_the_layers_come_back(self, done, scene):
        before = layers(*VIEWS)
        done.ui.removedButton.click()
        removed = removed_of(scene)
        assert done.ui.removedButton.checked
        assert backgrounds() == [removed.GetID()] * 3
        assert (slicer.util.arrayFromVolume(removed) == 7).all()
        done.ui.removedButton.click()
        assert not done.ui.removedButton.checked
        assert layers(*VIEWS) == before

    def test_there_is_one_volume_of_it_made_anew_only_when_input_or_output_changed(self, done, scan, scene):
        def show():
            done.ui.removedButton.click()
            image = removed_of(scene).GetImageData()
            done.ui.removedButton.click()
            return image

        first = show()
        count = len(volumes(scene))
        assert show() is first
        for volume, difference in ((parameters(done).outputVolume, 9), (scan, 10)):
            slicer.util.arrayFromVolume(volume)[:] += 1 if volume is scan else -2
            slicer.util.arrayFromVolumeModified(volume)
            assert show() is not first
            assert (slicer.util.arrayFromVolume(removed_of(scene)) == difference).all()
        assert len(volumes(scene)) == count

    def test_the_conduction_map_stays_over_it(self, done, scene):
        done.ui.showConductionCheckBox.click()
        done.ui.removedButton.click()
        conduction = parameters(done).conductionVolume.GetID()
        assert layers(*VIEWS) == [(removed_of(scene).GetID(), conduction, 0.4)] * 3
        done.ui.removedButton.click()
        assert layers(*VIEWS) == [(parameters(done).inputVolume.GetID(), conduction, 0.4)] * 3

    def test_before_and_after_come_back_from_under_it(self, done, scan):
        for _ in range(2):
            done.ui.beforeAfterButton.click()
        done.ui.removedButton.click()
        done.ui.removedButton.click()
        assert backgrounds() == [scan.GetID()] * 3

    @pytest.mark.parametrize("clicks", [0, 1, 2])
    def test_from_it_the_other_button_shows_what_it_says(self, done, clicks):
        for _ in range(clicks):
            done.ui.beforeAfterButton.click()
        done.ui.removedButton.click()
        assert done.ui.beforeAfterButton.text == "Show after"
        done.ui.beforeAfterButton.click()
        assert backgrounds() == [parameters(done).outputVolume.GetID()] * 3
        assert not done.ui.removedButton.checked

    def test_it_goes_with_the_pair_that_it_was_made_of(self, done, add_scan):
        before = layers(*VIEWS)
        done.ui.removedButton.click()
        parameters(done).inputVolume = add_scan("Next")
        assert not done.ui.removedButton.checked
        assert layers(*VIEWS) == before

    @pytest.mark.parametrize("clicks", [0, 2])
    def test_a_volume_of_the_users_own_in_its_place_is_left(self, done, own, clicks):
        for _ in range(clicks):
            done.ui.beforeAfterButton.click()
        done.ui.removedButton.click()
        slicer.util.setSliceViewerLayers(background=own[1])
        assert not done.ui.removedButton.checked
        parameters(done).outputVolume = None
        assert backgrounds() == [own[1].GetID()] * 3

    def test_deleted_it_is_made_again(self, done, scene):
        done.ui.removedButton.click()
        scene.RemoveNode(removed_of(scene))
        assert not done.ui.removedButton.checked
        done.ui.removedButton.click()
        assert backgrounds() == [removed_of(scene).GetID()] * 3


class TestOverlay:
    @pytest.fixture
    def shown(self, done):
        done.ui.showConductionCheckBox.click()
        return done

    def test_disabled_it_says_what_is_missing(self, done):
        checkBox, tip = done.ui.showConductionCheckBox, done.ui.showConductionCheckBox.toolTip
        parameters(done).conductionVolume = None
        assert not checkBox.enabled
        assert "There is no conduction map yet" in checkBox.toolTip
        assert tip != checkBox.toolTip

    def test_the_table_is_that_of_the_panel_at_once_and_when_it_changes(self, done, shown):
        display = parameters(done).conductionVolume.GetDisplayNode()
        assert display.GetColorNode().GetName() == "Viridis"
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 1)
        done.ui.colourTableComboBox.setCurrentText("Magma")
        assert display.GetColorNode().GetName() == "Magma"

    def test_a_new_map_of_a_run_takes_the_chosen_table(self, scan, open_panel):
        widget = open_panel()
        parameters(widget).iterations, parameters(widget).colourTable = 1, "Inferno"
        widget.ui.conductionSelector.addNode()
        widget.ui.applyButton.click()
        wait_for_the_end(widget)
        assert parameters(widget).conductionVolume.GetDisplayNode().GetColorNode().GetName() == "Inferno"

    def test_a_volume_that_is_only_chosen_to_be_overwritten_keeps_its_colours(self, done, add_scan):
        other = add_scan("Other")
        other.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        parameters(done).conductionVolume = other
        parameters(done).colourTable = "Magma"
        assert other.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeGrey"

    def test_the_legend_is_there_while_overlay_and_legend_are_switched_on(self, shown):
        legend = legend_of(shown)
        assert legend.GetVisibility()
        shown.ui.showLegendCheckBox.click()
        assert not legend.GetVisibility()
        shown.ui.showLegendCheckBox.click()
        assert legend.GetVisibility()
        shown.ui.showConductionCheckBox.click()
        assert not legend.GetVisibility()

    def test_no_legend_is_added_when_none_is_wanted(self, done):
        parameters(done).showLegend = False
        done.ui.showConductionCheckBox.click()
        assert legend_of(done) is None

    def test_another_map_takes_its_place_with_a_legend_of_its_own(self, shown, scan):
        first = legend_of(shown)
        other = add_like("Other map", np.zeros((6, 40, 48), np.float32), scan)
        parameters(shown).conductionVolume = other
        assert foregrounds() == [other.GetID()] * 3
        assert other.GetDisplayNode().GetColorNode().GetName() == "Viridis"
        assert not first.GetVisibility()
        assert legend_of(shown).GetVisibility()

    def test_no_map_any_more_gives_the_layers_back(self, done):
        before = layers(*VIEWS)
        done.ui.showConductionCheckBox.click()
        parameters(done).conductionVolume = None
        assert not done.ui.showConductionCheckBox.checked
        assert layers(*VIEWS) == before

    def test_it_is_not_shown_over_a_volume_that_lies_elsewhere(self, done, add_scan):
        before = layers(*VIEWS)
        done.ui.showConductionCheckBox.click()
        other = add_scan("Other")
        other.SetOrigin(50, 0, 0)
        parameters(done).inputVolume = other
        assert not done.ui.showConductionCheckBox.checked
        assert not done.ui.showConductionCheckBox.enabled
        assert "'Conduction' does not lie voxel on voxel over 'Other'" in done.ui.showConductionCheckBox.toolTip
        assert layers(*VIEWS) == before

    def test_other_settings_do_not_take_back_what_the_user_put_into_a_view(self, shown, own):
        red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
        red.SetBackgroundVolumeID(own[1].GetID())
        parameters(shown).iterations = 3
        assert red.GetBackgroundVolumeID() == own[1].GetID()


class TestLeaving:
    def test_what_is_shown_stays_and_the_panel_still_says_so(self, done, open_panel, scene):
        before = layers(*VIEWS)
        done.ui.showConductionCheckBox.click()
        done.ui.removedButton.click()
        shown = layers(*VIEWS)
        panel_host.leave_module()
        assert layers(*VIEWS) == shown
        open_panel()
        assert layers(*VIEWS) == shown
        assert done.ui.showConductionCheckBox.checked
        assert done.ui.removedButton.checked
        done.ui.removedButton.click()
        done.ui.showConductionCheckBox.click()
        assert layers(*VIEWS) == before

    def test_what_the_user_replaced_meanwhile_is_not_shown_again(self, done, open_panel, own):
        done.ui.showConductionCheckBox.click()
        panel_host.leave_module()
        slicer.util.setSliceViewerLayers(background=own[0], foreground=own[1])
        wanted = layers(*VIEWS)
        open_panel()
        assert not done.ui.showConductionCheckBox.checked
        done.ui.conductionOpacitySliderWidget.value = 0.9
        done.ui.beforeAfterButton.click()
        assert [foreground for _, foreground, _ in wanted] == foregrounds()

    def test_a_map_deleted_meanwhile_gives_the_layers_back_on_the_way_in(self, done, open_panel, scene):
        before = layers(*VIEWS)
        done.ui.showConductionCheckBox.click()
        conduction = parameters(done).conductionVolume
        panel_host.leave_module()
        scene.RemoveNode(conduction)
        open_panel()
        assert not done.ui.showConductionCheckBox.checked
        assert layers(*VIEWS) == before

    def test_when_slicer_ends_after_the_module_was_left_all_of_it_goes(self, done):
        before = layers(*VIEWS)
        done.ui.showConductionCheckBox.click()
        done.ui.removedButton.click()
        legend = legend_of(done)
        panel_host.leave_module()
        assert legend.GetVisibility()
        panel_host.close()
        assert layers(*VIEWS) == before
        assert not legend.GetVisibility()

    def test_closing_the_scene_leaves_nothing_on(self, done, scene):
        done.ui.showConductionCheckBox.click()
        done.ui.removedButton.click()
        scene.Clear(0)
        assert not done.ui.showConductionCheckBox.checked
        assert not done.ui.removedButton.checked
        assert layers(*VIEWS) == [(None, None, 0.0)] * 3


def test_an_input_that_is_moved_in_space_has_no_after_any_more(done, scan):
    assert done.ui.removedButton.enabled
    scan.SetOrigin(50, 0, 0)
    assert not done.ui.removedButton.enabled
    assert "does not lie voxel on voxel" in done.ui.removedButton.toolTip
    scan.SetOrigin(0, 0, 0)
    assert done.ui.removedButton.enabled


def test_an_input_that_is_put_under_a_transform_has_no_after_any_more(done, scan, scene):
    done.ui.removedButton.click()
    scan.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLLinearTransformNode").GetID())
    assert not done.ui.removedButton.enabled
    assert not done.ui.removedButton.checked
    assert "are under different transforms" in done.ui.removedButton.toolTip


def test_only_views_in_the_layout_count_as_shown(done, own):
    slices = slicer.app.layoutManager()
    for name in ("Green", "Yellow"):
        slices.sliceWidget(name).mrmlSliceNode().SetMappedInLayout(0)
    done.ui.showConductionCheckBox.click()
    done.ui.beforeAfterButton.click()
    red = slices.sliceWidget("Red").mrmlSliceCompositeNode()
    red.SetForegroundVolumeID(None)
    red.SetBackgroundVolumeID(own[0].GetID())
    assert not done.ui.showConductionCheckBox.checked
    assert done.ui.beforeAfterButton.text == "Show after"
    done.ui.beforeAfterButton.click()
    # After, and without the overlay that was taken away.
    assert layers("Red")[0][:2] == (parameters(done).outputVolume.GetID(), None)
