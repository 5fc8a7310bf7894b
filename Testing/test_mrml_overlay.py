"""The conduction map over the input in the slice views, and the views given back afterwards."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from NeuralDiffusionLib.mrml_looks import Looks
from NeuralDiffusionLib.mrml_overlay import COLOUR_TABLES, hide_legend, show_legend, style_conduction


@pytest.fixture
def views(scene):
    """Two slice views with layers of the user's own: another volume behind, and a third in front of it."""
    own = [scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("Behind", "In front")]
    views = []
    for name, opacity in (("Red", 0.7), ("Yellow", 0.2)):
        view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name)
        view.SetBackgroundVolumeID(own[0].GetID())
        view.SetForegroundVolumeID(own[1].GetID())
        view.SetForegroundOpacity(opacity)
        views.append(view)
    return views


@pytest.fixture
def scan(add_volume):
    return add_volume()


@pytest.fixture
def conduction(add_volume):
    ramp = np.tile(np.linspace(0, 1, 24, dtype=np.float32), (3, 20, 1))
    return add_volume(ramp, name="Conduction")


def layers(views):
    return [(view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity()) for view in views]


def test_the_map_is_shown_over_the_input_in_every_view(views, scan, conduction):
    overlay = Looks()
    overlay.show_overlay(scan, conduction, 0.3)
    assert layers(views) == [(scan.GetID(), conduction.GetID(), 0.3)] * 2


def test_switched_off_every_view_shows_what_it_showed_before(views, scan, conduction):
    before = layers(views)
    overlay = Looks()
    overlay.show_overlay(scan, conduction)
    overlay.hide_overlay()
    assert layers(views) == before


def test_changing_opacity_or_map_does_not_lose_what_was_shown_before(views, scan, conduction, add_volume):
    before = layers(views)
    overlay = Looks()
    overlay.show_overlay(scan, conduction, 0.3)
    overlay.show_overlay(scan, add_volume(name="Another map"), 0.8)
    assert {opacity for _, _, opacity in layers(views)} == {0.8}
    overlay.hide_overlay()
    assert layers(views) == before


def test_a_view_that_was_empty_is_empty_again(scene, scan, conduction):
    view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Green")
    overlay = Looks()
    overlay.show_overlay(scan, conduction)
    overlay.hide_overlay()
    assert layers([view]) == [(None, None, 0.0)]


def test_a_view_opened_meanwhile_is_covered_and_given_back(scene, views, scan, conduction):
    overlay = Looks()
    overlay.show_overlay(scan, conduction)
    opened = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", "Green")
    opened.SetBackgroundVolumeID(scan.GetID())
    overlay.show_overlay(scan, conduction, 0.5)
    assert opened.GetForegroundVolumeID() == conduction.GetID()
    overlay.hide_overlay()
    assert layers([opened]) == [(scan.GetID(), None, 0.0)]


def test_layers_that_the_user_changed_meanwhile_are_left(views, scan, conduction, add_volume):
    overlay = Looks()
    before = layers(views)
    overlay.show_overlay(scan, conduction, 0.3)
    chosen = add_volume(name="Chosen meanwhile")
    views[0].SetBackgroundVolumeID(chosen.GetID())
    views[1].SetForegroundVolumeID(chosen.GetID())
    views[1].SetForegroundOpacity(0.9)
    overlay.hide_overlay()
    assert layers(views) == [(chosen.GetID(), *before[0][1:]), (before[1][0], chosen.GetID(), 0.9)]


def test_a_volume_deleted_meanwhile_does_not_come_back(scene, views, scan, conduction):
    overlay = Looks()
    overlay.show_overlay(scan, conduction)
    scene.RemoveNode(slicer.util.getNode("In front"))
    overlay.hide_overlay()
    assert [foreground for _, foreground, _ in layers(views)] == [None, None]


def test_deleting_the_map_does_not_keep_the_views_from_being_given_back(scene, views, scan, conduction):
    before = layers(views)
    overlay = Looks()
    overlay.show_overlay(scan, conduction)
    scene.RemoveNode(conduction)
    overlay.hide_overlay()
    assert layers(views) == before


def test_a_view_closed_meanwhile_is_no_obstacle(scene, views, scan, conduction):
    before = layers(views[1:])
    overlay = Looks()
    overlay.show_overlay(scan, conduction)
    scene.RemoveNode(views[0])
    overlay.hide_overlay()
    assert layers(views[1:]) == before


def test_forgetting_leaves_the_views_alone(views, scan, conduction):
    overlay = Looks()
    overlay.show_overlay(scan, conduction, 0.3)
    overlay.forget()
    overlay.hide_overlay()
    assert layers(views) == [(scan.GetID(), conduction.GetID(), 0.3)] * 2


def test_it_shares_the_views_with_the_other_looks_of_a_panel(views, scan, conduction, add_volume):
    before = layers(views)
    denoised, looks = add_volume(name="Denoised"), Looks()
    overlay = looks
    looks.toggle(scan, denoised)
    overlay.show_overlay(scan, conduction, 0.3)
    assert layers(views) == [(denoised.GetID(), conduction.GetID(), 0.3)] * 2
    looks.hide_background()
    overlay.hide_overlay()
    assert layers(views) == before


@pytest.mark.parametrize("opacity", [-0.1, 1.5])
def test_an_opacity_out_of_range_is_refused(views, scan, conduction, opacity):
    before = layers(views)
    with pytest.raises(ValueError, match="from 0 to 1"):
        Looks().show_overlay(scan, conduction, opacity)
    assert layers(views) == before


@pytest.mark.parametrize("table", COLOUR_TABLES)
def test_the_colour_table_is_slicers_own(conduction, table):
    style_conduction(conduction, table)
    assert conduction.GetDisplayNode().GetColorNodeID() == f"vtkMRMLColorTableNodeFile{table}.txt"


def test_an_unknown_colour_table_is_refused(conduction):
    with pytest.raises(ValueError, match="'Rainbow' is not known"):
        style_conduction(conduction, "Rainbow")


class TestLegend:
    @pytest.fixture(autouse=True)
    def known_to_the_scene(self, scene):
        """As Slicer's Colors module does."""
        scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())

    def test_it_says_what_the_colours_mean(self, conduction):
        style_conduction(conduction)
        legend = show_legend(conduction)
        assert legend.GetTitleText() == "Conduction\n0 held, 1 smoothed"
        assert legend.GetVisibility()
        assert legend.GetPrimaryDisplayNode() is conduction.GetDisplayNode()
        assert slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(conduction) is legend

    def test_shown_again_it_is_the_same_as_the_user_left_it(self, conduction):
        legend = show_legend(conduction)
        legend.SetTitleText("Mine")
        hide_legend(conduction)
        assert not legend.GetVisibility()
        assert show_legend(conduction) is legend
        assert (legend.GetVisibility(), legend.GetTitleText()) == (1, "Mine")

    def test_hiding_what_is_not_there_changes_nothing(self, conduction, state):
        before = state()
        hide_legend(conduction)
        assert state() == before


def test_slicers_slice_logic_draws_the_map_in_colour_over_the_grey_input(scene, add_volume, conduction):
    """The composited slice, as a slice view shows it: grey where there is no overlay, coloured with it."""
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    slice_logic = slicer.vtkMRMLSliceLogic()
    slice_logic.SetMRMLScene(scene)
    slice_node = slice_logic.AddSliceNode("Red")
    slice_node.SetOrientation("Axial")
    scan = add_volume(np.full((3, 20, 24), 50, np.int16))
    style_conduction(conduction)

    def drawn():
        slice_logic.FitSliceToBackground()
        slice_logic.UpdatePipeline()
        blend = slice_logic.GetBlend()
        blend.Update()
        image = blend.GetOutput()
        colours = vtk_to_numpy(image.GetPointData().GetScalars()).astype(int)
        return colours[colours[:, :3].sum(axis=1) > 0]

    scan.GetDisplayNode().AutoWindowLevelOff()
    scan.GetDisplayNode().SetWindowLevel(100, 50)
    slice_node.SetDimensions(96, 80, 1)
    slice_logic.GetSliceCompositeNode().SetBackgroundVolumeID(scan.GetID())
    assert np.ptp(drawn()[:, :3], axis=1).max() == 0
    Looks().show_overlay(scan, conduction, 0.5)
    red, green, blue = drawn()[:, :3].T
    # Viridis runs from violet (held) to yellow (smoothed).
    assert ((blue > green + 20) & (red > green + 20)).any()
    assert ((red > blue + 50) & (green > blue + 50)).any()
