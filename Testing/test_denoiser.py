"""The volume engine with the weights that ship."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import torch

from NeuralDiffusionLib import DenoiseCancelled, Denoiser, DenoiseSettings, DeviceError, InvalidVolumeError
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionLib.engine import devices
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork


def head(slices: int = 3, size: int = 48, scale: float = 900.0) -> np.ndarray:
    """A bright ellipsoid with a dark core in black air, float32."""
    axes = np.ogrid[-1 : 1 : slices * 1j, -1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius = np.sqrt(sum(axis**2 for axis in axes))
    return (scale * (0.8 * (radius < 0.85) - 0.4 * (radius < 0.35))).astype(np.float32)


def magnitude_noise(clean: np.ndarray, sigma: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    first, second = sigma * generator.standard_normal((2, *clean.shape))
    return np.hypot(clean + first, second).astype(np.float32)


def mean_square(difference: np.ndarray) -> float:
    return float(np.mean(np.square(difference.astype(np.float64))))


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("neighbours", [4, 8])
def test_noise_is_removed_and_its_level_found(denoiser, refine, neighbours):
    clean = head()
    noisy = magnitude_noise(clean, 90)
    result = denoiser(noisy, DenoiseSettings(refine=refine, neighbours=neighbours))
    assert mean_square(result.image - clean) < 0.25 * mean_square(noisy - clean)
    assert result.sigma == pytest.approx(90, rel=0.3)
    assert result.sigma == np.median(result.slice_sigma)


@pytest.mark.parametrize("size", [(49, 48), (48, 51), (53, 55)])
def test_the_level_does_not_depend_on_the_size_of_the_slices(denoiser, size):
    noisy = magnitude_noise(head(3, 56), 60)
    whole = denoiser(noisy[:, :48, :48]).sigma
    assert denoiser(noisy[:, : size[0], : size[1]]).sigma == pytest.approx(whole, rel=0.12)


def test_air_returns_to_zero_not_to_the_noise_floor(denoiser):
    noisy = magnitude_noise(head(), 90)
    image = denoiser(noisy).image
    assert noisy[:, :6, :6].mean() > 100
    assert image[:, :6, :6].mean() < 25


@pytest.mark.parametrize("noise", ["rician", "gaussian", "speckle", "mixed"])
def test_a_noise_free_volume_comes_back_as_it_was(denoiser, noise):
    clean = head()
    result = denoiser(clean, DenoiseSettings(noise=noise, sigma=0))
    np.testing.assert_array_equal(result.image, clean)
    assert result.conduction.max() == 0


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint16", "int32", "int64", "float16", "float32", "float64"]
)
def test_every_real_type_gives_float32_in_its_own_units(denoiser, dtype):
    volume = magnitude_noise(head(scale=100), 8).clip(0, 127).astype(dtype)
    before = volume.copy()
    result = denoiser(volume)
    assert result.image.dtype == result.conduction.dtype == np.float32
    assert result.image.shape == result.conduction.shape == volume.shape
    assert 20 < result.image.max() < 140
    np.testing.assert_array_equal(volume, before)


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("scalar_type", ["uint8", "int16", ">i2", "uint64", "float64"])
def test_the_image_comes_in_the_type_that_is_asked_for_rounded_and_clipped(denoiser, monkeypatch, axis, scalar_type):
    monkeypatch.setattr(engine, "batch_size", lambda *_: 2)
    volume = magnitude_noise(head(5, 20, scale=500), 40)
    settings = DenoiseSettings(slice_axis=axis, iterations=2)
    exact = denoiser(volume, settings)
    asked = denoiser(volume, settings, scalar_type=np.dtype(scalar_type))
    assert asked.image.dtype == np.dtype(scalar_type)
    assert asked.image.flags.c_contiguous
    whole = np.issubdtype(asked.image.dtype, np.integer)
    expected = np.clip(np.rint(exact.image), 0, 255 if scalar_type == "uint8" else None) if whole else exact.image
    # 32-bit floats differ from 64-bit ones in the eighth digit.
    np.testing.assert_allclose(asked.image.astype(np.float64), expected, rtol=1e-7 * (not whole), atol=0)
    np.testing.assert_array_equal(asked.conduction, exact.conduction)
    assert exact.image.max() > 255


def test_a_conduction_map_that_nobody_wants_is_not_kept_and_changes_nothing(denoiser):
    noisy = magnitude_noise(head(), 60)
    without = denoiser(noisy, conduction=False)
    assert without.conduction is None
    np.testing.assert_array_equal(without.image, denoiser(noisy).image)


def test_units_do_not_matter(denoiser):
    noisy = magnitude_noise(head(), 60)
    small, large = denoiser(noisy), denoiser(noisy.astype(np.float64) * 1e6)
    np.testing.assert_allclose(large.image / 1e6, small.image, atol=0.05)
    assert large.sigma / 1e6 == pytest.approx(small.sigma, rel=1e-3)


def test_a_bright_voxel_above_the_range_survives(denoiser):
    clean = head()
    clean[1, 20:23, 20:23] = 20_000
    result = denoiser(clean + np.random.default_rng(0).normal(0, 9, clean.shape).astype(np.float32))
    assert result.intensity_range[1] < 20_000
    assert result.image[1, 21, 21] > 18_000


def test_a_single_negative_voxel_does_not_move_the_zero_of_a_scan_without_air(denoiser):
    volume = magnitude_noise(np.full((4, 48, 48), 300.0), 30).astype(np.float32)
    volume[:, 12:36, 12:36] *= 3
    settings = DenoiseSettings(sigma=30)
    before = denoiser(volume, settings)
    volume[0, 0, 0] = -1
    after = denoiser(volume, settings)
    assert (before.intensity_range[0], after.intensity_range[0]) == (0, 0)
    assert np.array_equal(after.image[1:], before.image[1:])


def test_range_is_one_for_the_volume_and_can_be_stated(denoiser):
    noisy = magnitude_noise(head(), 60)
    assert denoiser(noisy).intensity_range[0] == 0
    assert denoiser(noisy, DenoiseSettings(intensity_range=(0, 2000))).intensity_range == (0, 2000)


def test_negative_intensities_keep_their_place(denoiser):
    shifted = head() - 1000 + np.random.default_rng(0).normal(0, 20, head().shape).astype(np.float32)
    result = denoiser(shifted, DenoiseSettings(noise="gaussian"))
    assert result.intensity_range[0] < -950
    assert result.image[:, :6, :6].mean() == pytest.approx(-1000, abs=8)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_taken_along_the_chosen_axis(denoiser, axis):
    noisy = magnitude_noise(head(), 60)
    turned = denoiser(np.moveaxis(noisy, 0, axis), DenoiseSettings(slice_axis=axis))
    straight = denoiser(noisy)
    np.testing.assert_allclose(np.moveaxis(turned.image, axis, 0), straight.image, atol=0.05)
    np.testing.assert_allclose(np.moveaxis(turned.conduction, axis, 0), straight.conduction, atol=1e-3)


def test_result_does_not_depend_on_the_batch(denoiser, monkeypatch):
    noisy = magnitude_noise(head(5, 32), 60)
    together = denoiser(noisy)
    monkeypatch.setattr(engine, "batch_size", lambda *_: 2)
    np.testing.assert_allclose(denoiser(noisy).image, together.image, atol=0.01)


def test_a_given_level_is_used_and_returned(denoiser):
    noisy = magnitude_noise(head(), 60)
    weak, strong = (denoiser(noisy, DenoiseSettings(sigma=sigma)) for sigma in (10, 90))
    assert (weak.sigma, strong.sigma) == (10, 90)
    assert mean_square(strong.image - noisy) > mean_square(weak.image - noisy)


def test_progress_counts_slices_and_cancel_stops_between_batches(denoiser, monkeypatch):
    monkeypatch.setattr(engine, "batch_size", lambda *_: 2)
    calls: list[tuple[int, int]] = []
    denoiser(head(5, 16), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(2, 5), (4, 5), (5, 5)]
    calls.clear()
    with pytest.raises(DenoiseCancelled, match="2 of 5 slices"):
        denoiser(
            head(5, 16),
            progress=lambda done, total: calls.append((done, total)),
            cancelled=lambda: len(calls) == 1,
        )
    assert calls == [(2, 5)]


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (np.zeros((4, 4)), "2 dimensions"),
        (np.zeros((2, 3, 4, 5)), "4 dimensions"),
        (np.zeros((0, 4, 4)), "no voxels"),
        (np.zeros((2, 4, 4), complex), "complex128"),
        (np.zeros((2, 4, 4), bool), "bool"),
        (np.full((2, 4, 4), np.nan), "NaN"),
        (np.full((2, 4, 4), np.inf, np.float32), "infinite"),
    ],
)
def test_what_cannot_be_denoised_is_refused_in_one_sentence(denoiser, volume, words):
    with pytest.raises(InvalidVolumeError, match=words) as refusal:
        denoiser(volume)
    assert str(refusal.value).count(". ") == 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 7), (1, 5, 3)])
@pytest.mark.parametrize("value", [0, 70])
def test_tiny_and_flat_volumes_pass_unchanged(denoiser, shape, value):
    volume = np.full(shape, value, np.int16)
    np.testing.assert_allclose(denoiser(volume).image, volume, atol=1e-3)


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cpu:1", "cuda:99", "cuda:" + "9" * 5000])
def test_an_unknown_or_absent_device_is_named(name):
    with pytest.raises(DeviceError, match=name):
        Denoiser(device=name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise": "poisson"},
        {"iterations": 0},
        {"iterations": 65},
        {"iterations": 4.5},
        {"neighbours": 6},
        {"slice_axis": 3},
        {"intensity_range": (5, 5)},
        {"intensity_range": (0, float("nan"))},
        {"sigma": -1},
        {"sigma": float("inf")},
    ],
)
def test_impossible_settings_are_refused_with_what_is_possible(wrong):
    with pytest.raises(ValueError, match=r"choose|give"):
        DenoiseSettings(**wrong)


def test_a_range_in_numbers_of_a_short_type_does_not_overflow(denoiser):
    volume = np.random.default_rng(0).integers(-20000, 20000, (2, 16, 16)).astype(np.int16)
    settings = DenoiseSettings(intensity_range=(volume.min(), volume.max()), iterations=2)
    assert settings.intensity_range == (float(volume.min()), float(volume.max()))
    assert np.isfinite(denoiser(volume, settings).image).all()


def test_settings_can_be_shown_without_importing_torch():
    import subprocess
    import sys
    from pathlib import Path

    library = Path(engine.__file__).parents[1]
    code = (
        "import sys; from NeuralDiffusionLib import DenoiseSettings; DenoiseSettings(); print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=library, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("capability", "dtype"), [((6, 1), torch.float32), ((7, 5), torch.float32), ((8, 0), torch.bfloat16)]
)
def test_no_card_computes_in_float16_which_is_too_short_for_the_features(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.fast_dtype(torch.device("cuda")) == dtype


def test_the_same_denoiser_with_another_network_claims_no_weights_and_leaves_the_first_as_it_was(denoiser):
    noisy = magnitude_noise(head(1, 32), 90)
    before = denoiser(noisy).image
    other = denoiser.with_network(NeuralDiffusionNetwork(), "fast")
    assert (other.device, other.precision, other.weights_sha256, other.weights_metadata) == ("cpu", "fast", "", {})
    assert np.abs(other(noisy).image - before).max() > 1
    np.testing.assert_array_equal(denoiser(noisy).image, before)
    assert denoiser.weights_sha256


def test_half_precision_hardly_differs_from_float32(denoiser, monkeypatch):
    # Where a CPU has no instructions for it, it is emulated.
    monkeypatch.setattr(devices, "fast_dtype", lambda device: torch.bfloat16)
    noisy = magnitude_noise(head(2, 64), 90)
    exact, fast = denoiser(noisy).image, Denoiser(device="cpu")(noisy).image
    assert mean_square(fast - exact) < (0.05 * 90) ** 2


def test_float32_keeps_whole_factors_on_a_card_until_the_last_pass_has_ended():
    card = torch.device("cuda")
    switch = torch.backends.cudnn
    before = switch.allow_tf32
    first, second = (devices.precision_on(card, "float32") for _ in range(2))
    with ExitStack() as first_pass, ExitStack() as second_pass:
        first_pass.enter_context(first)
        second_pass.enter_context(second)
        first_pass.close()
        assert not switch.allow_tf32
    assert switch.allow_tf32 == before
