"""What was measured with the weights that ship reaches what was set out for, and nothing was left stale."""

from __future__ import annotations

import subprocess

import pytest
from committed_results import RESULTS, SPLITS, psnr, table

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionTraining.benchmark.published import ORIGINAL_PSNR_DB
from NeuralDiffusionTraining.data.splits import read_split
from NeuralDiffusionTraining.reporting.model_card import model_card
from NeuralDiffusionTraining.reporting.results import names_of, our_rows

pytest_plugins = ["committed_results"]


def test_every_result_is_of_the_bundled_weights(results):
    weights = load_weights()
    names = names_of(weights.sha256, weights.metadata)
    assert results.files
    assert not results.unknown
    for one in results.files:
        assert one.concerns(names), one.name


def test_the_bundled_weights_hold_their_history_and_figures(results):
    made = load_weights().metadata
    assert made["split_sha256"] == read_split(SPLITS / "original.json").sha256
    assert {"data", "command", "commit"} <= made.keys()
    full = our_rows(results.headline().content["rows"])[0]
    assert f"PSNR {full['psnr_db']['mean']:.2f} dB" in made["figures"]


def test_every_noise_type_was_measured_on_both_splits(results):
    measured = {(one.content["noise"], one.content["split"]) for one in results.tables()}
    noises = ("rician", "gaussian", "speckle", "mixed")
    assert measured >= {(noise, split) for noise in noises for split in ("original", "grouped")}
    assert results.headline().content["slices"] == 450


def test_ours_reaches_what_the_project_set_out_for(results):
    full, alone, four, _ = our_rows(table(results, "rician")["rows"])
    assert full["psnr_db"]["mean"] > 27.4
    assert full["ssim"]["mean"] > 0.79
    assert full["edge_mse"]["mean"] < 0.043
    assert alone["psnr_db"]["mean"] > full["psnr_db"]["mean"] - 0.8
    assert four["psnr_db"]["mean"] > full["psnr_db"]["mean"] - 0.3
    # The slices that come back bit for bit, of infinite PSNR, do not make up for the others.
    assert our_rows(table(results, "rician_noise_free")["rows"])[0]["psnr_db"]["mean_of_finite"] > 40
    faint = table(results, "rician_faint")["rows"]
    assert our_rows(faint)[0]["psnr_db"]["mean"] > psnr(faint, "Noisy input")


@pytest.mark.parametrize("name", ["sweep_default", "sweep_default_grouped"])
def test_ours_is_above_the_original_in_every_cell_of_its_sweep_and_by_two_decibels_on_average(results, name):
    gains = [
        cell["full"]["psnr_db"]["mean"] - published[cell["sigma"]]
        for cell in table(results, name)["cells"]
        if (published := ORIGINAL_PSNR_DB[cell["noise"]]).get(cell["sigma"]) and cell["noise"] != "mixed"
    ]
    assert len(gains) == 12
    assert min(gains) > 0
    assert sum(gains) / len(gains) > 2


@pytest.mark.parametrize("name", ["competitors", "competitors_24_epochs", "competitors_grouped"])
def test_on_the_same_budget_ours_is_above_both_unets_with_no_more_multiply_adds(results, name):
    rows = {row["method"]: row for row in table(results, name)["rows"]}
    ours, plain = rows["Full"], rows["Plain U-Net"]
    control = rows["U-Net with our noise level and inversion"]
    assert plain["difference_psnr_db"]["high"] < -0.5
    assert control["difference_psnr_db"]["high"] < 0
    assert ours["macs_per_pixel"] <= min(plain["macs_per_pixel"], control["macs_per_pixel"])


@pytest.mark.parametrize("noise", ["gaussian", "speckle"])
@pytest.mark.parametrize("split", ["", "_grouped"])
def test_gaussian_and_speckle_tables_have_the_rows_of_the_rician_one(results, noise, split):
    rows = table(results, f"{noise}{split}")["rows"]
    assert table(results, f"{noise}{split}")["slices"] == 450
    names = {row["method"].split(" (")[0].split(" +")[0].split(",")[0] for row in rows}
    assert names >= {
        row["method"].split(" (")[0].split(" +")[0].split(",")[0] for row in table(results, "rician")["rows"]
    }


def test_fast_precision_stays_within_a_twentieth_of_a_decibel(results):
    fast = our_rows(table(results, "rician")["rows"])
    exact = our_rows(table(results, "rician_float32")["rows"])
    for one, other in zip(fast, exact, strict=True):
        assert one["psnr_db"]["mean"] == pytest.approx(other["psnr_db"]["mean"], abs=0.05)


def test_no_lever_costs_more_than_a_twentieth_of_a_decibel(results):
    rows = table(results, "rician_levers")["rows"]
    levers = [row for row in rows if "float32" in row["method"] or "every step" in row["method"]]
    assert len(levers) == 3
    assert max(row["difference_psnr_db"]["mean"] for row in levers) < 0.05


def test_real_volumes_never_come_out_worse_than_they_went_in(results):
    rows = [row for row in table(results, "volumes")["rows"] if row["method"].startswith("Neural Diffusion")]
    # Four scans at five levels: slice by slice, without refinement, over three planes.
    assert len(rows) == 60
    assert not [row for row in rows if row["below_noisy"]]


def test_model_card_is_the_one_that_the_results_give():
    card = (BUNDLED_WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    assert card == model_card(BUNDLED_WEIGHTS, RESULTS)


def test_script_that_measures_is_sound():
    subprocess.run(["bash", "-n", RESULTS / "measure.sh"], check=True)
