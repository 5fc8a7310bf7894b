"""How a conduction map looks in the slice views: its colours, their legend, and what Slicer draws with them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from NeuralDiffusionLib.mrml.maps.overlay import (
    COLOUR_TABLES,
    hide_legend,
    recolour_conduction,
    show_legend,
    style_conduction,
)
from NeuralDiffusionLib.mrml.nodes.provenance import write_provenance
from NeuralDiffusionLib.mrml.views.looks import Looks


@pytest.fixture
def conduction(add_volume):
    ramp = np.tile(np.linspace(0, 1, 24, dtype=np.float32), (3, 20, 1))
    return add_volume(ramp, name="Conduction")


@pytest.mark.parametrize("table", COLOUR_TABLES)
def test_the_colour_table_is_slicers_own(conduction, table):
    style_conduction(conduction, table)
    assert conduction.GetDisplayNode().GetColorNodeID() == f"vtkMRMLColorTableNodeFile{table}.txt"


def test_an_unknown_colour_table_is_refused(conduction):
    with pytest.raises(ValueError, match="'Rainbow' is not known"):
        style_conduction(conduction, "Rainbow")


class TestAnotherTable:
    def test_a_map_takes_it(self, conduction):
        style_conduction(conduction)
        recolour_conduction(conduction, "Magma")
        assert conduction.GetDisplayNode().GetColorNode().GetName() == "Magma"

    @pytest.mark.parametrize("colours", ["vtkMRMLColorTableNodeGrey", "vtkMRMLColorTableNodeRainbow"])
    def test_other_colours_stay_and_so_does_the_window(self, conduction, colours):
        display = conduction.GetDisplayNode()
        display.SetAndObserveColorNodeID(colours)
        display.AutoWindowLevelOff()
        display.SetWindowLevel(9, 4)
        recolour_conduction(conduction, "Magma")
        assert display.GetColorNodeID() == colours
        assert (display.GetWindow(), display.GetLevel()) == (9, 4)

    def test_a_volume_of_the_users_in_such_colours_is_left_alone(self, conduction):
        display = conduction.GetDisplayNode()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileInferno.txt")
        display.AutoWindowLevelOff()
        display.SetWindowLevel(500, 300)
        recolour_conduction(conduction, "Magma")
        assert display.GetColorNode().GetName() == "Inferno"
        assert (display.GetWindow(), display.GetLevel()) == (500, 300)

    def test_a_map_whose_window_the_user_has_set_keeps_it(self, conduction):
        style_conduction(conduction)
        write_provenance(conduction, {"WeightsSHA256": "0123"})
        conduction.GetDisplayNode().SetWindowLevel(0.2, 0.9)
        recolour_conduction(conduction, "Magma")
        display = conduction.GetDisplayNode()
        assert display.GetColorNode().GetName() == "Magma"
        assert (display.GetWindow(), display.GetLevel()) == (0.2, 0.9)

    def test_a_map_in_these_colours_is_not_touched(self, conduction):
        style_conduction(conduction, "Magma")
        changed = conduction.GetDisplayNode().GetMTime()
        recolour_conduction(conduction, "Magma")
        assert conduction.GetDisplayNode().GetMTime() == changed

    def test_a_volume_without_display_gets_none(self, scene):
        bare = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Bare")
        recolour_conduction(bare, "Magma")
        assert bare.GetDisplayNode() is None

    def test_an_unknown_one_is_refused(self, conduction):
        with pytest.raises(ValueError, match="'Rainbow' is not known"):
            recolour_conduction(conduction, "Rainbow")


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
