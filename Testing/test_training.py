"""The trainer on a handful of generated slices, and the commands around it."""

from __future__ import annotations

import json
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from PIL import Image
from shell import run

from NeuralDiffusionLib.weights import load_weights
from NeuralDiffusionTraining.training import run as training
from NeuralDiffusionTraining.training.run import TrainingOptions, run_training
from NeuralDiffusionTraining.training.training_data import MIXED, SamplingPlan, TrainingSlices


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Forty small heads, twenty a class."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[-1:1:160j, -1:1:160j]
    for label in ("no", "yes"):
        (folder / label).mkdir()
        for number in range(20):
            a, b = generator.uniform(0.5, 0.9, 2)
            radius = np.hypot(rows / a, columns / b)
            picture = 200 * (radius < 1) - 90 * (radius < generator.uniform(0.2, 0.5))
            Image.fromarray(picture.astype(np.uint8)).save(folder / label / f"{label}{number}.jpg", quality=95)
    return folder


def options(data: Path, output: Path, epochs: int = 2) -> TrainingOptions:
    return TrainingOptions(data, output, epochs, 2, 2e-3, 0, "32-true", "cpu", 4)


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def test_an_interrupted_run_goes_on_to_the_same_weights(data, tmp_path, monkeypatch):
    run_training(options(data, tmp_path / "whole"))

    class Interrupt(L.Callback):
        def on_train_epoch_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
            if trainer.current_epoch == 1:
                raise InterruptedError

    def interrupted(*arguments: object, callbacks: list, **rest: object) -> L.Trainer:
        return L.Trainer(*arguments, callbacks=[*callbacks, Interrupt()], **rest)

    class Interrupted:
        Trainer = staticmethod(interrupted)
        seed_everything = staticmethod(L.seed_everything)

    with monkeypatch.context() as patch:
        patch.setattr(training, "L", Interrupted)
        with pytest.raises(InterruptedError):
            run_training(options(data, tmp_path / "broken"))
    run_training(options(data, tmp_path / "broken"))
    whole, resumed = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, atol=1e-6, rtol=1e-5)
    assert len(list((tmp_path / "broken").glob("curves/*/metrics.csv"))) == 2


def test_samples_are_the_same_in_every_run_and_new_in_every_epoch():
    slices = np.random.default_rng(0).integers(0, 255, (3, 128, 128), np.uint8)
    fine = np.random.default_rng(1).integers(0, 255, (3, 256, 256), np.uint8)

    def noisy(epoch: int) -> torch.Tensor:
        return TrainingSlices(slices, fine, SamplingPlan(), seed=5, epoch=epoch)[1]["noisy"]

    assert torch.equal(noisy(0), noisy(0))
    assert not torch.equal(noisy(0), noisy(1))


def test_samples_cover_every_setting_and_the_whole_span_of_noise():
    slices = np.full((400, 128, 128), 100, np.uint8)
    samples = list(TrainingSlices(slices, slices, SamplingPlan(), seed=0, epoch=0))
    assert {int(sample["setting"]) for sample in samples} == {0, 1, 2, MIXED}
    sigmas = np.array([float(sample["sigma"]) for sample in samples])
    assert sigmas.min() == 0
    assert 0.2 < sigmas.max() <= 0.25
    assert np.mean(sigmas < 0.04) > 0.1
    assert all(sample["noisy"].shape == sample["clean"].shape == (1, 128, 128) for sample in samples)


def test_training_exporting_and_evaluating_fit_together(data, tmp_path):
    trained = run(
        "train", "--data", data, "--output", tmp_path / "run", "--epochs", 1, "--batch-size", 2,
        "--precision", "32-true", "--device", "cpu", "--limit", 4,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    exported = run("export", tmp_path / "run" / "best.ckpt", tmp_path / "weights.pt")
    assert exported.returncode == 0, exported.stderr
    metadata = load_weights(tmp_path / "weights.pt").metadata
    assert "--epochs 1" in metadata["command"]
    assert metadata["split_sha256"]
    measured = run(
        "evaluate", "--data", data, "--split", "original", "--noise", "rician", "--iterations", 4, "--neighbours", 8,
        "--limit", 2, "--weights", tmp_path / "weights.pt", "--device", "cpu", "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert measured.returncode == 0, measured.stderr
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["method"] for row in rows] == [
        "Neural Diffusion",
        "Neural Diffusion (no refinement)",
        "Noisy input",
    ]
    assert all({"psnr_db", "ssim", "edge_mse"} <= row.keys() for row in rows)
    assert "Noisy input" in measured.stdout
    written = run("card", tmp_path, tmp_path / "card.md", "--weights", tmp_path / "weights.pt")
    assert written.returncode == 0, written.stderr
    card = (tmp_path / "card.md").read_text()
    assert load_weights(tmp_path / "weights.pt").sha256 in card
    assert f"{rows[0]['psnr_db']:.2f} / {rows[0]['ssim']:.3f} / {rows[0]['edge_mse']:.4f}" in card
    refusal = run("card", tmp_path, tmp_path / "other.md")
    assert refusal.returncode == 2
    assert "measured with other weights" in refusal.stderr
    assert not (tmp_path / "other.md").exists()


def test_volumes_are_measured_inside_the_head(tmp_path):
    rows, columns = np.mgrid[-1:1:40j, -1:1:40j]
    head = (1000 * (np.hypot(rows, columns) < 0.8) * np.ones((3, 1, 1))).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(head), tmp_path / "head.nrrd")
    measured = run(
        "evaluate-volumes", tmp_path / "head.nrrd", "--sigma", 0, "--sigma", 0.1, "--device", "cpu",
        "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert measured.returncode == 0, measured.stderr
    untouched, noisy = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert untouched["noisy_psnr_db"] is None
    assert noisy["noisy_psnr_db"] == pytest.approx(20, abs=0.5)
    assert noisy["denoised_psnr_db"] > noisy["noisy_psnr_db"] + 3
    assert noisy["estimated_sigma"] == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "--data", "nowhere"], "nowhere"),
        (["evaluate", "--data", "DATA", "--split", "mine"], "'mine'"),
        (["evaluate", "--data", "DATA", "--part", "train"], "'train'"),
        (["evaluate", "--data", "DATA", "--noise", "poisson"], "'poisson'"),
        (["evaluate", "--data", "DATA", "--iterations", "0"], "Iteration count 0"),
        (["evaluate", "--data", "DATA", "--weights", "nowhere.pt"], "nowhere.pt"),
        (["evaluate", "--data", "DATA", "--json", "nowhere/out.json"], "nowhere"),
        (["train", "--data", "nowhere", "--output", "OUTPUT"], "nowhere"),
        (["train", "--data", "DATA", "--output", "OUTPUT", "--device", "tpu7"], "tpu7"),
        (["train", "--data", "DATA", "--output", "OUTPUT", "--precision", "7-bit"], "7-bit"),
        (["export", "nowhere.ckpt", "OUTPUT"], "nowhere.ckpt"),
    ],
)
def test_bad_input_ends_with_status_two_and_one_sentence(data, tmp_path, arguments, words):
    places = {"DATA": str(data), "OUTPUT": str(tmp_path / "output")}
    refusal = run(*(places.get(argument, argument) for argument in arguments))
    assert refusal.returncode == 2
    assert words in refusal.stderr
    assert len(refusal.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "output").exists()
