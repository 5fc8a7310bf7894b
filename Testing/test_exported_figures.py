"""What was measured goes into a file of weights, if it was measured with these weights."""

from __future__ import annotations

import hashlib
import json

import pytest
from batch_runs import run_here
from checkpoints import checkpoint
from sample_results import write_results
from training_slices import make_slices

from NeuralDiffusionLib.engine.weights import load_weights
from NeuralDiffusionTraining.commands.export import figures_to_keep
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.reporting.model_card import model_card


@pytest.fixture
def trained(tmp_path):
    return checkpoint(tmp_path / "best.ckpt", "neural-diffusion")


def test_weights_that_are_exported_measured_and_exported_again_carry_their_figures(trained, tmp_path):
    split = make_slices(tmp_path / "data", count=8)
    results = tmp_path / "results"
    results.mkdir()
    table = results / "rician.json"
    for step in (
        ("export", trained, tmp_path / "plain.pt", "--note", "A remark."),
        ("evaluate", "--data", tmp_path / "data", "--split", split, "--limit", 2, "--neighbours", 8,
         "--weights", tmp_path / "plain.pt", "--device", "cpu", "--json", table),
        ("export", trained, tmp_path / "named.pt", "--note", "A remark.", "--figures", table),
    ):  # fmt: skip
        done = run_here(*step)
        assert done.status == 0, done.err
    made = load_weights(tmp_path / "named.pt").metadata
    assert (made["data"], made["epochs_done"], made["steps_done"]) == ("generated", "5", "50")
    assert made["note"] == "A remark."
    assert "not for diagnosis" in made["limits"]
    ours = next(row for row in json.loads(table.read_text())["rows"] if row["group"] == "ours")
    measured = load_weights(tmp_path / "plain.pt").sha256
    assert f"PSNR {ours['psnr_db']['mean']:.2f} dB" in made["figures"]
    assert made["figures"].endswith(f"measured with the weights of SHA-256 {measured}.")
    # What was measured before is still of these weights.
    card = model_card(tmp_path / "named.pt", results)
    assert made["figures"] in card
    assert f"SHA-256 before the figures were put into the file: `{measured}`" in card


def test_the_name_of_an_exported_file_does_not_change_its_hash(trained, tmp_path):
    names = (tmp_path / "one.pt", tmp_path / "another name.pt")
    for path in names:
        assert run_here("export", trained, path).status == 0
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in names)
    assert first == second


@pytest.mark.parametrize("other", ["weights", "note"])
def test_figures_of_other_weights_are_refused_and_nothing_is_written(trained, tmp_path, other):
    assert run_here("export", trained, tmp_path / "plain.pt", "--note", "A remark.").status == 0
    measured = "a" * 64 if other == "weights" else load_weights(tmp_path / "plain.pt").sha256
    table = write_results(tmp_path, measured) / "rician.json"
    note = "A remark." if other == "weights" else "Another one."
    done = run_here("export", trained, tmp_path / "w.pt", "--note", note, "--figures", table)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"'{table}' was measured with other weights, of SHA-256 {measured}, than '{trained}' gives: measure with "
        "--weights a file that was exported from this checkpoint without --figures, with the same --note.\n"
    )
    assert not (tmp_path / "w.pt").exists()


def test_figures_of_a_file_without_any_are_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"kind": "sweep", "cells": [], "command": ""}')
    (tmp_path / "empty.json").write_text('{"kind": "evaluation", "command": ""}')
    for path in (tmp_path / "other.json", tmp_path / "missing.json", tmp_path / "empty.json"):
        with pytest.raises(CommandError, match=path.name):
            figures_to_keep(path)
