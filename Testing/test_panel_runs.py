"""The panel while a run goes on: alive, cancelled, left, closed."""

from __future__ import annotations

import threading
import time

import numpy as np
import panel_host
import pytest
import slicer
from panel_scenes import add_like, layers, parameters, volumes, wait_for_the_end

from NeuralDiffusionLib import DenoiseCancelled, Denoiser

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

STEPS = 1000


class Gated:
    """The real denoiser, after six batches: each release of the gate lets one through.

    If `deaf`, it does not hear of Cancel.
    """

    deaf = False

    def __init__(self) -> None:
        self.denoiser, self.gate, self.threads = Denoiser("cpu"), threading.Semaphore(0), []
        # The noise level may be estimated with it once the run has ended.
        self.network, self.each_batch = self.denoiser.network, self.denoiser.each_batch
        self.weights_sha256, self.network = self.denoiser.weights_sha256, self.denoiser.network

    def __call__(self, voxels, settings, progress, cancelled, *_):
        for done in range(1, 7):
            self.gate.acquire()
            if cancelled() and not self.deaf:
                raise DenoiseCancelled
            self.threads.append(threading.current_thread())
            progress(done, 6)
        return self.denoiser(voxels, settings)


@pytest.fixture
def running(scan, open_panel):
    """The panel in the middle of a run, and the gate."""
    widget, gated = open_panel(), Gated()
    widget.logic._denoisers["auto"] = gated
    widget.ui.applyButton.click()
    gated.gate.release(2)
    panel_host.wait_until(lambda: widget.ui.progressBar.value == 2)
    yield widget, gated
    gated.gate.release(10)


def test_the_window_stays_alive_and_shows_how_far_the_run_is(running, scene):
    widget, gated = running
    assert widget.ui.applyButton.text == "Cancel"
    assert widget.ui.applyButton.enabled
    assert widget.ui.progressBar.maximum == 6
    assert "2 of 6 slices done" in widget.ui.statusLabel.text
    assert volumes(scene) == ["Scan"]
    assert threading.main_thread() not in gated.threads
    gated.gate.release()
    panel_host.wait_until(lambda: widget.ui.progressBar.value == 3)
    assert "s left" in widget.ui.statusLabel.text
    gated.gate.release(3)
    wait_for_the_end(widget)
    assert volumes(scene) == ["Scan", "Scan denoised"]


def test_cancel_stops_before_the_next_batch_and_leaves_the_scene_as_it_was(running, scene):
    widget, gated = running
    before = scene.GetNumberOfNodes()
    widget.ui.applyButton.click()
    assert not widget.ui.applyButton.enabled
    gated.gate.release()
    wait_for_the_end(widget)
    assert widget.ui.statusLabel.text == "Cancelled: nothing was changed."
    assert len(gated.threads) == 2
    assert scene.GetNumberOfNodes() == before
    assert volumes(scene) == ["Scan"]
    # And it can be started again.
    gated.gate.release(6)
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert volumes(scene) == ["Scan", "Scan denoised"]


def test_a_map_can_be_cancelled_though_there_is_nothing_to_apply(scan, open_panel, scene):
    widget, gated = open_panel(), Gated()
    widget.logic._denoisers["auto"] = gated
    parameters(widget).outputVolume = parameters(widget).conductionVolume = add_like(
        "Both", slicer.util.arrayFromVolume(scan), scan
    )
    assert not widget.ui.applyButton.enabled
    widget.ui.directionsButton.click()
    assert (widget.ui.applyButton.text, widget.ui.applyButton.enabled) == ("Cancel", True)
    widget.ui.applyButton.click()
    assert not widget.ui.applyButton.enabled
    gated.gate.release(10)
    wait_for_the_end(widget)
    assert widget.ui.statusLabel.text == "Cancelled: nothing was changed."
    assert volumes(scene) == ["Scan", "Both"]
    assert not widget.ui.applyButton.enabled


def test_cancel_that_comes_too_late_for_the_last_batch_still_writes_nothing(running, scene):
    widget, gated = running
    gated.deaf = True
    widget.ui.applyButton.click()
    gated.gate.release(10)
    wait_for_the_end(widget)
    assert len(gated.threads) == 6
    assert widget.ui.statusLabel.text == "Cancelled: nothing was changed."
    assert volumes(scene) == ["Scan"]


def test_choices_made_during_a_run_are_for_the_next_one(running, scene):
    widget, gated = running
    parameters(widget).iterations = 3
    assert widget.ui.applyButton.text == "Cancel"
    gated.gate.release(4)
    wait_for_the_end(widget)
    assert parameters(widget).outputVolume.GetAttribute("NeuralDiffusion.Iterations") == "16"


def test_the_result_of_a_scan_is_no_output_of_the_one_that_was_chosen_meanwhile(running, add_scan, scene):
    widget, gated = running
    parameters(widget).inputVolume = add_scan("Next")
    gated.gate.release(4)
    wait_for_the_end(widget)
    first = slicer.util.getNode("Scan denoised")
    before = slicer.util.arrayFromVolume(first).copy()
    assert parameters(widget).outputVolume is None
    gated.gate.release(6)
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert volumes(scene) == ["Scan", "Next", "Scan denoised", "Next denoised"]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(first), before)


def test_an_output_that_is_chosen_during_a_run_is_for_the_next_one(running, add_scan):
    widget, gated = running
    own = parameters(widget).outputVolume = add_scan("Own")
    gated.gate.release(4)
    wait_for_the_end(widget)
    assert parameters(widget).outputVolume is own
    assert slicer.util.getNode("Scan denoised").GetAttribute("NeuralDiffusion.Iterations") == "16"


def test_closing_the_scene_in_the_middle_of_a_run_ends_it(running, scene):
    widget, gated = running
    scene.Clear(0)
    gated.gate.release(10)
    panel_host.process_events(300)
    assert volumes(scene) == []
    assert widget.ui.applyButton.text == "Apply"
    assert widget.ui.statusLabel.text == "The run ended with the scene: nothing was written."


def test_leaving_the_module_lets_the_run_end_without_touching_the_views(running, scene):
    widget, gated = running
    before = layers("Red", "Green", "Yellow")
    panel_host.leave_module()
    gated.gate.release(4)
    wait_for_the_end(widget)
    assert volumes(scene) == ["Scan", "Scan denoised"]
    assert layers("Red", "Green", "Yellow") == before


def test_a_volume_that_is_deleted_during_the_run_is_named(running, scan, scene):
    _, gated = running
    scene.RemoveNode(scan)
    gated.gate.release(4)
    panel_host.wait_until(lambda: panel_host.popups.shown)
    assert "Scan" in panel_host.popups.shown[0].text
    assert volumes(scene) == []
    panel_host.console_errors.clear()


def test_the_result_survives_outputs_that_are_deleted_during_the_run(scan, open_panel, scene):
    widget, gated = open_panel(), Gated()
    widget.logic._denoisers["auto"] = gated
    node = parameters(widget)
    node.outputVolume, node.conductionVolume = (
        scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("Mine", "Map")
    )
    widget.ui.applyButton.click()
    scene.RemoveNode(node.outputVolume)
    scene.RemoveNode(node.conductionVolume)
    gated.gate.release(6)
    wait_for_the_end(widget)
    assert volumes(scene) == ["Scan", "Scan denoised"]
    assert parameters(widget).outputVolume.GetName() == "Scan denoised"
    assert panel_host.popups.shown == []


def test_ending_the_application_in_the_middle_of_a_run_waits_for_one_batch_only(running):
    _, gated = running
    threading.Timer(0.2, gated.gate.release).start()
    panel_host.close()
    assert len(gated.threads) == 2


@pytest.mark.parametrize("button", ["applyButton", "compareButton", "previewCheckBox", "estimateSigmaCheckBox"])
def test_work_gets_on_while_the_window_idles(scan, open_panel, button):
    widget, steps = open_panel(), []
    widget.logic.denoiser()
    start = widget.logic._worker.start

    def start_with_many_steps(work):
        def stepped(report, cancelled):
            for _ in range(STEPS):
                steps.append(None)
                # Lets go of Python's lock, as each of PyTorch's functions does.
                time.sleep(0)
            return work(report, cancelled)

        return start(stepped)

    widget.logic._worker.start = start_with_many_steps
    # The last one has the noise level estimated, as any change of what is chosen.
    getattr(widget.ui, button).click()
    panel_host.wait_until(lambda: steps)
    turns = 0
    while len(steps) < STEPS and turns < STEPS / 10:
        panel_host.process_events()
        turns += 1
    assert len(steps) >= STEPS
