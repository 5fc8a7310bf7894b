"""The slices of a volume on their way into the network and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from NeuralDiffusionLib import DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine.slice_run import SliceRun

CPU = torch.device("cpu")


@pytest.fixture
def volume():
    return np.random.default_rng(0).integers(-300, 1700, (4, 6, 5)).astype(np.int16)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_go_in_between_0_and_1_and_come_back_to_their_axes(volume, axis):
    run = SliceRun.of(volume, DenoiseSettings(slice_axis=axis, intensity_range=(-500, 2000)))
    inputs = run.inputs(slice(1, 3), CPU)
    expected = (np.moveaxis(volume, axis, 0)[1:3] + 500) / 2500
    np.testing.assert_allclose(inputs[:, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(run.in_place(run.slices), volume)


def test_what_the_network_leaves_comes_back_bit_for_bit_and_what_it_changes_in_the_units_of_the_scan(volume):
    run = SliceRun.of(volume, DenoiseSettings(intensity_range=(-500, 2000)))
    inputs = run.inputs(slice(0, 4), CPU)
    np.testing.assert_array_equal(run.in_scan_units(slice(0, 4), inputs, inputs), volume)
    np.testing.assert_allclose(run.in_scan_units(slice(0, 4), inputs, inputs + 0.01), volume + 25, atol=0.01)


@pytest.mark.parametrize(("noise", "level"), [("rician", 0.5 / 2500), ("speckle", 0.5)])
def test_a_given_level_is_brought_to_the_networks_units_but_for_speckle(volume, noise, level):
    run = SliceRun.of(volume, DenoiseSettings(noise=noise, sigma=0.5, intensity_range=(-500, 2000)))
    torch.testing.assert_close(run.given_sigma(run.inputs(slice(0, 2), CPU)), torch.full((2,), float(level)))


def test_a_level_that_is_not_given_is_left_to_the_network(volume):
    run = SliceRun.of(volume, DenoiseSettings())
    assert run.given_sigma(run.inputs(slice(0, 2), CPU)) is None


def test_whether_negative_values_were_cut_off_is_asked_of_the_whole_volume(volume):
    assert SliceRun.of(np.abs(volume), DenoiseSettings()).clipped
    assert not SliceRun.of(volume, DenoiseSettings(intensity_range=(0, 1000))).clipped


def test_what_cannot_be_denoised_is_refused():
    with pytest.raises(InvalidVolumeError, match="NaN"):
        SliceRun.of(np.full((2, 3, 4), np.nan), DenoiseSettings())
