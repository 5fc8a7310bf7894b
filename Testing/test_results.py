"""The figures that the README shows are those that were measured, with the weights that ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from NeuralDiffusionLib.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionTraining.reporting.model_card import model_card

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "Resources" / "Results"
ROWS = {
    "Rician, 8 neighbours": "rician",
    "Rician, 4 neighbours": "rician_4_neighbours",
    "Gaussian": "gaussian",
    "Speckle": "speckle",
    "Mixed, type not told": "mixed",
}


def figures(row: dict) -> str:
    return f"{row['psnr_db']:.2f} / {row['ssim']:.3f} / {row['edge_mse']:.4f}"


@pytest.mark.parametrize(("title", "name"), ROWS.items())
def test_readme_shows_what_was_measured(title, name):
    full, diffused, noisy = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    line = f"| {title} | {figures(noisy)} | {figures(diffused)} | {figures(full)} |"
    assert line in (ROOT / "README.md").read_text(encoding="utf-8")


def test_readme_states_the_size_of_the_network():
    network = load_weights().network
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 1, 128, 128))
    parameters = sum(weights.numel() for weights in network.parameters())
    megabytes = BUNDLED_WEIGHTS.stat().st_size / 1e6
    # The counter takes a multiply-add for two operations.
    cost = counter.get_total_flops() / 2e9
    stated = f"{parameters / 1e3:.0f} k parameters in a file of {megabytes:.1f} MB, {cost:.2f} billion multiply-adds"
    assert stated in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_every_result_is_of_the_bundled_weights():
    digest = load_weights().sha256
    for path in RESULTS.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["weights_sha256"] == digest, path.name


def test_fast_precision_stays_within_a_twentieth_of_a_decibel():
    fast, exact = (
        json.loads((RESULTS / name).read_text(encoding="utf-8"))["rows"]
        for name in ("rician.json", "rician_float32.json")
    )
    for one, other in zip(fast, exact, strict=True):
        assert one["psnr_db"] == pytest.approx(other["psnr_db"], abs=0.05)


def test_real_volumes_never_come_out_worse_than_they_went_in():
    rows = json.loads((RESULTS / "volumes.json").read_text(encoding="utf-8"))["rows"]
    assert len(rows) >= 15
    for row in rows:
        assert row["denoised_psnr_db"] >= row["noisy_psnr_db"], row


def test_model_card_is_the_one_that_the_results_give():
    card = (BUNDLED_WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    assert card == model_card(BUNDLED_WEIGHTS, RESULTS)
