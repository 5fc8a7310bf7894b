"""What the repository states was measured, with the weights that ship, and nothing was left stale."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from NeuralDiffusionLib.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionTraining.reporting.model_card import model_card
from NeuralDiffusionTraining.reporting.readme_figures import BLOCKS, with_figures
from NeuralDiffusionTraining.reporting.results import Results, our_rows, read_results

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "Resources" / "Results"


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results(RESULTS)


def table(results: Results, name: str) -> dict:
    return next(one.content for one in results.files if one.name == name)


def test_readme_shows_what_was_measured(results):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in BLOCKS:
        assert f"<!-- figures: {name} -->" in readme
    assert with_figures(readme, results) == readme, "run: neural-diffusion report Resources/Results --readme README.md"


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


def test_every_result_is_of_the_bundled_weights(results):
    digest = load_weights().sha256
    assert results.files
    assert not results.unknown
    for one in results.files:
        assert one.weights in (None, digest), one.name


def test_every_noise_type_was_measured_on_both_splits(results):
    measured = {(one.content["noise"], one.content["split"]) for one in results.tables()}
    noises = ("rician", "gaussian", "speckle", "mixed")
    assert measured >= {(noise, split) for noise in noises for split in ("original", "grouped")}
    assert results.headline().content["slices"] == 450


def test_fast_precision_stays_within_a_twentieth_of_a_decibel(results):
    fast = our_rows(table(results, "rician")["rows"])
    exact = our_rows(table(results, "rician_float32")["rows"])
    for one, other in zip(fast, exact, strict=True):
        assert one["psnr_db"]["mean"] == pytest.approx(other["psnr_db"]["mean"], abs=0.05)


def test_real_volumes_never_come_out_worse_than_they_went_in(results):
    rows = [row for row in table(results, "volumes")["rows"] if row["method"].startswith("Neural Diffusion")]
    assert len(rows) >= 15
    for row in rows:
        if row["method"] == "Neural Diffusion":
            assert not row["below_noisy"], row


def test_model_card_is_the_one_that_the_results_give():
    card = (BUNDLED_WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    assert card == model_card(BUNDLED_WEIGHTS, RESULTS)


def test_script_that_measures_is_sound():
    subprocess.run(["bash", "-n", RESULTS / "measure.sh"], check=True)
