"""Training on noisy scans alone."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from batch_runs import run_here
from rich.console import Console

from NeuralDiffusionLib import Denoiser
from NeuralDiffusionLib.engine.weights import load_weights
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork
from NeuralDiffusionLib.network.noise_model import BiasInversion, rice_mean
from NeuralDiffusionTraining.reporting.results import FIGURES, MEASURED_AS
from NeuralDiffusionTraining.training.blind_spot import BlindSpotOptions, NoisyCrops, adapt, expectation

RICIAN = torch.tensor([[0.0, 1.0, 0.0]])


def phantom(slices: int = 6, size: int = 64) -> np.ndarray:
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    volume = np.zeros((slices, size, size))
    for plane in volume:
        for level in (0.7, -0.3, 0.25, -0.2):
            y, x, radius = generator.uniform((-0.3, -0.3, 0.15), (0.3, 0.3, 0.6))
            plane += level * (np.hypot(rows - y, columns - x) < radius)
    return np.clip(volume, 0, 1)


def magnitude(clean: np.ndarray, sigma: float) -> np.ndarray:
    generator = np.random.default_rng(1)
    real, imaginary = generator.normal(0, sigma, (2, *clean.shape))
    return np.hypot(clean + real, imaginary).astype(np.float32)


def psnr(image: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((image - clean) ** 2)))


def test_noisy_scans_alone_teach_an_untrained_network_to_denoise():
    clean = phantom()
    noisy = magnitude(clean, 0.12)
    denoiser = Denoiser("cpu")
    torch.manual_seed(0)
    network = NeuralDiffusionNetwork().eval()
    network.noise_level.load_state_dict(denoiser.network.noise_level.state_dict())
    untrained = psnr(denoiser.with_network(network)(noisy).image, clean)
    options = BlindSpotOptions(steps=40, batch_size=4, learning_rate=2e-3)
    network = adapt(network, [noisy], options, torch.device("cpu"))
    adapted = psnr(denoiser.with_network(network)(noisy).image, clean)
    assert adapted > untrained + 0.5
    assert adapted > psnr(noisy, clean) + 3


def test_the_estimator_of_the_noise_level_is_left_as_it_was():
    network = load_weights().network
    before = {name: tensor.clone() for name, tensor in network.noise_level.state_dict().items()}
    adapt(network, [magnitude(phantom(2), 0.1)], BlindSpotOptions(steps=2, batch_size=2), torch.device("cpu"))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.noise_level.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_hidden_pixels_show_a_neighbour_and_all_others_are_as_measured():
    # Every pixel has a number of its own, and its neighbours are near in both coordinates.
    numbers = np.arange(48 * 48, dtype=np.float32).reshape(1, 48, 48)
    crop = NoisyCrops([numbers], 1, seed=0)[0]
    noisy, masked, hidden = crop["noisy"], crop["masked"], crop["hidden"]
    assert torch.equal(noisy[~hidden], masked[~hidden])
    assert 0.01 < hidden.float().mean() < 0.06
    assert (noisy[hidden] != masked[hidden]).all()
    step = (noisy.max() - noisy.min()) / (48 * 48 - 1)
    distance = ((noisy[hidden] - masked[hidden]) / step).round().abs().int()
    rows = (distance + 24) // 48
    assert rows.max() <= 2
    assert (distance - 48 * rows).abs().max() <= 2


def test_each_of_the_24_neighbours_is_drawn_about_as_often():
    size, count = 96, 100
    numbers = np.arange(size * size, dtype=np.float32).reshape(1, size, size)
    drawn = np.zeros((5, 5))
    crops = NoisyCrops([numbers], count, seed=0)
    for crop in map(crops.__getitem__, range(count)):
        noisy, masked = crop["noisy"][0].numpy(), crop["masked"][0].numpy()
        order = np.argsort(noisy, axis=None)
        # At the border shifts are turned inwards.
        rows, columns = np.nonzero(np.pad(crop["hidden"][0].numpy()[2:-2, 2:-2], 2))
        found = order[np.searchsorted(noisy.ravel()[order], masked[rows, columns])]
        np.add.at(drawn, (found // size - rows + 2, found % size - columns + 2), 1)
    assert drawn[2, 2] == 0
    shares = np.delete(drawn.ravel(), 12) / drawn.sum()
    np.testing.assert_allclose(shares, 1 / 24, rtol=0.15)


def test_the_expected_measurement_is_the_opposite_of_the_bias_inversion():
    signal = torch.linspace(0.05, 1, 50).view(1, 1, 5, 10)
    sigma = torch.tensor([0.1])
    expected = expectation(signal, sigma.view(1, 1, 1, 1), RICIAN)
    torch.testing.assert_close(expected, 0.1 * rice_mean(signal / 0.1), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(BiasInversion()(expected, sigma, RICIAN, torch.ones(1)), signal, atol=2e-3, rtol=1e-3)


def test_the_command_writes_weights_that_the_denoiser_loads(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(100 * magnitude(phantom(2), 0.1)), tmp_path / "scan.nii.gz")
    done = run_here(
        "adapt", tmp_path / "scan.nii.gz", "--output", tmp_path / "mine.pt", "--steps", 2, "--batch-size", 2,
        "--device", "cpu",
    )  # fmt: skip
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("Weights fitted to 1 scan in 2 steps written to ")
    loaded = load_weights(tmp_path / "mine.pt")
    assert "blind-spot training on 1 scan, rician, 2 steps of 2 crops" in loaded.metadata["adapted"]
    assert loaded.metadata["adapted_from_sha256"] == load_weights().sha256
    # What was measured of the bundled weights is not true of these.
    assert {FIGURES, MEASURED_AS} <= load_weights().metadata.keys()
    assert not {FIGURES, MEASURED_AS} & loaded.metadata.keys()
    assert "then fitted to noisy scans that have no clean counterparts; not for diagnosis." in loaded.metadata["limits"]
    again = run_here(
        "adapt", tmp_path / "scan.nii.gz", "--output", tmp_path / "again.pt", "--weights", tmp_path / "mine.pt",
        "--steps", 1, "--batch-size", 1, "--device", "cpu",
    )  # fmt: skip
    assert again.status == 0, again.err
    history = load_weights(tmp_path / "again.pt").metadata["adapted"]
    assert history.startswith("blind-spot training on 1 scan, rician, 1 step of 1 crop, ")
    assert history.endswith(f"; before that: {loaded.metadata['adapted']}")


def test_the_same_training_gives_the_same_file_under_any_name_and_counts_its_steps(tmp_path, monkeypatch):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    monkeypatch.setattr("NeuralDiffusionTraining.training.progress.terminal", lambda stderr: console)
    sitk.WriteImage(sitk.GetImageFromArray(magnitude(phantom(2, 32), 0.1)), tmp_path / "scan.nrrd")
    options = ("--steps", 3, "--batch-size", 1, "--device", "cpu")
    for name in ("one", "another"):
        assert run_here("adapt", tmp_path / "scan.nrrd", "--output", tmp_path / f"{name}.pt", *options).status == 0
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()
    assert re.search(r"Epoch 1 of 1 ━+ 3/3 loss", re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.getvalue()))


def test_thick_slices_are_learned_from_as_they_were_acquired_wherever_their_axis_lies(tmp_path):
    thick = np.moveaxis(100 * magnitude(phantom(4, 32), 0.1), 0, 2)
    image = sitk.GetImageFromArray(thick)
    image.SetSpacing((6.0, 1.0, 1.0))
    sitk.WriteImage(image, tmp_path / "sagittal.nrrd")
    options = ("--steps", 1, "--batch-size", 1, "--device", "cpu")
    done = run_here("adapt", tmp_path / "sagittal.nrrd", "--output", tmp_path / "mine.pt", *options)
    assert done.status == 0, done.err


def test_a_constant_scan_is_refused_and_no_weights_are_written(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((2, 32, 32), np.float32)), tmp_path / "scan.nii.gz")
    refusal = run_here("adapt", tmp_path / "scan.nii.gz", "--output", tmp_path / "mine.pt")
    assert refusal.status == 2
    assert "constant" in refusal.err
    assert not (tmp_path / "mine.pt").exists()


def refused(folder, scan, *options):
    done = run_here("adapt", scan, "--output", folder / "mine.pt", "--device", "cpu", *options)
    assert (done.status, done.out) == (2, ""), done
    assert not (folder / "mine.pt").exists()
    return done.err


def test_a_scan_of_constant_slices_is_refused(tmp_path):
    ramp = np.broadcast_to(np.arange(4, dtype=np.float32)[:, None, None], (4, 32, 32))
    sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(ramp)), tmp_path / "ramp.nrrd")
    assert "has only constant slices, nothing to learn from: give another." in refused(tmp_path, tmp_path / "ramp.nrrd")


def test_voxels_beyond_what_can_be_denoised_are_refused_as_by_denoise(tmp_path):
    voxels = magnitude(phantom(2), 0.1).astype(np.float64)
    voxels[0, 5, 5] = 1e300
    sitk.WriteImage(sitk.GetImageFromArray(voxels), tmp_path / "scan.nrrd")
    said = refused(tmp_path, tmp_path / "scan.nrrd")
    assert said.startswith(f"{tmp_path / 'scan.nrrd'}: the volume holds values beyond 1e+38")


@pytest.mark.parametrize("name", ["nowhere.nrrd", "nowhere.nii.gz"])
def test_a_scan_that_is_not_there_is_named_with_the_reason(tmp_path, name):
    said = refused(tmp_path, tmp_path / name)
    assert said == f"{tmp_path / name} cannot be read (No such file or directory): name a scan that can be read.\n"


def test_a_training_that_diverges_writes_no_weights(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(100 * magnitude(phantom(2, 32), 0.1)), tmp_path / "scan.nrrd")
    options = ("--learning-rate", 1, "--steps", 40, "--batch-size", 2)
    said = refused(tmp_path, tmp_path / "scan.nrrd", *options)
    assert "The training diverged, its weights are of no use any more: choose a smaller learning rate.\n" in said
