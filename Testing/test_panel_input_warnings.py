"""The panel says what lies outside of the network's training as soon as it is chosen, before any run."""

from __future__ import annotations

import numpy as np
import panel_host
import pytest
import slicer
from panel_scenes import parameters, wait_for_the_end

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.engine.domain_checks import domain_warnings
from NeuralDiffusionLib.mrml.parameters import NoiseType, SlicesAlong
from NeuralDiffusionLib.mrml.runs import input_warnings
from NeuralDiffusionLib.mrml.runs.input_warnings import InputWarnings

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

THICK = (1.0, 1.0, 5.0)


@pytest.fixture
def add_ct(add_volume):
    """Add a head in Hounsfield units, whose air is far below zero."""

    def add(shape=(6, 40, 48), name="CT"):
        rows, columns = np.ogrid[tuple(slice(-1, 1, size * 1j) for size in shape[1:])]
        noise = np.random.default_rng(0).normal(0, 12, shape)
        return add_volume((np.where(np.hypot(rows, columns) < 0.8, 40, -1000) + noise).astype(np.int16), name=name)

    return add


def warnings(widget):
    label = widget.ui.inputWarningsLabel
    assert label.visible == bool(label.text)
    return label.text.splitlines()


def choose(widget, volume):
    widget.ui.inputSelector.setCurrentNode(volume)


class TestTheVolume:
    def test_an_ordinary_scan_is_met_without_a_word(self, scan, open_panel):
        assert warnings(open_panel()) == []

    def test_ct_is_named_while_it_is_chosen(self, scan, add_ct, open_panel):
        widget, ct = open_panel(), add_ct()
        choose(widget, ct)
        (sentence,) = warnings(widget)
        assert "far below zero" in sentence
        assert "CT" in sentence
        choose(widget, scan)
        assert warnings(widget) == []
        choose(widget, ct)
        choose(widget, None)
        assert warnings(widget) == []

    def test_new_voxels_are_looked_at_anew(self, scan, open_panel):
        widget = open_panel()
        voxels = slicer.util.arrayFromVolume(scan).copy()
        voxels[:, :, :24] = -1000
        slicer.util.updateVolumeFromArray(scan, voxels)
        panel_host.wait_until(lambda: warnings(widget))
        assert "far below zero" in warnings(widget)[0]

    def test_voxels_edited_in_place_are_looked_at_anew(self, scan, open_panel):
        widget = open_panel()
        slicer.util.arrayFromVolume(scan)[:, :, :24] = -1000
        slicer.util.arrayFromVolumeModified(scan)
        panel_host.wait_until(lambda: warnings(widget))
        assert "far below zero" in warnings(widget)[0]

    def test_while_its_voxels_change_again_and_again_they_are_not_read(self, scan, open_panel, monkeypatch):
        widget, read = open_panel(), []
        for name in ("estimate_range", "intensity_warnings"):
            real = getattr(input_warnings, name)
            monkeypatch.setattr(input_warnings, name, lambda *arguments, real=real: read.append(1) or real(*arguments))
        decimals = widget.ui.sigmaSpinBox.decimals
        for number in range(10):
            slicer.util.updateVolumeFromArray(scan, np.full((6, 40, 48), 100 * (number - 9), np.float32))
            panel_host.process_events(10)
        slicer.util.updateVolumeFromArray(scan, slicer.util.arrayFromVolume(scan) - np.linspace(0, 1e-3, 48))
        assert not read
        assert warnings(widget) == []
        assert widget.ui.sigmaSpinBox.decimals == decimals
        panel_host.wait_until(lambda: warnings(widget))
        assert len(read) == 2
        assert widget.ui.sigmaSpinBox.decimals > decimals

    def test_slices_of_few_pixels_are_counted(self, add_volume, open_panel):
        widget = open_panel()
        choose(widget, add_volume(np.full((20, 12, 40), 100, np.int16)))
        assert ["slices have 12 x 40 pixels" in sentence for sentence in warnings(widget)] == [True]

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_one_that_cannot_be_denoised_is_no_reason_to_fail(self, add_volume, open_panel, value):
        widget = open_panel()
        choose(widget, add_volume(np.full((6, 20, 24), value, np.float32)))
        assert warnings(widget) == []
        choose(widget, add_volume(np.linspace(0, 1e-40, 6 * 20 * 24, dtype=np.float32).reshape(6, 20, 24)))
        assert warnings(widget) == []

    def test_it_is_no_error(self, add_ct, open_panel):
        widget = open_panel()
        choose(widget, add_ct())
        assert widget.ui.applyButton.enabled
        assert widget.ui.statusLabel.text == ""
        assert not panel_host.popups.shown


class TestThePlane:
    def test_long_pixels_are_measured_while_their_plane_is_chosen(self, scan, open_panel):
        scan.SetSpacing(THICK)
        widget = open_panel()
        assert warnings(widget) == []
        parameters(widget).slicesAlong = SlicesAlong.RIGHT
        assert any("1 x 5 mm" in sentence for sentence in warnings(widget))
        parameters(widget).slicesAlong = SlicesAlong.ACQUISITION
        assert warnings(widget) == []

    def test_a_new_spacing_is_measured_at_once(self, scan, open_panel):
        widget = open_panel()
        parameters(widget).slicesAlong = SlicesAlong.RIGHT
        assert not any("mm" in sentence for sentence in warnings(widget))
        scan.SetSpacing(THICK)
        assert any("1 x 5 mm" in sentence for sentence in warnings(widget))

    def test_of_three_planes_each_finding_stands_once(self, scan, open_panel):
        scan.SetSpacing(THICK)
        widget = open_panel()
        parameters(widget).slicesAlong = SlicesAlong.THREE_PLANES
        found = warnings(widget)
        assert len(found) == len(set(found)) == 3
        assert [sentence.partition(":")[0] for sentence in found] == [
            "The slices have 6 x 48 pixels",
            "The pixels of the slices measure 1 x 5 mm",
            "The slices have 6 x 40 pixels",
        ]


class TestTheNoiseLevel:
    def test_one_outside_of_training_is_named_while_it_is_set(self, scan, open_panel):
        widget = open_panel()
        widget.ui.estimateSigmaCheckBox.click()
        widget.ui.sigmaSpinBox.value = 700
        (sentence,) = warnings(widget)
        assert "The noise level of 700 is outside the range of training" in sentence
        widget.ui.sigmaSpinBox.value = 40
        assert warnings(widget) == []
        parameters(widget).noiseType = NoiseType.SPECKLE
        assert "of the signal" in warnings(widget)[0]
        widget.ui.estimateSigmaCheckBox.click()
        assert warnings(widget) == []

    def test_an_estimate_outside_of_training_is_named_once_it_is_known(self, add_volume, open_panel):
        widget = open_panel()
        choose(widget, add_volume(1000 * np.random.default_rng(0).integers(0, 2, (6, 64, 64)).astype(np.float32)))
        assert warnings(widget) == []
        widget.logic.denoiser("auto")
        widget.update()
        panel_host.wait_until(lambda: widget.ui.sigmaNoteLabel.text.startswith("Estimated from"))
        (sentence,) = warnings(widget)
        assert "outside the range of training, 0 to 250 " in sentence


def test_what_is_said_before_a_run_is_what_is_said_after_it(add_ct, open_panel):
    widget, ct = open_panel(), add_ct((12, 40, 48))
    ct.SetSpacing(THICK)
    choose(widget, ct)
    node = parameters(widget)
    node.slicesAlong, node.iterations, node.estimateSigma, node.sigma = SlicesAlong.ANTERIOR, 1, False, 900
    before = warnings(widget)
    assert len(before) == 4
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    assert widget.ui.warningsLabel.text.splitlines() == before


@pytest.mark.parametrize("axis", range(3))
def test_of_a_large_volume_a_sample_tells_the_same(add_ct, axis):
    ct = add_ct((40, 240, 300))
    found = InputWarnings().find(ct, DenoiseSettings(slice_axis=axis), sigma=900)
    whole = domain_warnings(slicer.util.arrayFromVolume(ct), (1.0, 1.0, 1.0), axis, sigma=900)
    assert len(found) == 2
    # But for the last digits of numbers.
    assert [sentence.split(",")[1:] for sentence in found[:1]] == [sentence.split(",")[1:] for sentence in whole[:1]]
    assert [sentence.split()[:12] for sentence in found[1:]] == [sentence.split()[:12] for sentence in whole[1:]]


def test_research_use_is_said_once_right_below_apply(scan, open_panel):
    ui = open_panel().ui
    label, button = ui.researchUseLabel, ui.applyButton
    assert label.text == "Research use only; not for diagnosis."
    assert 0 <= label.y - (button.y + button.height) < 20


def test_with_warnings_the_panel_down_to_the_looks_still_fits_a_screen_of_1080_lines(scan, open_panel, tmp_path):
    scan.SetSpacing(THICK)
    widget = open_panel()
    parameters(widget).slicesAlong = SlicesAlong.RIGHT
    assert len(warnings(widget)) == 2
    panel_host.screenshot(widget.parent, tmp_path / "panel.png")
    look = widget.ui.lookCollapsibleButton
    # Title, menus, toolbars, the module's name and the status bar take the rest.
    assert look.y + look.height < 880
