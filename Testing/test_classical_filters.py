"""The classical filters that a result is compared with, against their definitions and Slicer's own code."""

from __future__ import annotations

import numpy as np
import pytest

from NeuralDiffusionLib import DenoiseCancelled
from NeuralDiffusionLib.classical_filters import (
    estimate_sigma,
    gradient_anisotropic_diffusion,
    non_local_means,
    stable_time_step,
)
from NeuralDiffusionTraining.benchmark.peers import slicer_diffusion


def disc(slices=2, sigma=60.0, rows=40, columns=48):
    """A bright disc and stripes in Gaussian noise, without noise and with it; float64."""
    down, right = np.mgrid[:rows, :columns]
    clean = np.where((down - 20) ** 2 + (right - 22) ** 2 < 200, 800.0, 200.0) + 50 * np.sin(right / 3)
    clean = clean * np.ones((slices, 1, 1))
    return clean, clean + np.random.default_rng(0).normal(0, sigma, clean.shape)


class TestGradientAnisotropicDiffusion:
    @pytest.mark.skipif(slicer_diffusion.why_missing() is not None, reason=str(slicer_diffusion.why_missing()))
    def test_it_is_slicers_own_filter_with_its_defaults(self):
        picture = disc(1)[1].astype(np.float32)
        expected = slicer_diffusion.slicer_gradient_diffusion(picture[0])
        np.testing.assert_array_equal(gradient_anisotropic_diffusion(picture, (1, 1, 1))[0], expected)

    def test_noise_goes_and_edges_stay(self):
        clean, noisy = disc()
        result = gradient_anisotropic_diffusion(noisy, (1, 1, 1), iterations=20)
        assert result.dtype == np.float32
        assert (result - clean).std() < 0.8 * (noisy - clean).std()

    def test_it_runs_in_three_dimensions_with_the_spacing(self):
        noisy = disc(4)[1]
        isotropic = gradient_anisotropic_diffusion(noisy, (1, 1, 1))
        thick = gradient_anisotropic_diffusion(noisy, (1, 1, 5))
        slices = np.concatenate([gradient_anisotropic_diffusion(one[None], (1, 1, 1)) for one in noisy])
        assert np.abs(isotropic - slices).max() > 1
        assert np.abs(thick - isotropic).max() > 1

    def test_a_larger_conductance_smooths_more(self):
        noisy = disc()[1]
        gentle, strong = (gradient_anisotropic_diffusion(noisy, (1, 1, 1), conductance=one) for one in (0.5, 5))
        assert np.abs(strong - noisy).mean() > 1.5 * np.abs(gentle - noisy).mean()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"conductance": -1},
            {"conductance": 11},
            {"iterations": 0},
            {"iterations": 31},
            {"time_step": 0},
            {"time_step": 0.1},
        ],
    )
    def test_what_slicers_module_does_not_allow_is_refused(self, wrong):
        with pytest.raises(ValueError, match="is not possible: choose"):
            gradient_anisotropic_diffusion(disc()[1], (1, 1, 1), **wrong)

    def test_a_time_step_that_would_blow_up_is_refused_with_the_largest_that_does_not(self):
        noisy = disc()[1]
        with pytest.raises(ValueError, match=r"not stable for voxels of 0.1 x 0.1 x 0.5 mm: choose 0.022 or less"):
            gradient_anisotropic_diffusion(noisy, (0.1, 0.1, 0.5))
        result = gradient_anisotropic_diffusion(noisy, (0.1, 0.1, 0.5), conductance=10, time_step=0.022, iterations=30)
        assert noisy.min() <= result.min() < result.max() <= noisy.max()
        assert stable_time_step((0.1, 0.1, 0.5)) == 0.022
        assert stable_time_step((0.7, 0.9, 3.5)) == 0.0625

    def test_progress_counts_iterations_and_cancel_stops_between_them(self):
        told, answers = [], iter([False, False, True])
        with pytest.raises(DenoiseCancelled, match="after 2 of 5 iterations"):
            gradient_anisotropic_diffusion(
                disc()[1],
                (1, 1, 1),
                progress=lambda done, total: told.append((done, total)),
                cancelled=lambda: next(answers),
            )
        assert told == [(1, 5), (2, 5)]


def by_definition(picture, row, column, sigma):
    """Buades, Coll and Morel: the mean of the pixels around, weighted by how alike their patches are."""
    wide = np.pad(picture, 8, mode="symmetric")
    row, column = row + 8, column + 8
    patch = wide[row - 2 : row + 3, column - 2 : column + 3]
    total = weights = 0.0
    for down in range(row - 6, row + 7):
        for right in range(column - 6, column + 7):
            other = wide[down - 2 : down + 3, right - 2 : right + 3]
            distance = max(np.mean((other - patch) ** 2) - 2 * sigma**2, 0)
            weight = np.exp(-distance / (0.8 * sigma) ** 2)
            total, weights = total + weight * wide[down, right], weights + weight
    return total / weights


class TestNonLocalMeans:
    @pytest.mark.parametrize(("row", "column"), [(0, 0), (5, 40), (20, 22), (20, 36), (39, 47)])
    def test_it_does_what_its_definition_says(self, row, column):
        noisy = disc(1)[1]
        result = non_local_means(noisy, 60)
        assert result.dtype == np.float32
        assert result[0, row, column] == pytest.approx(by_definition(noisy[0], row, column, 60), rel=1e-5)

    def test_noise_goes(self):
        clean, noisy = disc()
        assert (non_local_means(noisy) - clean).std() < 0.5 * (noisy - clean).std()

    def test_each_slice_stands_for_itself(self):
        noisy = disc(3)[1]
        np.testing.assert_array_equal(non_local_means(noisy, 60)[1:2], non_local_means(noisy[1:2], 60))

    def test_without_noise_nothing_changes(self):
        clean = disc()[0]
        np.testing.assert_array_equal(non_local_means(clean, 0), clean.astype(np.float32))
        flat = np.full((2, 8, 8), 7, np.int16)
        np.testing.assert_array_equal(non_local_means(flat), flat)

    @pytest.mark.parametrize("shape", [(1, 1, 9), (2, 3, 4)])
    def test_slices_smaller_than_the_window_are_taken(self, shape):
        assert np.isfinite(non_local_means(np.random.default_rng(0).normal(50, 5, shape), 5)).all()

    def test_progress_counts_slices_and_cancel_stops_between_them(self):
        calls = []
        with pytest.raises(DenoiseCancelled, match="2 of 3 slices"):
            non_local_means(disc(3)[1], 60, lambda done, total: calls.append((done, total)), lambda: len(calls) == 2)
        assert calls == [(1, 3), (2, 3)]

    @pytest.mark.parametrize("sigma", [-1, float("nan"), float("inf")])
    def test_an_impossible_level_is_refused(self, sigma):
        with pytest.raises(ValueError, match="give a finite number"):
            non_local_means(disc()[1], sigma)


class TestNoiseLevel:
    @pytest.mark.parametrize("sigma", [10, 60])
    def test_it_is_found_in_tissue(self, sigma):
        assert estimate_sigma(disc(4, sigma)[1]) == pytest.approx(sigma, rel=0.15)

    def test_empty_air_around_the_head_does_not_hide_it(self):
        clean, noisy = disc(4)
        noisy[clean < 400] = 0
        assert estimate_sigma(np.pad(noisy, ((0, 0), (40, 40), (40, 40)))) == pytest.approx(60, rel=0.15)

    @pytest.mark.parametrize("shape", [(1, 1, 9), (2, 8, 8)])
    def test_a_flat_or_tiny_volume_has_none(self, shape):
        assert estimate_sigma(np.full(shape, 7, np.int16)) == 0
