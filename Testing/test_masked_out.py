"""What was set to 0 before a run, as by skull stripping: it stays 0, and what lies along it is not smoothed into it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.engine.masked_out import continued, masked_out


def brain(sigma=60.0, slices=4, size=72):
    """Textured discs with Rician noise, masked afterwards: the truth, the noisy scan and the mask."""
    random = np.random.default_rng(5)
    rows, columns = np.mgrid[:size, :size]
    clean = (600 + 150 * np.sin(rows / 5) * np.cos(columns / 6)) * np.ones((slices, 1, 1))
    inside = ((rows - size / 2) ** 2 + (columns - size / 2) ** 2 < (0.4 * size) ** 2) * np.ones((slices, 1, 1), bool)
    noisy = np.hypot(clean + random.normal(0, sigma, clean.shape), random.normal(0, sigma, clean.shape))
    return clean * inside, noisy * inside, inside


def rim_of(inside):
    inner = inside.copy()
    for axis in (1, 2):
        for step in (-2, -1, 1, 2):
            inner &= np.roll(inside, step, axis)
    return inside & ~inner


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_what_was_masked_stays_0_to_the_last_bit(denoiser, kind, across):
    _, noisy, inside = brain()
    volume = noisy.astype(kind)
    image = denoiser(volume, DenoiseSettings(across_slices=across), scalar_type=kind).image
    assert not image[~inside].any()
    assert image[inside].all()


def test_masks_that_differ_from_slice_to_slice_are_kept_across_the_slices(denoiser):
    _, noisy, inside = brain(slices=6)
    inside &= np.arange(6)[:, None, None] % 2 == np.arange(72)[None, :, None] // 24 % 2
    image = denoiser(noisy * inside, DenoiseSettings(across_slices=True)).image
    assert not image[~inside].any()


@pytest.mark.parametrize("sigma", [40.0, 80.0])
def test_along_the_mask_the_scan_becomes_better_not_worse(denoiser, sigma):
    clean, noisy, inside = brain(sigma)
    rim = rim_of(inside)

    def error(image):
        return np.sqrt(np.mean((image - clean)[rim] ** 2))

    assert error(denoiser(noisy, DenoiseSettings(sigma=sigma)).image) < 0.8 * error(noisy)


def test_the_level_is_that_of_the_masked_slices_themselves(denoiser):
    _, noisy, _ = brain()
    noisy = noisy.astype(np.float32)
    # Without a mask nothing is continued, and a level of its own is estimated for each slice all the same.
    shifted = np.where(noisy == 0, np.float32(1e-3), noisy)
    assert denoiser(noisy).sigma == pytest.approx(denoiser(shifted).sigma, rel=0.01)


def test_single_zeros_are_not_taken_for_a_mask():
    zeros = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) < 0.5
    assert masked_out(zeros) is None
    zeros[..., 10:15, 20:25] = True
    assert masked_out(zeros)[..., 10:15, 20:25].all()


def test_a_mask_reaches_to_the_border_but_a_few_zeros_in_a_corner_are_none():
    zeros = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    zeros[..., :3, :3] = True
    assert masked_out(zeros) is None
    zeros[..., :5] = True
    assert torch.equal(masked_out(zeros)[0, 0, :, 6], torch.zeros(20, dtype=torch.bool))
    assert masked_out(zeros)[..., :5].all()


def test_slices_are_continued_by_what_is_left_and_not_by_specks():
    slices = torch.zeros(1, 1, 24, 24)
    slices[..., 8:] = 3.0
    slices[..., 12, 2] = 9.0
    going_on = continued(slices, masked_out(slices == 0))
    assert (going_on[..., 4:8] == 3).all()
    assert going_on[..., 12, 2] == 9
    assert not going_on[..., :4].where(slices[..., :4] == 0, 0).any()


def test_slices_with_nothing_left_come_back(denoiser):
    volume = brain()[1].astype(np.float32)
    volume[1:3] = 0
    result = denoiser(volume, DenoiseSettings(across_slices=True))
    assert not result.image[1:3].any()
    assert result.image[0].any()
