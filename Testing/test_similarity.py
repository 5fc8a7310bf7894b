"""PSNR and SSIM against scikit-image's, which Slicer does not have."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from NeuralDiffusionLib import DenoiseCancelled
from NeuralDiffusionLib.similarity import psnr, ssim


@pytest.fixture
def reference():
    """Two smooth slices of different brightness, in a scanner's units; int16."""
    rows, columns = np.mgrid[:30, :37]
    slices = [900 * np.sin(rows / 5) * np.cos(columns / 7), 300 * np.cos(rows / 4) + 100]
    return np.rint(np.stack(slices) + 1000).astype(np.int16)


@pytest.fixture
def noisy(reference):
    return np.rint(reference + np.random.default_rng(0).normal(0, 80, reference.shape)).astype(np.int16)


def data_range(reference):
    return int(reference.max()) - int(reference.min())


def test_psnr_is_that_of_scikit_image_with_the_range_of_the_reference(reference, noisy):
    expected = peak_signal_noise_ratio(reference, noisy, data_range=data_range(reference))
    assert psnr(reference, noisy) == pytest.approx(expected, rel=1e-12)


def test_ssim_is_the_mean_of_scikit_images_over_the_slices(reference, noisy):
    options = {
        "data_range": data_range(reference),
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
    }
    slices = [
        structural_similarity(first.astype(float), second.astype(float), **options)
        for first, second in zip(reference, noisy, strict=True)
    ]
    assert ssim(reference, noisy) == pytest.approx(np.mean(slices), rel=1e-9)
    assert abs(slices[0] - slices[1]) > 0.01


def test_in_a_mask_ssim_is_the_mean_of_scikit_images_map_there(reference, noisy):
    mask = np.zeros(reference.shape, bool)
    mask[0, 3:20, 2:30] = mask[1, 10:12, 10:12] = True
    total, count = 0.0, 0
    for first, second, inside in zip(reference, noisy, mask, strict=True):
        _, similarity = structural_similarity(
            first.astype(float),
            second.astype(float),
            data_range=data_range(reference),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        inside = inside[5:-5, 5:-5]
        total, count = total + similarity[5:-5, 5:-5][inside].sum(), count + inside.sum()
    assert ssim(reference, noisy, mask) == pytest.approx(total / count, rel=1e-9)


def test_in_a_mask_only_its_voxels_count_for_the_psnr(reference, noisy):
    mask = np.zeros(reference.shape, bool)
    mask[1, 4:9] = True
    spoilt = np.where(mask, noisy, 30_000).astype(np.int16)
    expected = peak_signal_noise_ratio(reference[mask], noisy[mask], data_range=data_range(reference))
    assert psnr(reference, spoilt, mask) == pytest.approx(expected, rel=1e-12)


def test_equal_volumes_are_infinitely_close(reference):
    assert psnr(reference, reference) == math.inf
    assert ssim(reference, reference) == pytest.approx(1, abs=1e-12)


def test_neither_depends_on_units_or_scalar_type(reference, noisy):
    for measure in (psnr, ssim):
        expected = measure(reference, noisy)
        assert measure(reference.astype(np.uint16), noisy.astype(np.float64)) == pytest.approx(expected, rel=1e-9)
        assert measure(reference * 1e3, noisy * 1e3) == pytest.approx(expected, rel=1e-9)


def test_no_integer_wraps():
    reference, volume = np.zeros((1, 12, 12), np.uint8), np.zeros((1, 12, 12), np.uint8)
    reference[0, 0, 0], volume[0, 1, 1] = 200, 200
    assert psnr(reference, volume) == pytest.approx(10 * math.log10(144 / 2))


def test_a_mask_at_the_rim_leaves_no_window(reference, noisy):
    mask = np.zeros(reference.shape, bool)
    mask[:, :4] = True
    assert math.isnan(ssim(reference, noisy, mask))


def test_progress_of_ssim_counts_slices_and_cancel_stops_between_them(reference, noisy):
    told, answers = [], iter([False, True])
    with pytest.raises(DenoiseCancelled, match="after 1 of 2 slices"):
        ssim(
            reference,
            noisy,
            progress=lambda done, total: told.append((done, total)),
            cancelled=lambda: next(answers),
        )
    assert told == [(1, 2)]
