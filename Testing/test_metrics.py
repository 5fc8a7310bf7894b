"""The figures of the table: what each of them sees, and where it says that it cannot tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import convolve

from NeuralDiffusionTraining.benchmark.head import head_mask
from NeuralDiffusionTraining.benchmark.metrics import FIGURES, head_masks, measure, measure_all


@pytest.fixture(scope="module")
def clean():
    """A head of 0.6 with a dark cavity, a speck of 0.4 beside it, air around."""
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    picture = 0.6 * (np.hypot(rows, columns) < 0.7)
    picture[28:36, 28:36] = 0.01
    picture[2:4, 2:4] = 0.4
    return picture


def test_head_is_the_largest_part_without_holes(clean):
    head = head_mask(clean)
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    np.testing.assert_array_equal(head, np.hypot(rows, columns) < 0.7)


def test_a_dark_slice_has_no_head():
    assert not head_mask(np.full((20, 20), 0.03)).any()


def test_an_error_counts_where_it_is(clean):
    in_air = clean + 0.1 * ~head_mask(clean)
    figures = measure(in_air, clean)
    assert figures.psnr_head_db == math.inf
    assert figures.psnr_background_db == pytest.approx(20)
    in_head = clean - 0.01 * head_mask(clean)
    figures = measure(in_head, clean)
    assert figures.psnr_head_db == pytest.approx(40)
    assert figures.psnr_background_db == math.inf
    assert 40 < figures.psnr_db < 50


def test_a_region_that_is_not_there_has_no_figure():
    full = np.random.default_rng(0).uniform(0.3, 0.9, (32, 32))
    assert math.isnan(measure(full + 0.01, full).psnr_background_db)
    dark = np.random.default_rng(0).uniform(0, 0.04, (32, 32))
    assert math.isnan(measure(dark + 0.01, dark).psnr_head_db)


def test_hfen_is_the_published_formula(clean):
    noisy = np.clip(clean + 0.05 * np.random.default_rng(0).standard_normal(clean.shape), 0, 1)
    down, right = np.mgrid[-7:8, -7:8]
    squared = down**2 + right**2
    gauss = np.exp(-squared / (2 * 1.5**2))
    gauss /= gauss.sum()
    kernel = gauss * (squared - 2 * 1.5**2) / 1.5**4
    kernel -= kernel.mean()
    error, reference = convolve(noisy - clean, kernel), convolve(clean, kernel)
    expected = np.linalg.norm(error) / np.linalg.norm(reference)
    assert measure(noisy, clean).hfen == pytest.approx(expected, rel=0.01)


def test_hfen_is_blind_to_an_offset_and_undefined_for_an_empty_slice(clean):
    assert measure(clean * 0.9 + 0.05, clean * 0.9).hfen == pytest.approx(0, abs=1e-4)
    assert measure(clean, clean).hfen == 0
    assert math.isnan(measure(clean, np.zeros_like(clean)).hfen)
    assert math.isnan(measure(clean, np.full_like(clean, 0.3)).hfen)


def test_rounding_errors_count_as_equal_but_a_sixteen_bit_step_does_not(clean):
    assert measure(clean + 1e-12, clean).psnr_db == math.inf
    assert 90 < measure(clean + 2**-16, clean).psnr_db < 110


def test_all_slices_are_measured_one_by_one(clean):
    pictures = np.stack([clean, clean + 0.1, clean * 0.5])
    truths = np.stack([clean] * 3)
    table = measure_all(pictures, truths, head_masks(truths))
    assert table.shape == (3, len(FIGURES))
    for row, picture in zip(table, pictures, strict=True):
        figures = measure(picture, clean)
        np.testing.assert_array_equal(row, [getattr(figures, name) for name in FIGURES])
