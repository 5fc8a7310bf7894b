"""The benchmark: which slices, which noise, which figures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from NeuralDiffusionLib.rician_noise import add_rician_noise
from NeuralDiffusionTraining.benchmark.evaluation import corrupt_all
from NeuralDiffusionTraining.benchmark.metrics import measure
from NeuralDiffusionTraining.data.corruption import benchmark_corruption, corrupt, rician
from NeuralDiffusionTraining.data.slices import list_slices, load_slices
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.training.config import LossConfig
from NeuralDiffusionTraining.training.losses import denoising_loss, logarithmic_loss, ssim


def write_slice(path: Path, value: int = 100, mode: str = "L", size: tuple[int, int] = (150, 140)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).convert(mode).save(path, "PNG")


def test_slices_are_listed_by_class_and_number_whatever_the_folder_says(tmp_path):
    for name in ("yes/y10.jpg", "yes/y9.jpg", "no/no2.jpg", "no/No12.jpg", "no/no11.jpg"):
        write_slice(tmp_path / name)
    (tmp_path / "no" / "notes.txt").write_text("not a picture")
    assert list_slices(tmp_path) == ["no/no2.jpg", "no/no11.jpg", "no/No12.jpg", "yes/y9.jpg", "yes/y10.jpg"]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_any_picture_mode_becomes_a_grey_square(tmp_path, mode):
    write_slice(tmp_path / "no" / "a.jpg", 100, mode)
    slices = load_slices(tmp_path, ["no/a.jpg"])
    assert slices.shape == (1, 128, 128)
    assert slices.dtype == np.uint8
    assert np.abs(slices.astype(int) - 100).max() <= 1


def test_missing_class_and_broken_picture_are_named(tmp_path):
    write_slice(tmp_path / "no" / "a.jpg")
    with pytest.raises(CommandError, match="'yes'"):
        list_slices(tmp_path)
    (tmp_path / "no" / "b.jpg").write_bytes(b"not a picture")
    with pytest.raises(CommandError, match=r"b\.jpg"):
        load_slices(tmp_path, ["no/b.jpg"])


@pytest.mark.parametrize(
    ("noise", "mean", "deviation"),
    # In mid-grey 0.5 with sigma 0.1: Rice mean and deviation from the moments of the distribution.
    [("gaussian", 0.5, 0.1), ("rician", 0.5101, 0.0990), ("speckle", 0.5, 0.05)],
)
def test_noise_has_the_moments_of_its_model(noise, mean, deviation):
    noisy = corrupt(np.full((400, 400), 0.5, np.float32), noise, 0.1, np.random.default_rng(0))
    assert noisy.mean() == pytest.approx(mean, abs=1e-3)
    assert noisy.std() == pytest.approx(deviation, abs=1e-3)


@pytest.mark.parametrize("noise", ["gaussian", "rician", "speckle", "mixed"])
def test_benchmark_noise_is_fixed_by_the_position(noise):
    clean = np.linspace(0, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    first, level = benchmark_corruption(clean, noise, 7)
    again, _ = benchmark_corruption(clean, noise, 7)
    other, _ = benchmark_corruption(clean, noise, 8)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1
    assert 0.05 <= level <= 0.20


def test_another_draw_is_other_noise_and_the_same_again():
    clean = np.full((2, 32, 32), 0.5, np.float32)
    first, other, again = (corrupt_all(clean, "rician", None, draw) for draw in (0, 1, 1))
    np.testing.assert_array_equal(other[0], again[0])
    np.testing.assert_array_equal(other[1], again[1])
    # Levels are drawn as well.
    assert not np.isin(other[1], first[1]).any()
    assert not np.array_equal(*(corrupt_all(clean, "rician", 0.1, draw)[0] for draw in (0, 1)))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rician_noise_is_that_of_the_library_bit_for_bit(kind):
    clean = np.random.default_rng(0).random((3, 20, 24)).astype(kind)
    np.testing.assert_array_equal(
        rician(clean, 0.09, np.random.default_rng(42)), add_rician_noise(clean, 0.09), strict=True
    )


def test_a_stated_level_replaces_the_drawn_one():
    clean = np.full((64, 64), 0.5, np.float32)
    noisy, level = benchmark_corruption(clean, "gaussian", 3, sigma=0.02)
    assert level == 0.02
    assert noisy.std() == pytest.approx(0.02, rel=0.1)


def test_figures_of_known_pictures():
    clean = np.random.default_rng(0).random((64, 64)) * 0.8
    same = measure(clean, clean)
    assert (same.psnr_db, same.ssim, same.edge_mse) == (np.inf, pytest.approx(1), 0)
    assert measure(clean + 0.1, clean).psnr_db == pytest.approx(20)
    assert measure(clean + 0.1, clean).edge_mse == pytest.approx(0)


def test_values_outside_the_range_are_clipped_before_they_are_judged():
    clean = np.ones((32, 32))
    assert measure(clean + 5, clean).psnr_db == np.inf


def test_training_ssim_agrees_with_the_one_of_the_table():
    generator = np.random.default_rng(0)
    clean = generator.random((40, 56)).astype(np.float32)
    image = np.clip(clean + 0.1 * generator.standard_normal(clean.shape), 0, 1).astype(np.float32)
    ours = ssim(torch.from_numpy(image)[None, None], torch.from_numpy(clean)[None, None]).item()
    assert ours == pytest.approx(measure(image, clean).ssim, abs=1e-4)


def test_loss_is_zero_for_the_clean_slice_and_grows_with_the_error():
    clean = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    losses = [denoising_loss(clean + sigma * noise, clean, LossConfig()) for sigma in (0.0, 0.05, 0.1)]
    torch.testing.assert_close(losses[0], torch.zeros(2), atol=1e-5, rtol=0)
    assert torch.all(losses[0] < losses[1])
    assert torch.all(losses[1] < losses[2])


def test_the_logarithmic_loss_is_the_psnr():
    clean = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    loss = logarithmic_loss(clean + 0.1, clean)
    torch.testing.assert_close(-10 / math.log(10) * loss, torch.full((2,), 20.0), atol=0.01, rtol=0)
    assert torch.isfinite(logarithmic_loss(clean, clean)).all()
