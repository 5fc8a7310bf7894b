"""The step across slices: less noise where they agree, nothing elsewhere, and the properties of a diffusion step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionLib.engine.across_slices import StepAcross
from NeuralDiffusionLib.engine.scalar_types import cast_to
from NeuralDiffusionLib.engine.slice_run import SliceRun
from NeuralDiffusionTraining.speed import across_whole
from NeuralDiffusionTraining.speed.across_whole import diffuse_across

CPU = torch.device("cpu")


def step(images, sigma, noise="rician", intensity_range=(0.0, 1.0)):
    """What the step makes of a stack; `sigma` is of all slices, or one for each."""
    images = np.array(images)
    run = SliceRun.of(images, DenoiseSettings(noise=noise, intensity_range=intensity_range))
    diffuse_across(images, run, np.broadcast_to(np.float32(sigma), len(images)), CPU)
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
    monkeypatch.setattr(across_whole, "_PART_VOXELS", voxels)
    np.testing.assert_array_equal(step(volume, 0.1), whole)


@pytest.mark.parametrize("sizes", [[7], [1] * 7, [2, 3, 2], [3, 1, 3]])
def test_batches_give_each_slice_once_and_may_come_again(sizes):
    volume = 0.5 + noise(sigma=0.05)
    run = SliceRun.of(volume, DenoiseSettings(intensity_range=(0.0, 1.0)))
    taking, stepped, end = StepAcross(run), np.full_like(volume, np.nan), 0
    for size in sizes:
        part = slice(end, end + size)
        for again in range(2):
            # The first time with slices that are thrown away, as where memory ran out after them.
            images = torch.from_numpy(volume[part]) * (1 if again else 3)
            place, finished = taking(part, images, torch.full((size,), 0.1))
        assert np.isnan(stepped[place]).all()
        stepped[place], end = finished.numpy(), part.stop
        taking.forget(end)
    np.testing.assert_array_equal(stepped, step(volume, 0.1))


def test_the_gate_looks_at_five_by_five_pixels():
    volume = np.full((2, 24, 28), 0.5, np.float32)
    volume[1] += 0.001
    volume[1, 10, 12] += 0.4
    held = np.abs(step(volume, 0.01)[0] - 0.5) < 1e-5
    expected = np.zeros((24, 28), bool)
    expected[8:13, 10:15] = True
    np.testing.assert_array_equal(held, expected)


def test_intensities_far_beyond_the_range_leave_numbers():
    volume = 0.5 + noise(sigma=0.05)
    volume[2:5, 3, 3] = (1e30, 2e30, 3e30)
    after = step(1e-10 * volume, 1e-11, intensity_range=(0.0, 1e-10))
    assert np.isfinite(after).all()


def test_the_order_of_the_stack_may_be_reversed():
    volume = 0.5 + noise(sigma=0.05)
    np.testing.assert_allclose(step(volume[::-1], 0.1)[::-1], step(volume, 0.1), atol=1e-6)


def test_units_do_not_matter():
    volume = 0.5 + noise(sigma=0.05)
    scaled = step(1024 * volume, 102.4, intensity_range=(0, 1024))
    np.testing.assert_allclose(scaled / 1024, step(volume, 0.1), atol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1000.0])
@pytest.mark.parametrize("kind", ["speckle", "mixed"])
def test_noise_that_grows_with_the_signal_is_not_looked_for_in_the_dark(kind, unit):
    # The level of speckle has no unit.
    level, top = (0.1 if kind == "speckle" else 0.1 * unit), {"intensity_range": (0.0, unit)}
    signal = np.where(np.arange(28) < 14, 0.1, 1.0)
    volume = (unit * signal * (0.9 + noise(sigma=0.05))).astype(np.float32)
    change = np.abs(step(volume, level, kind, **top) - volume).mean(axis=(0, 1))
    assert change[20:].mean() > 0.01 * unit
    assert change[20:].mean() / change[:8].mean() == pytest.approx(10, rel=0.3)
    unlike = volume + np.float32(0.08 * unit) * (np.arange(7) % 2)[:, None, None]
    assert np.abs(step(unlike, level, kind, **top) - unlike)[..., :8].max() < 0.002 * unit


def test_a_broken_pixel_spoils_nothing():
    volume = 1000 * (0.5 + noise(sigma=0.02))
    volume[3, 5, 5] = 32767
    after = step(volume, 100.0, intensity_range=(0, 1000))
    assert after[3, 5, 5] == 32767
    assert np.abs(np.delete(after - volume, 3, axis=0)).max() < 100


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32])
def test_whole_numbers_are_rounded_once(denoiser, kind):
    volume = np.rint(20 + 100 * np.abs(0.5 + noise(sigma=0.1))).astype(kind)
    asked = DenoiseSettings(iterations=2, across_slices=True)
    exact = denoiser(volume, asked, scalar_type=np.float64).image
    np.testing.assert_array_equal(denoiser(volume, asked, scalar_type=kind).image, cast_to(exact, np.dtype(kind)))


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


@pytest.mark.parametrize("failing", [1, 2, 4])
@pytest.mark.parametrize("error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError()])
def test_where_memory_runs_out_the_batch_is_halved_and_the_result_whole(denoiser, monkeypatch, failing, error):
    volume = np.abs(0.5 + noise(sigma=0.1)).astype(np.float32)
    asked = DenoiseSettings(iterations=2, across_slices=True)
    expected = denoiser(volume, asked).image
    begun = []

    def flux_in_little_memory(*arguments):
        begun.append(len(begun) + 1)
        if begun[-1] == failing:
            raise error
        return flux(*arguments)

    flux = StepAcross._flux
    monkeypatch.setattr(StepAcross, "_flux", flux_in_little_memory)
    monkeypatch.setattr(engine, "batch_size", lambda *_: 2)
    result = denoiser(volume, asked)
    np.testing.assert_allclose(result.image, expected, atol=0.005)
    assert result.notes == ("The memory of cpu ran out; the number of slices in a batch was halved to 1.",)


def test_main_memory_too_small_for_the_step_ends_in_a_sentence(denoiser, monkeypatch):
    def no_memory(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(StepAcross, "_flux", no_memory)
    with pytest.raises(MemoryError, match="too small for one slice of 672 pixels: close other programs"):
        denoiser(np.abs(0.5 + noise()), DenoiseSettings(iterations=1, across_slices=True))


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="Step across slices 1 is not possible"):
        DenoiseSettings(across_slices=1)
