"""Rows that others look for by their names bear these names where they are made, and in the committed results."""

from __future__ import annotations

import pytest
from committed_results import RESULTS, table

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionTraining.benchmark.learned import ours
from NeuralDiffusionTraining.benchmark.methods import (
    NO_REFINEMENT,
    OUR_RUNS,
    TRAINED_GROUP,
    TRUE_SIGMA,
    told_in_name,
)
from NeuralDiffusionTraining.benchmark.peers.tuned import tuned
from NeuralDiffusionTraining.reporting.example_slices import _COMPARED
from NeuralDiffusionTraining.reporting.further_abilities import further
from NeuralDiffusionTraining.speed.levers import without_levers
from NeuralDiffusionTraining.speed.row_names import FORMS, has_one_changed

pytest_plugins = ["committed_results"]


@pytest.mark.parametrize("name", ["bench", "bench_avx2"])
def test_the_levers_are_called_as_in_the_committed_bench(results, name):
    measured = [row["method"] for row in table(results, name)["rows"] if row["group"] == "lever"]
    made = [subject.name for subject in without_levers(Denoiser("cpu"), DenoiseSettings())]
    assert measured[: len(made)] == made
    assert made[-2:] == list(FORMS)
    assert sum(map(has_one_changed, made)) == 6


def test_rows_of_ours_without_refinement_are_told_by_their_names():
    names = [method.name for method in ours(Denoiser("cpu"), DenoiseSettings())]
    assert [name.endswith(NO_REFINEMENT) for name in names] == [False, True, False, True]


def test_our_short_runs_are_told_from_the_other_networks_trained_here(results):
    rows = table(results, "rician_grouped")["rows"]
    trained = {row["method"] for row in rows if row["group"] == TRAINED_GROUP}
    own = {name for name in trained if name.startswith(OUR_RUNS)}
    assert own
    assert "Plain U-Net, short run" in trained - own
    assert all(f'--trained "{name}=' in (RESULTS / "measure.sh").read_text(encoding="utf-8") for name in own)


def test_the_variants_that_the_report_speaks_of_are_found(results):
    said = further(results, set())
    assert "single scale, " in said
    assert "dropout, " in said


def test_the_example_shows_filters_that_there_are():
    names = [method.name for method in tuned("rician")]
    for wanted in _COMPARED:
        assert len([name for name in names if name.startswith(wanted)]) == 1


def test_a_name_says_once_that_its_row_is_told_the_noise_level():
    assert told_in_name("Mine", "true") == told_in_name(f"Mine{TRUE_SIGMA}", "true") == "Mine, true sigma"
    assert told_in_name("Mine", "estimated") == "Mine"
