"""The inputs of the real panel: frames where there are several, the noise explained, its level estimated or set."""

from __future__ import annotations

import re
import threading

import numpy as np
import panel_host
import pytest
import slicer
from panel_scenes import parameters, wait_for_the_end
from sequence_scenes import FRAMES

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.engine.noise_estimate import estimate_noise, sampled_places
from NeuralDiffusionLib.mrml.parameters import MAX_SIGMA, NoiseType, SlicesAlong

pytest_plugins = ["panel_host.fixtures", "panel_scenes", "sequence_scenes"]


@pytest.fixture
def loaded(scan, open_panel):
    """The panel with a network that has been loaded, as after a preview or a run."""
    widget = open_panel()
    widget.logic.denoiser("auto")
    widget.update()
    return widget


def note(widget):
    return widget.ui.sigmaNoteLabel.text


def wait_for_the_estimate(widget):
    panel_host.wait_until(lambda: note(widget).startswith("Estimated from"))


class TestFrames:
    def test_a_volume_that_shows_no_sequence_has_no_frames_to_choose(self, scan, open_panel):
        widget = open_panel()
        assert not widget.ui.framesComboBox.visible
        assert not widget.ui.framesLabel.visible

    def test_they_are_offered_while_the_volume_shows_a_sequence(self, scan, proxy, open_panel):
        widget = open_panel()
        for volume, offered in ((proxy, True), (scan, False), (None, False), (proxy, True)):
            widget.ui.inputSelector.setCurrentNode(volume)
            assert (widget.ui.framesComboBox.visible, widget.ui.framesLabel.visible) == (offered, offered)

    def test_they_stay_hidden_where_the_section_is_unfolded(self, scan, proxy, open_panel):
        widget = open_panel()
        widget.ui.inputSelector.setCurrentNode(proxy)
        widget.ui.inputsCollapsibleButton.collapsed = True
        widget.ui.inputSelector.setCurrentNode(scan)
        widget.ui.inputsCollapsibleButton.collapsed = False
        assert not widget.ui.framesComboBox.visible
        assert not widget.ui.framesLabel.visible
        assert widget.ui.inputSelector.visible

    def test_a_sequence_of_one_frame_is_a_volume(self, proxy, browser, open_panel):
        for number in range(FRAMES - 1, 0, -1):
            browser.GetMasterSequenceNode().RemoveDataNodeAtValue(
                browser.GetMasterSequenceNode().GetNthIndexValue(number)
            )
        widget = open_panel()
        widget.ui.inputSelector.setCurrentNode(proxy)
        assert not widget.ui.framesComboBox.visible


class TestNoiseType:
    def test_each_is_explained_in_a_line_of_its_own(self, scan, open_panel):
        widget = open_panel()
        notes = []
        for noise in NoiseType:
            parameters(widget).noiseType = noise
            notes.append(widget.ui.noiseTypeNoteLabel.text)
        assert "Magnitude MR" in notes[0]
        assert "ultrasound" in notes[2]
        assert len(set(notes)) == len(notes)
        assert all(text.endswith(".") and text.count(".") == 1 for text in notes)


class TestLevelByHand:
    def test_one_that_is_far_from_the_estimate_is_told(self, loaded):
        wait_for_the_estimate(loaded)
        loaded.ui.estimateSigmaCheckBox.click()
        node, odd = parameters(loaded), "The level that is set is far from that: check it and its unit."
        assert odd not in note(loaded)
        for factor in (0.05, 20):
            node.sigma = factor * 40
            assert note(loaded).endswith(odd)
        node.sigma = 80
        assert odd not in note(loaded)

    def test_one_that_was_set_in_another_unit_is_told(self, loaded):
        node = parameters(loaded)
        node.noiseType = NoiseType.SPECKLE
        wait_for_the_estimate(loaded)
        loaded.ui.estimateSigmaCheckBox.click()
        node.noiseType = NoiseType.RICIAN
        panel_host.wait_until(lambda: "in image units" in note(loaded))
        assert "check it and its unit" in note(loaded)
        assert "so low that hardly anything is removed" in loaded.ui.inputWarningsLabel.text

    def test_the_level_can_be_set_only_when_it_is_not_estimated(self, scan, open_panel):
        widget = open_panel()
        assert not widget.ui.sigmaSpinBox.enabled
        widget.ui.estimateSigmaCheckBox.click()
        assert widget.ui.sigmaSpinBox.enabled
        widget.ui.sigmaSpinBox.value = 31.25
        assert parameters(widget).settings().sigma == 31.25

    @pytest.mark.parametrize(("scale", "decimals"), [(1, 2), (100, 0), (0.001, 5)])
    def test_the_box_shows_four_digits_of_a_usual_level(self, scan, open_panel, scale, decimals):
        slicer.util.updateVolumeFromArray(scan, slicer.util.arrayFromVolume(scan).astype(np.float32) * scale)
        widget = open_panel()
        assert widget.ui.sigmaSpinBox.decimals == decimals
        assert widget.ui.sigmaSpinBox.suffix == ""
        parameters(widget).noiseType = NoiseType.SPECKLE
        assert widget.ui.sigmaSpinBox.decimals == 5
        assert widget.ui.sigmaSpinBox.suffix == " of the signal"

    def test_the_smallest_numbers_have_a_box_too(self, scan, open_panel):
        voxels = np.zeros(slicer.util.arrayFromVolume(scan).shape)
        voxels[1:] = 5e-324
        slicer.util.updateVolumeFromArray(scan, voxels)
        assert open_panel().ui.sigmaSpinBox.decimals > 5

    def test_an_image_of_another_size_is_taken_without_an_error(self, scan, open_panel):
        widget = open_panel()
        slicer.util.updateVolumeFromArray(scan, np.zeros((3, 10, 10), np.int16))
        panel_host.process_events(100)
        assert panel_host.console_errors == []
        assert parameters(widget).inputVolume is scan

    def test_what_the_box_rounds_stays_in_the_scene(self, scan, open_panel):
        widget = open_panel()
        parameters(widget).estimateSigma = False
        parameters(widget).sigma = 23.456789
        assert widget.ui.sigmaSpinBox.value == 23.46
        # The number of decimals changes twice.
        for noise in (NoiseType.SPECKLE, NoiseType.RICIAN):
            parameters(widget).noiseType = noise
            assert parameters(widget).sigma == 23.456789

    @pytest.mark.parametrize("typed", ["1.5", "12.75", "25"])
    def test_it_can_be_typed(self, scan, open_panel, typed):
        from panel_host.pythonqt import unwrap
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        widget = open_panel()
        widget.ui.estimateSigmaCheckBox.click()
        box = unwrap(widget.ui.sigmaSpinBox)
        box.selectAll()
        QTest.keyClicks(box, typed)
        QTest.keyClick(box, Qt.Key_Return)
        assert parameters(widget).sigma == float(typed)

    def test_a_level_that_makes_no_sense_is_remarked_on(self, scan, open_panel):
        widget = open_panel()
        widget.ui.estimateSigmaCheckBox.click()
        assert note(widget) == "At 0 nothing is removed."
        widget.ui.sigmaSpinBox.value = 20
        assert note(widget) == ""
        parameters(widget).noiseType = NoiseType.SPECKLE
        assert note(widget) == "At 1 the noise is as strong as the signal: set less."
        widget.ui.sigmaSpinBox.value = 0.2
        assert note(widget) == ""


class TestEstimate:
    def test_before_the_network_is_loaded_none_is_made(self, scan, open_panel):
        widget = open_panel()
        panel_host.process_events(700)
        assert widget.logic.loadedDenoiser("auto") is None
        assert note(widget) == "Estimated in each slice when it is denoised; shown here after a preview or a run."

    def test_it_is_shown_with_the_ratio_of_signal_to_noise(self, loaded, scan):
        wait_for_the_estimate(loaded)
        expected = estimate_noise(loaded.logic.denoiser("auto"), slicer.util.arrayFromVolume(scan))
        assert note(loaded) == (
            f"Estimated from 6 slices: {expected.sigma:.3g} in image units, SNR {expected.snr:.1f}."
            if expected.snr < 10
            else f"Estimated from 6 slices: {expected.sigma:.3g} in image units, SNR {expected.snr:.0f}."
        )
        assert slicer.util.arrayFromVolume(scan).shape[0] == 6

    def test_it_is_made_in_another_thread_and_once(self, loaded, monkeypatch):
        threads = []
        estimator = type(loaded.logic.denoiser("auto"))
        real = estimator.each_batch

        def each_batch(self, *arguments):
            threads.append(threading.current_thread())
            return real(self, *arguments)

        monkeypatch.setattr(estimator, "each_batch", each_batch)
        wait_for_the_estimate(loaded)
        parameters(loaded).iterations = 3
        panel_host.process_events(700)
        assert note(loaded).startswith("Estimated from")
        assert len(threads) == 1
        assert threading.main_thread() not in threads

    @pytest.mark.parametrize(
        "change",
        [
            lambda widget, other: setattr(parameters(widget), "noiseType", NoiseType.SPECKLE),
            lambda widget, other: setattr(parameters(widget), "slicesAlong", SlicesAlong.RIGHT),
            lambda widget, other: setattr(parameters(widget), "inputVolume", other),
            lambda widget, other: slicer.util.updateVolumeFromArray(
                parameters(widget).inputVolume, slicer.util.arrayFromVolume(other)
            ),
        ],
    )
    def test_it_is_of_what_is_chosen_now(self, loaded, add_volume, change):
        other = add_volume(np.random.default_rng(5).normal(400, 90, (6, 40, 48)).clip(0).astype(np.int16), name="Other")
        wait_for_the_estimate(loaded)
        before = note(loaded)
        change(loaded, other)
        assert not note(loaded).startswith("Estimated from")
        wait_for_the_estimate(loaded)
        assert note(loaded) != before
        settings = parameters(loaded).settings()
        voxels, axis = slicer.util.arrayFromVolume(parameters(loaded).inputVolume), settings.slice_axis
        slices = np.take(voxels, sampled_places(voxels.shape[axis]), axis)
        sigma = estimate_noise(loaded.logic.denoiser("auto"), slices, settings).sigma
        assert f"{100 * sigma:.3g} % of" in note(loaded) or f"{sigma:.3g} in" in note(loaded)

    def test_it_waits_for_the_end_of_a_run(self, loaded):
        gate = threading.Event()
        job = loaded.logic.startWork(lambda report, is_cancelled: gate.wait(10))
        loaded.runs.begin(job, lambda: "Done.", "Failed.")
        panel_host.process_events(700)
        assert not note(loaded).startswith("Estimated from")
        gate.set()
        wait_for_the_end(loaded)
        wait_for_the_estimate(loaded)

    def test_a_run_that_begins_meanwhile_has_precedence(self, loaded):
        gate = threading.Event()
        before = loaded.logic.startWork(lambda report, is_cancelled: gate.wait(10))
        panel_host.wait_until(lambda: note(loaded) == "Estimating...")
        loaded.ui.applyButton.click()
        gate.set()
        assert before.result()
        assert note(loaded) != "Estimating..."
        wait_for_the_end(loaded)
        assert parameters(loaded).outputVolume is not None

    def test_set_by_hand_the_level_starts_from_it_if_none_was_set(self, loaded):
        wait_for_the_estimate(loaded)
        loaded.ui.estimateSigmaCheckBox.click()
        start = parameters(loaded).sigma
        # The note says it to three digits.
        assert start == pytest.approx(float(re.search(r": (\S+) in image units", note(loaded))[1]), rel=5e-3)
        assert loaded.ui.sigmaSpinBox.value == pytest.approx(start)
        loaded.ui.sigmaSpinBox.value = 55
        for _ in range(2):
            loaded.ui.estimateSigmaCheckBox.click()
        assert parameters(loaded).sigma == 55

    def test_a_level_beyond_what_can_be_set_by_hand_becomes_the_highest(self, loaded, scan):
        slicer.util.updateVolumeFromArray(scan, slicer.util.arrayFromVolume(scan).astype(np.float32) * 1e10)
        wait_for_the_estimate(loaded)
        loaded.ui.estimateSigmaCheckBox.click()
        assert parameters(loaded).sigma == MAX_SIGMA
        assert panel_host.console_errors == []

    def test_the_program_does_not_set_a_level(self, loaded):
        wait_for_the_estimate(loaded)
        parameters(loaded).estimateSigma = False
        assert parameters(loaded).sigma == 0
        assert note(loaded).endswith("At 0 nothing is removed.")

    def test_what_cannot_be_estimated_is_named(self, loaded, add_volume):
        voxels = np.full((6, 40, 48), np.nan, np.float32)
        loaded.ui.inputSelector.setCurrentNode(add_volume(voxels, name="Holes"))
        panel_host.wait_until(lambda: "'Holes' could not be estimated: The volume holds NaN" in note(loaded))

    @pytest.mark.parametrize("error", [RuntimeError("CUDA error: no kernel.\nCompile with DSA.\n"), MemoryError()])
    def test_whatever_fails_is_said_in_one_line(self, loaded, error, monkeypatch):
        def fail(self, *arguments):
            raise error

        monkeypatch.setattr(type(loaded.logic.denoiser("auto")), "each_batch", fail)
        panel_host.wait_until(lambda: "could not be estimated" in note(loaded))
        reason = "CUDA error: no kernel." if str(error) else "MemoryError"
        assert note(loaded) == f"The noise level of 'Scan' could not be estimated: {reason}"
        assert panel_host.popups.shown == []

    @pytest.mark.parametrize("axis", range(3))
    def test_no_more_is_read_than_the_slices_that_are_looked_at(self, loaded, add_volume, axis, monkeypatch):
        random = np.random.default_rng(2)
        voxels = np.moveaxis(random.normal(400, 30, (40, 16, 18)), 0, axis).astype(np.float32)
        volume, read = add_volume(voxels, name="Deep"), []
        start = loaded.logic.startWork

        def start_and_look(work):
            read.extend(cell.cell_contents for cell in work.__closure__ if isinstance(cell.cell_contents, np.ndarray))
            return start(work)

        loaded.logic.startWork = start_and_look
        parameters(loaded).slicesAlong = [SlicesAlong.SUPERIOR, SlicesAlong.ANTERIOR, SlicesAlong.RIGHT][axis]
        loaded.ui.inputSelector.setCurrentNode(volume)
        wait_for_the_estimate(loaded)
        (slices,) = read
        assert np.array_equal(slices, np.take(voxels, sampled_places(40), axis))
        assert not np.shares_memory(slices, slicer.util.arrayFromVolume(volume))
        assert note(loaded).startswith("Estimated from 8 slices: ")

    def test_a_scene_that_is_closed_meanwhile_ends_it(self, loaded, scene):
        gate = threading.Event()
        loaded.logic.startWork(lambda report, is_cancelled: gate.wait(10))
        panel_host.wait_until(lambda: note(loaded) == "Estimating...")
        scene.Clear(0)
        gate.set()
        panel_host.process_events(300)
        assert note(loaded) == "Estimated in each slice when it is denoised; shown here after a preview or a run."

    def test_a_preview_that_has_loaded_the_network_makes_it_known(self, scan, open_panel):
        widget = open_panel()
        panel_host.process_events(700)
        assert note(widget) == "Estimated in each slice when it is denoised; shown here after a preview or a run."
        widget.ui.previewCheckBox.click()
        wait_for_the_estimate(widget)


def test_the_settings_of_an_estimate_are_those_of_a_run(scan, open_panel):
    widget = open_panel()
    assert parameters(widget).settings() == DenoiseSettings(slice_axis=0)
