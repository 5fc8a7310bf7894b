"""More maps on request in the panel: of each direction, of each step, and of the uncertainty."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import panel_host
import pytest
import slicer
from panel_host.pythonqt import unwrap
from panel_scenes import layers, parameters, volumes

from NeuralDiffusionLib import Denoiser
from NeuralDiffusionLib.engine.slice_planes import for_scan
from NeuralDiffusionLib.engine.uncertainty import sample_uncertainty
from NeuralDiffusionLib.engine.weights import load_weights, save_weights
from NeuralDiffusionLib.network.neural_diffusion import Architecture, NeuralDiffusionNetwork

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

VIEWS = ("Red", "Green", "Yellow")
NAMES = [f"Scan conduction {name}" for name in ("right", "down", "down right", "down left")]
BUTTONS = ("directionsButton", "traceButton", "uncertaintyButton")


@pytest.fixture
def panel(scan, open_panel):
    """The panel with a volume, set to a short run."""
    widget = open_panel()
    parameters(widget).iterations = 8
    return widget


@pytest.fixture(scope="module")
def dropout_weights(tmp_path_factory):
    """The bundled weights in a network with dropout."""
    bundled = load_weights().network
    network = NeuralDiffusionNetwork(Architecture(bundled.architecture.reach, dropout=0.2))
    network.load_state_dict(bundled.state_dict())
    path = tmp_path_factory.mktemp("weights") / "dropout.pt"
    save_weights(path, network, {})
    return path


@pytest.fixture
def uncertain(panel, dropout_weights):
    """The panel once weights with dropout are loaded."""
    panel.logic._denoisers["auto"] = Denoiser("cpu", dropout_weights)
    # Little work: it is done seventeen times.
    parameters(panel).iterations, parameters(panel).refine = 1, False
    return panel


def wait_for_the_end(widget):
    """As in `panel_scenes`, with the patience that seventeen runs take on a busy machine."""
    panel_host.wait_until(lambda: widget.ui.applyButton.text == "Apply", 60)


def browser_of(scene):
    return scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")


def colours(scene, names):
    return [scene.GetFirstNodeByName(name).GetDisplayNode().GetColorNode().GetName() for name in names]


class TestDirections:
    def test_one_volume_for_each_is_added_and_the_views_stay(self, panel, scene):
        before = layers(*VIEWS)
        panel.ui.directionsButton.click()
        assert panel.ui.applyButton.text == "Cancel"
        wait_for_the_end(panel)
        assert volumes(scene) == ["Scan", *NAMES]
        assert layers(*VIEWS) == before
        assert "4 maps named 'Scan conduction ...'" in panel.ui.statusLabel.text
        assert "Data module" in panel.ui.statusLabel.text

    def test_the_neighbourhood_of_four_has_two(self, panel, scene):
        parameters(panel).neighbours = 4
        panel.ui.directionsButton.click()
        wait_for_the_end(panel)
        assert volumes(scene) == ["Scan", *NAMES[:2]]

    def test_they_have_the_chosen_colours_and_follow_them(self, panel, scene):
        parameters(panel).colourTable = "Inferno"
        panel.ui.directionsButton.click()
        wait_for_the_end(panel)
        assert colours(scene, NAMES) == ["Inferno"] * 4
        parameters(panel).colourTable = "Magma"
        assert colours(scene, NAMES) == ["Magma"] * 4

    def test_one_that_the_user_shows_in_other_colours_keeps_them(self, panel, scene):
        panel.ui.directionsButton.click()
        wait_for_the_end(panel)
        display = scene.GetFirstNodeByName(NAMES[0]).GetDisplayNode()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        parameters(panel).colourTable = "Magma"
        assert display.GetColorNodeID() == "vtkMRMLColorTableNodeGrey"
        assert colours(scene, NAMES[1:]) == ["Magma"] * 3


class TestTrace:
    def test_the_shown_slice_becomes_a_sequence_to_scrub_through(self, panel, scan, scene):
        before = layers(*VIEWS)
        slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().SetSliceOffset(4)
        panel.ui.traceButton.click()
        wait_for_the_end(panel)
        browser = browser_of(scene)
        sequence = browser.GetMasterSequenceNode()
        count = sequence.GetNumberOfDataNodes()
        assert [sequence.GetNthIndexValue(item) for item in range(count)] == ["0", "4", "8"]
        first = slicer.util.arrayFromVolume(sequence.GetNthDataNode(0))
        np.testing.assert_array_equal(first, slicer.util.arrayFromVolume(scan)[4:5])
        assert volumes(scene) == ["Scan", "Scan diffusion trace"]
        assert layers(*VIEWS) == before

    def test_the_line_says_where_to_find_it_and_the_toolbar_has_it(self, panel, scene):
        slicer.app.layoutManager().sliceWidget("Red").mrmlSliceNode().SetSliceOffset(4)
        panel.ui.traceButton.click()
        wait_for_the_end(panel)
        assert "'Scan diffusion trace', slice 5 of 6" in panel.ui.statusLabel.text
        assert "Sequences toolbar" in panel.ui.statusLabel.text
        assert slicer.modules.sequences.toolBarVisible
        assert unwrap(slicer.modules.sequences).activeBrowser() is browser_of(scene)


class TestUncertainty:
    def test_without_dropout_there_is_no_button(self, panel):
        assert panel.ui.uncertaintyButton.isHidden()
        panel.ui.traceButton.click()
        wait_for_the_end(panel)
        assert panel.ui.uncertaintyButton.isHidden()

    def test_with_dropout_the_map_is_added_in_the_units_of_the_input(self, uncertain, scene):
        before = layers(*VIEWS)
        assert not uncertain.ui.uncertaintyButton.isHidden()
        uncertain.ui.uncertaintyButton.click()
        wait_for_the_end(uncertain)
        assert volumes(scene) == ["Scan", "Scan uncertainty"]
        deviation = slicer.util.arrayFromVolume(scene.GetFirstNodeByName("Scan uncertainty"))
        assert 0.1 < deviation.max() < 800
        assert "'Scan uncertainty'" in uncertain.ui.statusLabel.text
        assert layers(*VIEWS) == before

    @pytest.mark.parametrize("across", [True, False])
    def test_it_is_that_of_what_apply_gives(self, uncertain, scan, scene, across):
        parameters(uncertain).acrossSlices = across
        scan.SetSpacing(1.0, 1.0, 1.0)
        uncertain.ui.uncertaintyButton.click()
        wait_for_the_end(uncertain)
        settings = for_scan(parameters(uncertain).settings(), (1.0, 1.0, 1.0), slicer.util.arrayFromVolume(scan).shape)
        assert settings.across_slices is across
        sampled = sample_uncertainty(
            uncertain.logic._denoisers["auto"], slicer.util.arrayFromVolume(scan), settings, conduction=False
        )
        found = slicer.util.arrayFromVolume(scene.GetFirstNodeByName("Scan uncertainty"))
        np.testing.assert_array_equal(found, sampled.deviation)


@pytest.mark.parametrize("button", BUTTONS)
class TestEachOfThem:
    def test_a_volume_that_does_not_fit_disables_it_and_says_why(self, uncertain, scan, button, scene):
        control = getattr(uncertain.ui, button)
        tip = control.toolTip
        uncertain.ui.inputSelector.setCurrentNode(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))
        assert not control.enabled
        assert "'Empty' has no image data" in control.toolTip
        uncertain.ui.inputSelector.setCurrentNode(scan)
        assert control.enabled
        assert control.toolTip == tip

    def test_nothing_else_can_be_started_while_it_runs(self, uncertain, button):
        getattr(uncertain.ui, button).click()
        for other in BUTTONS:
            assert not getattr(uncertain.ui, other).enabled
            assert "Wait until" in getattr(uncertain.ui, other).toolTip
        wait_for_the_end(uncertain)
        assert all(getattr(uncertain.ui, other).enabled for other in BUTTONS)

    def test_cancelled_it_leaves_the_scene_as_it_was(self, uncertain, button, state):
        before, gate = state(), threading.Event()
        # What is before it in the queue keeps it from being done already.
        uncertain.logic.startWork(lambda report, cancelled: gate.wait())
        getattr(uncertain.ui, button).click()
        uncertain.ui.applyButton.click()
        gate.set()
        wait_for_the_end(uncertain)
        assert uncertain.ui.statusLabel.text == "Cancelled: nothing was changed."
        assert state() == before

    def test_a_failure_is_shown_and_leaves_nothing_behind(self, uncertain, scene, scan, button):
        getattr(uncertain.ui, button).click()
        scene.RemoveNode(scan)
        panel_host.wait_until(lambda: panel_host.popups.shown, 60)
        assert "'Scan' is not in the scene" in panel_host.popups.shown[0].text
        assert "could not be computed." in panel_host.popups.shown[0].text
        assert volumes(scene) == []
        assert browser_of(scene) is None
        panel_host.console_errors.clear()

    def test_an_input_that_is_moved_meanwhile_gives_no_map_another_place(self, uncertain, scene, scan, button):
        getattr(uncertain.ui, button).click()
        scan.SetSpacing(3, 3, 3)
        panel_host.wait_until(lambda: panel_host.popups.shown, 60)
        assert "'Scan' was given another place, size or scalar type" in panel_host.popups.shown[0].text
        assert volumes(scene) == ["Scan"]
        assert browser_of(scene) is None
        panel_host.console_errors.clear()

    def test_closing_the_scene_ends_it(self, uncertain, scene, button):
        getattr(uncertain.ui, button).click()
        scene.Clear(0)
        panel_host.process_events(300)
        assert volumes(scene) == []
        assert uncertain.ui.applyButton.text == "Apply"

    def test_leaving_the_module_lets_it_end(self, uncertain, scene, button):
        getattr(uncertain.ui, button).click()
        panel_host.leave_module()
        wait_for_the_end(uncertain)
        assert len(volumes(scene)) > 1


def test_opening_the_panel_does_not_import_pytorch(qt_loads):
    program = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
        "import panel_host\n"
        "with panel_host.application():\n"
        "    panel_host.open_module('NeuralDiffusion')\n"
        "    print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
