"""The noise level of a few slices, with the weights that ship."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from NeuralDiffusionLib import DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine.noise_estimate import SAMPLED_SLICES, estimate_noise


def discs(slices=3, sigma=40.0):
    """A disc of 800 in air, half of the slice, under Rician noise."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[:64, :64]
    clean = np.where((rows - 32) ** 2 + (columns - 32) ** 2 < 650, 800.0, 0.0) * np.ones((slices, 1, 1))
    return np.hypot(clean + random.normal(0, sigma, clean.shape), random.normal(0, sigma, clean.shape))


def test_the_level_is_the_one_of_a_run_and_the_ratio_that_of_tissue_to_noise(denoiser):
    volume = discs()
    estimate = estimate_noise(denoiser, volume)
    assert estimate.sigma == pytest.approx(denoiser(volume, DenoiseSettings(iterations=1)).sigma, rel=1e-5)
    assert estimate.sigma == pytest.approx(40, rel=0.15)
    # The air, more than half of all voxels, is no signal.
    assert estimate.snr == pytest.approx(800 / estimate.sigma, rel=0.02)
    assert estimate.slices == 3


def test_units_are_those_of_the_scan(denoiser):
    volume = discs()
    once, hundredfold = estimate_noise(denoiser, volume), estimate_noise(denoiser, 100 * volume)
    assert hundredfold.sigma == pytest.approx(100 * once.sigma, rel=1e-4)
    assert hundredfold.snr == pytest.approx(once.snr, rel=1e-4)


def test_a_few_evenly_spaced_slices_are_looked_at_and_no_more(denoiser):
    clean, noisy = np.rint(discs(40, 0.0)), discs(40)
    places = (2 * np.arange(SAMPLED_SLICES) + 1) * 40 // (2 * SAMPLED_SLICES)
    clean[places] = noisy[places]
    estimate = estimate_noise(denoiser, clean)
    assert estimate.slices == SAMPLED_SLICES
    assert estimate.sigma > 30


@pytest.mark.parametrize("axis", range(3))
def test_slices_lie_across_the_axis_that_was_chosen(denoiser, axis):
    volume = discs()
    turned = estimate_noise(denoiser, np.moveaxis(volume, 0, axis), DenoiseSettings(slice_axis=axis))
    assert turned == estimate_noise(denoiser, volume)


def test_speckle_is_told_relative_to_the_signal(denoiser):
    estimate = estimate_noise(denoiser, discs(), DenoiseSettings(noise="speckle"))
    assert 0 < estimate.sigma < 1
    assert estimate.snr == pytest.approx(1 / estimate.sigma)


def test_mixed_noise_is_told_where_the_signal_is_strongest_and_without_a_ratio(denoiser):
    volume = discs(sigma=0) * np.random.default_rng(1).normal(1, 0.1, (3, 64, 64))
    settings = DenoiseSettings(noise="mixed", intensity_range=(0.0, 1000.0))
    speckle = estimate_noise(denoiser, volume, replace(settings, noise="speckle"))
    mixed = estimate_noise(denoiser, volume, settings)
    # It grows with the signal here, so it is that share of the strongest.
    assert mixed.sigma == pytest.approx(1000 * speckle.sigma, rel=0.1)
    assert mixed.snr is None


def test_a_level_that_was_given_does_not_count(denoiser):
    settings = DenoiseSettings(noise="gaussian")
    assert estimate_noise(denoiser, discs(), replace(settings, sigma=5.0)) == estimate_noise(
        denoiser, discs(), settings
    )


def test_without_noise_there_is_no_ratio(denoiser):
    estimate = estimate_noise(denoiser, np.full((2, 16, 16), 7))
    assert (estimate.sigma, estimate.snr) == (0, None)


def test_a_volume_of_noise_alone_has_no_signal(denoiser):
    random = np.random.default_rng(0)
    estimate = estimate_noise(denoiser, random.normal(0, 5, (2, 32, 32)) - 100, DenoiseSettings(noise="gaussian"))
    assert estimate.sigma > 0
    assert estimate.snr is None


def test_empty_slices_do_not_count(denoiser):
    volume = discs(8).astype(np.float32)
    expected = estimate_noise(denoiser, volume[3:6])
    volume[:3] = volume[6:] = 0
    estimate, result = estimate_noise(denoiser, volume), denoiser(volume, DenoiseSettings(iterations=1))
    assert (estimate.sigma, estimate.slices) == (pytest.approx(expected.sigma, rel=0.02), 8)
    assert result.sigma == pytest.approx(estimate.sigma, rel=1e-5)
    assert not result.slice_sigma[[0, 1, 2, 6, 7]].any()


@pytest.mark.parametrize("radius", [5, 8])
def test_a_bright_spot_does_not_hide_the_noise_of_its_slice(denoiser, radius):
    random = np.random.default_rng(2)
    rows, columns = np.mgrid[:128, :128] - 64
    clean = np.where(rows**2 + columns**2 < 2600, 700 + 150 * np.sin(rows / 5) * np.cos(columns / 6), 0.0)
    clean[(columns - 12) ** 2 + (rows + 9) ** 2 < radius**2] = 9000
    noisy = np.hypot(clean + random.normal(0, 50, (1, 128, 128)), random.normal(0, 50, (1, 128, 128)))
    assert estimate_noise(denoiser, noisy, DenoiseSettings(intensity_range=(0, 900))).sigma > 37


def test_what_cannot_be_denoised_is_refused(denoiser):
    with pytest.raises(InvalidVolumeError):
        estimate_noise(denoiser, np.zeros((4, 4)))
