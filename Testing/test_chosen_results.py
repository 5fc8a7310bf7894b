"""Which of several files of results stand in the published tables."""

from __future__ import annotations

import json

import pytest
from sample_results import write_results

from NeuralDiffusionLib.engine.weights import load_weights
from NeuralDiffusionTraining.data.splits import COMMITTED, read_split
from NeuralDiffusionTraining.reporting.readme_figures import BLOCKS, with_figures
from NeuralDiffusionTraining.reporting.result_tables import ablation_title, published
from NeuralDiffusionTraining.reporting.results import read_results

WHOLE = len(read_split(COMMITTED / "original.json").test)


@pytest.fixture
def folder(tmp_path):
    return write_results(tmp_path, load_weights().sha256)


def block(folder, name: str) -> str:
    return with_figures(f"<!-- figures: {name} -->\n<!-- end -->", read_results(folder))


def change(folder, name: str, **other: object) -> dict:
    """Change entries of a file of results and return what it holds."""
    content = json.loads((folder / f"{name}.json").read_text()) | other
    (folder / f"{name}.json").write_text(json.dumps(content))
    return content


@pytest.mark.parametrize("kind", ["rician", "sweep", "checks"])
def test_a_quick_look_does_not_take_the_place_of_the_whole_part(folder, kind):
    content = change(folder, kind, slices=WHOLE)
    tables = ("sweep",) if kind == "sweep" else ("checks",) if kind == "checks" else ("benchmark", "comparison")
    before = [block(folder, name) for name in tables]
    quick = content | {"slices": 2}
    if kind == "rician":
        quick["rows"] = [*content["rows"], content["rows"][1] | {"method": "One more"}]
    elif kind == "sweep":
        quick["cells"] = content["cells"][:4]
    else:
        quick["envelope"] = content["envelope"][:3]
    # The name comes first, too.
    (folder / "a_look.json").write_text(json.dumps(quick))
    assert [block(folder, name) for name in tables] == before


def on_own_splits(folder) -> None:
    """Measured on one's own slices, but for the table of Rician noise on the grouped split."""
    for name in ("rician", "mixed", "noise_free", "sweep", "ablation", "checks"):
        change(folder, name, split="own original")


def test_what_was_measured_on_ones_own_splits_is_shown_after_the_committed_ones(folder):
    on_own_splits(folder)
    lines = [line.split("|")[1:3] for line in block(folder, "benchmark").splitlines() if line.startswith("| ")]
    assert [tuple(cell.strip() for cell in line) for line in lines[1:]] == [
        ("Rician", "grouped"),
        ("Rician", "own original"),
        ("Mixed, type not told", "own original"),
    ]
    for name in BLOCKS.keys() - {"rivals", "speed"}:
        assert "Not measured." not in block(folder, name)
    assert "4 test slices of the own original split" in block(folder, "ablation")


def test_what_was_published_of_other_slices_stands_beside_no_sweep_of_ones_own(folder):
    assert "| Original project | Gain |" in block(folder, "sweep")
    on_own_splits(folder)
    table = block(folder, "sweep")
    assert "own original split" in table
    assert "riginal project" not in table
    assert "Gain" not in table
    assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1


def test_a_committed_split_takes_the_place_of_ones_own_in_the_table_of_the_ablation(folder):
    content = change(folder, "ablation", split="own original")
    (folder / "ablation_grouped.json").write_text(json.dumps(content | {"split": "grouped"}))
    assert "of the grouped split" in block(folder, "ablation")
    assert "own" not in block(folder, "ablation")


@pytest.mark.parametrize(("slices", "shown"), [(WHOLE, True), (WHOLE - 1, False)])
def test_what_was_published_stands_beside_the_whole_test_part_only(folder, slices, shown):
    content = change(folder, "rician", slices=slices)
    for name in ("comparison", "headline"):
        assert ("Original network, as published" in block(folder, name)) == shown
    assert bool(published(content)) == shown


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        ("rician", "original split, Rician noise."),
        ("speckle", "original split, speckle."),
        ("mixed", "original split, mixed noise, type not told."),
    ],
)
def test_equal_runs_are_told_apart_by_their_threads_and_noise_is_named_as_in_a_sentence(noise, words):
    content = {"epochs": 4, "slices": 450, "split": "original", "noise": noise}
    assert ablation_title({**content, "threads": 1}).endswith(words)
    assert "on the same data, then measured" in ablation_title({**content, "threads": 1})
    assert "on the same data, with 2 threads, then measured" in ablation_title({**content, "threads": 2})
