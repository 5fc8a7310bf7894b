"""Warnings about what the network was not trained for: none for ordinary MR, a full sentence for all else."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.ndimage import zoom

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.domain_checks import FAINTEST_SIGMA, TRAINED_SIGMA, domain_warnings
from NeuralDiffusionLib.engine.intensity import estimate_range
from NeuralDiffusionTraining.training.config import SamplingConfig

ISOTROPIC = (1.0, 1.0, 1.0)
MULTISLICE = (5.0, 0.9, 0.9)


def head(shape=(12, 40, 48), scale=1000.0):
    """A bright ball with a darker core in air of 0, float64."""
    radius = np.sqrt(sum(axis**2 for axis in np.ogrid[tuple(slice(-1, 1, size * 1j) for size in shape)]))
    return scale * (0.9 * (radius < 0.85) - 0.5 * (radius < 0.4))


def rician(clean, sigma, seed=0):
    first, second = sigma * np.random.default_rng(seed).standard_normal((2, *clean.shape))
    return np.hypot(clean + first, second)


def gaussian(clean, sigma, seed=0):
    return clean + sigma * np.random.default_rng(seed).standard_normal(clean.shape)


def ct(shape=(8, 40, 48)):
    """A head in Hounsfield units: air, soft tissue and bone, with noise of 12."""
    radius = np.sqrt(sum(axis**2 for axis in np.ogrid[tuple(slice(-1, 1, size * 1j) for size in shape)]))
    units = np.where(radius < 0.85, np.where(radius > 0.75, 1100, 40), -1000)
    return gaussian(units, 12).clip(-1024, 3071).astype(np.int16)


def the_one(warnings, *words):
    """The only warning, which says all of the words in one full sentence."""
    (sentence,) = warnings
    for word in words:
        assert word in sentence
    # What was found, with a number; why it matters; what to do.
    assert re.search(r"\d", sentence.partition(": ")[0])
    assert ": " in sentence
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert "e+" not in sentence
    return sentence


class TestOrdinaryScans:
    @pytest.mark.parametrize("sigma", [0, 10, 60, 150, 250])
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32])
    def test_magnitude_scans_with_any_noise_of_training(self, sigma, dtype):
        scale = 0.1 if dtype == np.uint8 else 1.0
        volume = (scale * rician(head(), sigma)).astype(dtype)
        assert domain_warnings(volume, MULTISLICE, 0, sigma=scale * sigma, intensity_range=(0.0, 1000 * scale)) == []
        assert domain_warnings(volume, ISOTROPIC, 0) == []

    @pytest.mark.parametrize("sigma", [20, 100, 250])
    def test_real_valued_scans_whose_air_is_noise_about_zero(self, sigma):
        volume = gaussian(head(), sigma)
        assert (volume < -sigma).mean() > 0.05
        assert domain_warnings(volume, ISOTROPIC, 0, sigma=sigma) == []

    @pytest.mark.parametrize("axis", range(3))
    def test_signed_integers_that_resampling_pushed_below_zero(self, axis):
        volume = np.rint(zoom(rician(head((10, 24, 30)), 30), (2, 1.7, 1.6), order=3)).astype(np.int16)
        assert volume.min() < -50
        assert domain_warnings(volume, ISOTROPIC, axis, sigma=30) == []

    @pytest.mark.parametrize("axis", range(3))
    def test_an_isotropic_3d_scan_along_each_axis(self, axis):
        assert domain_warnings(rician(head((36, 40, 48)), 30), (1.0, 1.05, 0.94), axis, sigma=30) == []

    @pytest.mark.parametrize("axis", range(3))
    def test_a_2d_multislice_scan_stacked_along_each_axis(self, axis):
        volume = np.moveaxis(rician(head((6, 40, 48)), 30).astype(np.int16), 0, axis)
        assert domain_warnings(volume, np.insert([0.6, 0.9], axis, 6.5), axis, sigma=30) == []

    def test_a_single_slice(self):
        assert domain_warnings(rician(head((3, 40, 48))[1:2], 30), MULTISLICE, 0, sigma=30) == []

    def test_what_the_network_estimates_on_them_is_no_reason_to_warn(self):
        volume = rician(head((4, 40, 48)), 90).astype(np.float32)
        sigma = Denoiser("cpu")(volume, DenoiseSettings(iterations=1)).sigma
        assert sigma > 50
        assert domain_warnings(volume, MULTISLICE, 0, sigma=sigma) == []


class TestFarBelowZero:
    @pytest.mark.parametrize("axis", range(3))
    def test_the_air_of_ct_is_warned_of(self, axis):
        volume = ct((20, 40, 48))
        the_one(domain_warnings(volume, ISOTROPIC, axis), f"far below zero, down to {volume.min()}", "CT", "Gaussian")

    def test_the_share_is_that_of_the_air(self):
        volume = ct()
        share = re.search(r"About (\d+)%", the_one(domain_warnings(volume, MULTISLICE, 0)))
        assert int(share[1]) == pytest.approx(100 * np.mean(volume < -500), abs=4)

    def test_phase_images(self):
        across = np.linspace(0, 6 * np.pi, 48)
        phase = np.broadcast_to((across + np.pi) % (2 * np.pi) - np.pi, (6, 40, 48))
        the_one(domain_warnings(phase, MULTISLICE, 0), "far below zero, down to -3.07", "phase")

    def test_what_was_removed_from_a_scan(self):
        removed = head() - 900 * np.roll(head() > 0, 8, axis=2)
        the_one(domain_warnings(removed, MULTISLICE, 0), "difference")


class TestFarAboveZero:
    def test_an_offset_in_which_the_noise_cannot_be_found_is_warned_of(self, denoiser):
        volume = gaussian(head((2, 64, 80)), 90) + 10_000
        assert denoiser(volume, DenoiseSettings(noise="gaussian", iterations=1)).sigma < 45
        the_one(domain_warnings(volume, MULTISLICE, 0), f"from {volume.min():.0f} to about 1", "subtract the offset")

    def test_one_in_which_it_is_found_is_not(self, denoiser):
        volume = gaussian(head((2, 64, 80)), 90) + 1500
        assert denoiser(volume, DenoiseSettings(noise="gaussian", iterations=1)).sigma == pytest.approx(90, rel=0.15)
        assert domain_warnings(volume, MULTISLICE, 0) == []

    def test_neither_is_one_whose_range_is_given_and_begins_there(self, denoiser):
        volume = gaussian(head((2, 64, 80)), 90) + 10_000
        given = (9900.0, float(volume.max()))
        settings = DenoiseSettings(noise="gaussian", iterations=1, intensity_range=given)
        assert denoiser(volume, settings).sigma == pytest.approx(90, rel=0.25)
        assert domain_warnings(volume, MULTISLICE, 0, intensity_range=given) == []

    def test_neither_is_a_volume_of_one_intensity(self):
        assert domain_warnings(np.full((4, 40, 48), 1000.0), MULTISLICE, 0) == []


class TestPixels:
    @pytest.mark.parametrize(
        ("spacing", "axis", "expected"),
        [
            ((1.0, 1.0, 1.6), 0, "1 x 1.6 mm"),
            ((5.0, 0.9, 0.9), 1, "0.9 x 5 mm"),
            ((5.0, 0.9, 0.9), 2, "0.9 x 5 mm"),
            ((1.0, 3.0, 1.0), 0, "1 x 3 mm"),
        ],
    )
    def test_long_ones_are_measured(self, spacing, axis, expected):
        volume = rician(head((20, 40, 48)), 30)
        the_one(domain_warnings(volume, spacing, axis), expected, "1 : 1.5", "another axis or resample")

    @pytest.mark.parametrize("spacing", [(5.0, 0.6, 0.9), (5.0, 1.5, 1.0)])
    def test_a_ratio_of_one_and_a_half_is_still_taken(self, spacing):
        assert domain_warnings(rician(head(), 30), spacing, 0) == []

    @pytest.mark.parametrize(
        ("shape", "axis", "expected"),
        [((12, 40, 48), 1, "12 x 48"), ((12, 40, 48), 2, "12 x 40"), ((30, 15, 48), 0, "15 x 48")],
    )
    def test_fewer_than_sixteen_are_counted(self, shape, axis, expected):
        volume = rician(head(shape), 30)
        the_one(domain_warnings(volume, ISOTROPIC, axis), f"slices have {expected} pixels", "fewer than 16")

    def test_sixteen_are_enough(self):
        assert domain_warnings(rician(head((5, 16, 16)), 30), ISOTROPIC, 0) == []


class TestVoxels:
    def test_too_few_are_counted(self):
        the_one(domain_warnings(rician(head((3, 20, 24))[1:2], 30), ISOTROPIC, 0), "480 voxels", "1000", "whole scan")

    def test_a_thousand_are_enough(self):
        assert domain_warnings(rician(head((3, 25, 40))[1:2], 30), ISOTROPIC, 0) == []


class TestNoiseLevel:
    def test_the_range_is_that_of_training(self):
        assert (0.0, SamplingConfig().max_sigma) == TRAINED_SIGMA

    def test_a_level_above_it_is_said_in_image_units(self):
        volume = rician(head(), 60)
        low, high = estimate_range(volume)
        limit = 0.25 * (high - low)
        assert domain_warnings(volume, MULTISLICE, 0, sigma=0.99 * limit) == []
        sentence = the_one(domain_warnings(volume, MULTISLICE, 0, sigma=1.3 * limit), "outside the range of training")
        assert f"noise level of {1.3 * limit:.0f} " in sentence
        assert f"0 to {limit:.0f} (in image units, for intensities from 0 to {high:.0f})" in sentence

    def test_a_given_intensity_range_sets_the_units(self):
        volume = rician(head(), 60)
        assert domain_warnings(volume, MULTISLICE, 0, sigma=450, intensity_range=(-100.0, 1900.0)) == []
        sentence = the_one(domain_warnings(volume, MULTISLICE, 0, sigma=45, intensity_range=(-50.0, 100.0)))
        assert "0 to 37.5 (in image units, for intensities from -50 to 100)" in sentence

    def test_speckle_is_measured_against_the_signal(self):
        volume = head() * gaussian(np.ones((12, 40, 48)), 0.2)
        assert domain_warnings(volume, MULTISLICE, 0, sigma=0.2, relative_sigma=True) == []
        the_one(domain_warnings(volume, MULTISLICE, 0, sigma=0.4, relative_sigma=True), "0.4", "0.25 (of the signal)")

    @pytest.mark.parametrize("relative", [False, True])
    def test_a_given_level_that_removes_hardly_anything(self, relative):
        volume, unit = rician(head(), 60), 1.0 if relative else 1000.0
        about = {"intensity_range": (0.0, 1000.0), "relative_sigma": relative}
        for sigma, given in ((0.0, True), (0.0005, False), (0.003, True)):
            assert domain_warnings(volume, MULTISLICE, 0, unit * sigma, sigma_is_given=given, **about) == []
        where = "of the signal" if relative else "in image units, for intensities from 0 to 1000"
        sentence = the_one(domain_warnings(volume, MULTISLICE, 0, unit * 0.0005, sigma_is_given=True, **about), where)
        assert sentence.startswith(f"The noise level of {unit * 0.0005:g} is so low that hardly anything is removed")

    @pytest.mark.parametrize("noise", ["rician", "speckle"])
    def test_hardly_anything_is_removed_then(self, noise):
        volume = rician(head(), 90).astype(np.float32)
        sigma = FAINTEST_SIGMA * (1.0 if noise == "speckle" else 1000.0)
        settings = DenoiseSettings(noise=noise, sigma=sigma, intensity_range=(0.0, 1000.0))
        assert np.abs(Denoiser("cpu")(volume, settings).image - volume).max() < 0.005 * 1000

    def test_scanners_with_large_numbers_get_no_powers_of_ten(self):
        volume = rician(head(scale=30000), 900)
        the_one(domain_warnings(volume, MULTISLICE, 0, sigma=12345), "noise level of 12345 ")


def test_each_finding_has_a_sentence_of_its_own():
    warnings = domain_warnings(ct((3, 12, 20))[1:2], (1.0, 1.0, 2.0), 0, sigma=5000)
    assert len(warnings) == len(set(warnings)) == 5


def test_the_voxels_are_not_changed():
    volume = ct()
    before = volume.copy()
    domain_warnings(volume, MULTISLICE, 0, sigma=10)
    np.testing.assert_array_equal(volume, before)
