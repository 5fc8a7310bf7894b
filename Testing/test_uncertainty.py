"""Monte Carlo dropout: how sure the network is, voxel by voxel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from shell import denoise, head, refused

from NeuralDiffusionLib import Denoiser, DenoiseSettings, WeightsError
from NeuralDiffusionLib.engine.uncertainty import sample_uncertainty
from NeuralDiffusionLib.engine.weights import load_weights, save_weights
from NeuralDiffusionLib.network.neural_diffusion import Architecture, NeuralDiffusionNetwork


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The bundled weights in a network with dropout."""
    network = NeuralDiffusionNetwork(Architecture(load_weights().network.architecture.reach, dropout=0.2))
    network.load_state_dict(load_weights().network.state_dict())
    path = tmp_path_factory.mktemp("weights") / "dropout.pt"
    save_weights(path, network, {"data": "none"})
    return path


@pytest.fixture(scope="module")
def denoiser(weights):
    return Denoiser("cpu", weights)


def test_deviation_is_in_the_units_of_the_scan(denoiser):
    scan = head().astype(np.float32)
    small = sample_uncertainty(denoiser, scan, samples=3).deviation
    large = sample_uncertainty(denoiser, 7 * scan, samples=3).deviation
    assert small.shape == scan.shape
    assert small.dtype == np.float32
    assert small.max() > 0
    np.testing.assert_allclose(large, 7 * small, rtol=0.05, atol=0.05 * small.max())


def test_sampling_leaves_no_trace(denoiser):
    scan = head()
    before = denoiser(scan).image
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    sampled = sample_uncertainty(denoiser, scan, samples=2)
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(sampled.result.image, before)
    np.testing.assert_array_equal(denoiser(scan).image, before)


def test_the_map_of_the_run_without_dropout_is_kept_if_wanted(denoiser):
    kept, without = (sample_uncertainty(denoiser, head(), samples=2, conduction=wanted) for wanted in (True, False))
    assert kept.result.conduction.shape == head().shape
    assert without.result.conduction is None
    np.testing.assert_array_equal(kept.deviation, without.deviation)


def test_the_same_samples_are_drawn_every_time(denoiser):
    first, second = (sample_uncertainty(denoiser, head(), samples=2).deviation for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_neither_the_batches_nor_others_who_draw_numbers_change_the_samples(denoiser, monkeypatch):
    scan = head(np.float32, (5, 32, 32))
    expected = sample_uncertainty(denoiser, scan, samples=3).deviation
    monkeypatch.setattr("NeuralDiffusionLib.engine.denoiser.batch_size", lambda *_: 1)
    alone = sample_uncertainty(denoiser, scan, samples=3, progress=lambda *_: torch.rand(7)).deviation
    # In bfloat16 batches matter in the third digit; other samples differ by as much as the deviation itself.
    np.testing.assert_allclose(alone, expected, atol=0.05 * expected.max())
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(sample_uncertainty, denoiser, scan, samples=3) for _ in range(2)]
        for job in jobs:
            np.testing.assert_array_equal(job.result().deviation, alone)


def test_deviation_is_that_of_the_samples(denoiser, monkeypatch):
    images = [np.full((1, 4, 4), value, np.float32) for value in (5, 1, 2, 6)]
    runs = iter(images)
    real = Denoiser.__call__

    def pretend(self, *arguments, **options):
        result = real(self, *arguments, **options)
        object.__setattr__(result, "image", next(runs))
        return result

    monkeypatch.setattr(Denoiser, "__call__", pretend)
    sampled = sample_uncertainty(denoiser, head()[:1], samples=3)
    np.testing.assert_array_equal(sampled.result.image, images[0])
    np.testing.assert_allclose(sampled.deviation, np.std(images[1:], axis=0, ddof=1), rtol=1e-6)


def test_progress_counts_the_slices_of_all_runs(denoiser):
    seen = []
    sample_uncertainty(denoiser, head(), DenoiseSettings(iterations=1), 2, lambda *done: seen.append(done))
    assert seen[-1] == (3 * len(head()), 3 * len(head()))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_weights_without_dropout_are_refused():
    with pytest.raises(WeightsError, match="trained without dropout"):
        sample_uncertainty(Denoiser("cpu"), head())


def test_the_command_writes_the_map_beside_the_scan(tmp_path, weights):
    scan = sitk.GetImageFromArray(head())
    scan.SetSpacing((0.5, 0.6, 2.0))
    sitk.WriteImage(scan, tmp_path / "scan.nrrd")
    denoise(
        tmp_path / "scan.nrrd", tmp_path / "clean.nrrd", "--uncertainty", tmp_path / "map.nrrd", "--samples", 2,
        "--weights", weights, "--device", "cpu",
    )  # fmt: skip
    written = sitk.ReadImage(tmp_path / "map.nrrd")
    assert written.GetSpacing() == scan.GetSpacing()
    assert sitk.GetArrayFromImage(written).max() > 0


def test_the_command_refuses_weights_without_dropout_and_writes_nothing(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(head()), tmp_path / "scan.nrrd")
    sentence = refused(tmp_path / "scan.nrrd", tmp_path / "clean.nrrd", "--uncertainty", tmp_path / "map.nrrd")
    assert "trained without dropout" in sentence
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nrrd"]
