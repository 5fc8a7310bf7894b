"""The whole chain on generated slices: check, train, evaluate, export, denoise."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from shell import run
from training_slices import make_slices

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.weights import load_weights
from NeuralDiffusionTraining.data.corruption import benchmark_corruption
from NeuralDiffusionTraining.data.slices import load_slices
from NeuralDiffusionTraining.data.splits import load_split


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Folder of slices, of the run and of what came out of it."""
    folder = tmp_path_factory.mktemp("chain")
    split = make_slices(folder / "data", 30)
    steps = [
        ["train", "--data", folder / "data", "--output", folder / "run", "--config", "smoke", "--split", split,
         "--device", "cpu"],
        ["export", folder / "run" / "best.ckpt", folder / "weights.pt", "--note", "made by a test"],
        ["evaluate", "--data", folder / "data", "--split", split, "--weights", folder / "weights.pt", "--device", "cpu",
         "--neighbours", 8, "--trained", f"Same network={folder / 'run' / 'best.ckpt'}",
         "--json", folder / "table.json", "--csv", folder / "table.csv", "--markdown", folder / "table.md"],
    ]  # fmt: skip
    for step in steps:
        done = run(*step)
        assert done.returncode == 0, done.stderr
    return folder


def test_the_loss_falls(chain):
    loss = pd.read_csv(chain / "run" / "curves.csv")["loss"].dropna()
    assert loss[-5:].mean() < 0.8 * loss[:5].mean()


def test_the_trained_weights_denoise(chain):
    split = load_split(str(chain / "data" / "original.json"), chain / "data")
    clean = load_slices(chain / "data", split.test).astype(np.float32) / 255
    noisy = np.stack([benchmark_corruption(picture, "rician", place)[0] for place, picture in enumerate(clean)])
    denoiser = Denoiser("cpu", chain / "weights.pt")
    image = denoiser(noisy, DenoiseSettings(intensity_range=(0, 1))).image
    assert np.mean((image - clean) ** 2) < 0.5 * np.mean((noisy - clean) ** 2)


def test_the_exported_file_says_how_it_was_made(chain):
    metadata = load_weights(chain / "weights.pt").metadata
    assert "--set epochs=" in metadata["command"]
    assert metadata["note"] == "made by a test"
    assert metadata["split_sha256"] == load_split(str(chain / "data" / "original.json"), chain / "data").sha256


def test_the_table_has_the_trained_network_beside_its_export(chain):
    rows = {row["method"]: row for row in json.loads((chain / "table.json").read_text())["rows"]}
    same, ours = rows["Same network"], rows["Neural Diffusion, 8 neighbours"]
    assert same["psnr_db"]["mean"] == pytest.approx(ours["psnr_db"]["mean"], abs=0.02)
    assert rows["Noisy input"]["difference_psnr_db"]["high"] < 0
    for text in ((chain / "table.csv").read_text(), (chain / "table.md").read_text()):
        assert all(name in text for name in rows)
