"""After a change of the layout the panel says what the views show that are seen by now."""

from __future__ import annotations

import time

import panel_host
import pytest
import slicer
from panel_scenes import layers, parameters

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")


def composite(name):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def slice_nodes():
    return {node.GetLayoutName(): node for node in slicer.util.getNodesByClass("vtkMRMLSliceNode")}


def show_layout(*names):
    """Do what Slicer does with the slice nodes: all views leave the layout, then those of the new one enter it."""
    for node in slice_nodes().values():
        node.SetMappedInLayout(0)
    for name in names:
        slice_nodes()[name].SetMappedInLayout(1)


def rest(seconds=0.05):
    until = time.monotonic() + seconds
    panel_host.wait_until(lambda: time.monotonic() > until)


@pytest.fixture
def add_view(slicer_app, scene):
    """Make a slice view that is in no layout yet, as a layout does that has it; returns its layers."""
    logics = []

    def add(name):
        logic = slicer.vtkMRMLSliceLogic()
        logics.append(logic)
        logic.SetMRMLApplicationLogic(slicer_app.applicationLogic())
        logic.SetMRMLScene(scene)
        logic.AddSliceNode(name)
        return logic.GetSliceCompositeNode()

    yield add
    for logic in logics:
        logic.SetMRMLScene(None)


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(slicer_app, told):
    from NeuralDiffusionPanel.slice_view_watch import SliceViewWatch

    watch = SliceViewWatch(lambda: told.append("changed"))
    watch.start()
    yield watch
    watch.stop()


class TestPanel:
    def test_the_check_box_says_whether_a_view_of_the_new_layout_shows_the_map(self, done):
        checkBox = done.ui.showConductionCheckBox
        checkBox.click()
        composite("Red").SetForegroundVolumeID(None)
        assert checkBox.checked
        show_layout("Red")
        panel_host.wait_until(lambda: not checkBox.checked)
        assert not parameters(done).showConduction
        show_layout(*VIEWS)
        panel_host.wait_until(lambda: checkBox.checked)
        assert parameters(done).showConduction

    def test_the_next_click_shows_the_map_and_leaves_the_background(self, done, scan):
        checkBox, conduction = done.ui.showConductionCheckBox, parameters(done).conductionVolume
        checkBox.click()
        composite("Red").SetForegroundVolumeID(None)
        show_layout("Red")
        panel_host.wait_until(lambda: not checkBox.checked)
        checkBox.click()
        assert checkBox.checked
        assert layers("Red")[0][:2] == (scan.GetID(), conduction.GetID())

    def test_switched_off_then_every_view_has_the_users_layers_again(self, done, own):
        checkBox = done.ui.showConductionCheckBox
        checkBox.click()
        composite("Red").SetForegroundVolumeID(None)
        show_layout("Red")
        panel_host.wait_until(lambda: not checkBox.checked)
        checkBox.click()
        checkBox.click()
        behind, front = (volume.GetID() for volume in own)
        # The user has taken away what was in front in Red.
        assert [layer[:2] for layer in layers(*VIEWS)] == [(behind, None), (behind, front), (behind, front)]

    def test_before_and_after_and_what_was_removed_follow_it(self, done, own):
        done.ui.beforeAfterButton.click()
        composite("Red").SetBackgroundVolumeID(own[0].GetID())
        assert done.ui.beforeAfterButton.text == "Show before"
        show_layout("Red")
        panel_host.wait_until(lambda: done.ui.beforeAfterButton.text == "Show after")
        show_layout("Green")
        panel_host.wait_until(lambda: done.ui.beforeAfterButton.text == "Show before")
        done.ui.removedButton.click()
        composite("Green").SetBackgroundVolumeID(own[0].GetID())
        assert not done.ui.removedButton.checked
        show_layout(*VIEWS)
        panel_host.wait_until(lambda: done.ui.removedButton.checked)

    def test_a_view_that_the_layout_makes_is_taken_up(self, done, add_view):
        checkBox = done.ui.showConductionCheckBox
        checkBox.click()
        made = add_view("Slice4")
        show_layout("Slice4")
        panel_host.wait_until(lambda: not checkBox.checked)
        made.SetForegroundVolumeID(parameters(done).conductionVolume.GetID())
        assert checkBox.checked
        made.SetForegroundVolumeID(None)
        assert not checkBox.checked


class TestWatch:
    def test_it_tells_of_a_new_layout_once_and_not_in_between(self, watch, told):
        show_layout("Red")
        assert told == []
        rest()
        assert told == ["changed"]

    def test_the_same_views_as_before_are_no_change(self, watch, told):
        show_layout(*VIEWS)
        rest()
        assert told == []

    def test_a_view_that_looks_elsewhere_is_no_change(self, watch, told):
        slice_nodes()["Red"].SetSliceOffset(7)
        rest()
        assert told == []

    def test_from_a_layout_without_slices_to_one_of_a_new_slice_view(self, watch, told, add_view):
        show_layout()
        rest()
        made = add_view("Slice4")
        rest()
        told.clear()
        slice_nodes()["Slice4"].SetMappedInLayout(1)
        rest()
        assert told == ["changed"]
        made.SetForegroundOpacity(0.6)
        assert told == ["changed"] * 2

    def test_stopped_it_tells_of_nothing_any_more(self, watch, told, add_view):
        show_layout("Red")
        watch.stop()
        show_layout("Green")
        composite("Green").SetForegroundOpacity(0.6)
        add_view("Slice4")
        rest()
        assert told == []

    def test_started_again_it_compares_with_the_layout_of_then(self, watch, told):
        watch.stop()
        show_layout("Red")
        watch.start()
        slice_nodes()["Red"].SetSliceOffset(7)
        rest()
        assert told == []
        show_layout(*VIEWS)
        rest()
        assert told == ["changed"]
