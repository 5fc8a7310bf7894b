"""The step across slices: less noise where they agree, nothing elsewhere, and the properties of a diffusion step."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from NeuralDiffusionLib import DenoiseCancelled, DenoiseSettings
from NeuralDiffusionLib.engine import across_slices
from NeuralDiffusionLib.engine.across_slices import diffuse_across
from NeuralDiffusionLib.engine.slice_run import SliceRun

CPU = torch.device("cpu")


def step(images, sigma, noise="rician", intensity_range=(0.0, 1.0)):
    """What the step makes of a stack; `sigma` is of all slices, or one for each."""
    images = np.array(images)
    run = SliceRun.of(images, DenoiseSettings(noise=noise, intensity_range=intensity_range))
    diffuse_across(images, run, np.broadcast_to(np.float32(sigma), len(images)), CPU, lambda: None)
    return images


def noise(shape=(7, 24, 28), sigma=0.01, seed=0):
    return sigma * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_what_noise_is_left_where_slices_agree_is_averaged_over_three():
    flat = 0.5 + noise(sigma=0.02)
    after = step(flat, 0.5)
    assert after[1:-1].std() == pytest.approx(flat.std() / np.sqrt(3), rel=0.02)
    np.testing.assert_allclose(after[3], flat[2:5].mean(axis=0), atol=0.002)


def test_anatomy_that_changes_by_more_than_the_noise_stays():
    volume = np.full((5, 24, 28), 0.2, np.float32)
    volume[2:, 8:16, 8:16] = 0.8
    np.testing.assert_allclose(step(volume, 0.1), volume, atol=1e-4)


def test_without_noise_every_bit_stays():
    volume = noise(sigma=0.3)
    np.testing.assert_array_equal(step(volume, 0.0), volume)
    np.testing.assert_array_equal(step(volume, [0, 0.1, 0, 0.1, 0, 0.1, 0]), volume)


@given(seed=st.integers(0, 2**32 - 1), sigma=st.floats(0.001, 1.0), count=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_the_mean_is_kept_and_no_voxel_leaves_the_range_of_its_neighbours(seed, sigma, count):
    volume = np.random.default_rng(seed).random((count, 6, 9), np.float32)
    after = step(volume, sigma)
    assert after.mean(dtype=np.float64) == pytest.approx(volume.mean(dtype=np.float64), abs=1e-6)
    padded = np.pad(volume, ((1, 1), (0, 0), (0, 0)), mode="edge")
    neighbours = np.stack([padded[:-2], padded[1:-1], padded[2:]])
    assert (after >= neighbours.min(axis=0) - 1e-6).all()
    assert (after <= neighbours.max(axis=0) + 1e-6).all()


@pytest.mark.parametrize("voxels", [1, 1400, 2000])
def test_parts_of_any_size_give_the_same(monkeypatch, voxels):
    volume = 0.5 + noise(sigma=0.05)
    whole = step(volume, 0.1)
    monkeypatch.setattr(across_slices, "_PART_VOXELS", voxels)
    np.testing.assert_array_equal(step(volume, 0.1), whole)


def test_the_order_of_the_stack_may_be_reversed():
    volume = 0.5 + noise(sigma=0.05)
    np.testing.assert_allclose(step(volume[::-1], 0.1)[::-1], step(volume, 0.1), atol=1e-6)


def test_units_do_not_matter():
    volume = 0.5 + noise(sigma=0.05)
    scaled = step(1024 * volume, 102.4, intensity_range=(0, 1024))
    np.testing.assert_allclose(scaled / 1024, step(volume, 0.1), atol=1e-6)


@pytest.mark.parametrize("kind", ["speckle", "mixed"])
def test_noise_that_grows_with_the_signal_is_not_looked_for_in_the_dark(kind):
    signal = np.where(np.arange(28) < 14, 0.1, 1.0)
    volume = (signal * (0.9 + noise(sigma=0.05))).astype(np.float32)
    change = np.abs(step(volume, 0.1, kind) - volume).mean(axis=(0, 1))
    assert change[20:].mean() / change[:8].mean() == pytest.approx(10, rel=0.3)
    unlike = volume + np.float32(0.08) * (np.arange(7) % 2)[:, None, None]
    assert np.abs(step(unlike, 0.1, kind) - unlike)[..., :8].max() < 0.002


def test_whole_numbers_are_rounded_and_a_broken_pixel_spoils_nothing():
    volume = np.rint(1000 * (0.5 + noise(sigma=0.02))).astype(np.int16)
    volume[3, 5, 5] = 32767
    after = step(volume, 100.0, intensity_range=(0, 1000))
    assert after.dtype == np.int16
    assert after[3, 5, 5] == 32767
    assert np.abs(np.delete(after.astype(int), 3, axis=0) - np.delete(volume.astype(int), 3, axis=0)).max() < 100


def test_a_denoiser_takes_the_step_only_if_asked_to(denoiser):
    volume = np.abs(0.5 + noise(sigma=0.1)).astype(np.float32)
    alone = DenoiseSettings(iterations=2, intensity_range=(0.0, 1.0))
    bare, asked = denoiser(volume, alone), denoiser(volume, replace(alone, across_slices=True))
    np.testing.assert_array_equal(denoiser(volume, replace(alone, across_slices=False)).image, bare.image)
    expected = step(bare.image, bare.slice_sigma)
    np.testing.assert_allclose(asked.image, expected, atol=1e-6)
    assert asked.image[1:-1].std() < 0.8 * bare.image[1:-1].std()
    np.testing.assert_array_equal(asked.conduction, bare.conduction)


def test_it_runs_along_the_slice_axis(denoiser):
    volume = np.abs(0.5 + noise((8, 24, 28), sigma=0.1)).astype(np.float32)
    chosen = DenoiseSettings(iterations=2, across_slices=True, intensity_range=(0.0, 1.0))
    expected = np.moveaxis(denoiser(np.ascontiguousarray(np.moveaxis(volume, 2, 0)), chosen).image, 0, 2)
    np.testing.assert_array_equal(denoiser(volume, replace(chosen, slice_axis=2)).image, expected)


def test_it_can_be_cancelled(denoiser):
    volume = np.abs(0.5 + noise((2, 24, 28))).astype(np.float32)
    answers = iter([False, True])
    with pytest.raises(DenoiseCancelled, match="after 2 of 2 slices"):
        denoiser(volume, DenoiseSettings(iterations=1, across_slices=True), cancelled=lambda: next(answers))


@pytest.mark.parametrize("failing", [1, 2, 4])
def test_where_the_memory_of_a_card_runs_out_it_continues_on_the_cpu_and_says_so(denoiser, monkeypatch, failing):
    volume = np.abs(0.5 + noise(sigma=0.1)).astype(np.float32)
    asked = DenoiseSettings(iterations=2, across_slices=True)
    expected = denoiser(volume, asked).image
    begun = []

    def upload_to_a_small_card(images, device):
        begun.append(device.type)
        if len(begun) == failing:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return upload(images, CPU)

    upload = across_slices.upload
    monkeypatch.setattr(across_slices, "upload", upload_to_a_small_card)
    monkeypatch.setattr(across_slices, "_PART_VOXELS", 1)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
    card = copy.copy(denoiser)
    card._device = torch.device("meta")
    result = card(volume, asked)
    np.testing.assert_allclose(result.image, expected, atol=1e-3)
    assert begun == ["meta"] * failing + ["cpu"] * (7 - failing)
    assert result.notes == ("The memory of meta ran out in the step across slices, which continued on the CPU.",)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="Step across slices 1 is not possible"):
        DenoiseSettings(across_slices=1)
