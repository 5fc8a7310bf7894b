"""Parameters that `tune` and `tune-volumes` wrote reach the filters of the tables."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from batch_runs import run_here
from PIL import Image
from training_slices import make_slices

from NeuralDiffusionTraining.benchmark.tuned import PARAMETERS

MEDIAN = "Median (tuned, bias-corrected)"
GAUSSIAN = "Gaussian smoothing (tuned, bias-corrected)"


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> Path:
    return make_slices(tmp_path_factory.mktemp("data"), count=8)


@pytest.fixture(scope="module")
def masks(split, tmp_path_factory) -> Path:
    """A lesion in each slice."""
    folder = tmp_path_factory.mktemp("masks")
    for picture in split.parent.glob("*/*.jpg"):
        mask = Image.new("L", (160, 160))
        mask.paste(255, (60, 60, 90, 90))
        (folder / picture.parent.name).mkdir(exist_ok=True)
        mask.save(folder / picture.relative_to(split.parent))
    return folder


def tuned_file(path: Path, size: object = 7) -> Path:
    """The parameters of the package but for another median."""
    content = json.loads(PARAMETERS.read_text(encoding="utf-8"))
    for filters in content["noise"].values():
        filters["Median"]["parameters"]["size"] = size
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def arguments(command: str, split: Path, masks: Path) -> list[object]:
    more = ["--masks", masks] if command == "segmentation" else ["--limit", 2]
    return [command, "--data", split.parent, "--split", split, *more, "--methods", "tuned", "--device", "cpu"]


def measured(content: dict) -> dict[str, list]:
    """What was found of each method, by its name."""
    found: dict[str, list] = {}
    for table in content.values():
        for row in table if isinstance(table, list) else []:
            if isinstance(row, dict) and "method" in row:
                figures = {name: value for name, value in row.items() if name != "seconds_per_slice"}
                found.setdefault(row["method"], []).append(figures)
    return found


@pytest.mark.parametrize("command", ["evaluate", "fidelity", "segmentation"])
def test_parameters_of_a_file_reach_the_filters_and_the_result_names_it(split, masks, tmp_path, command):
    mine = tuned_file(tmp_path / "mine.json")
    written = {}
    for name, more in (("packaged", ()), ("mine", ("--tuned", mine))):
        done = run_here(*arguments(command, split, masks), *more, "--json", tmp_path / f"{name}-table.json")
        assert done.status == 0, done.err
        written[name] = json.loads((tmp_path / f"{name}-table.json").read_text(encoding="utf-8"))
    assert written["packaged"]["tuned_sha256"] is None
    assert written["mine"]["tuned_sha256"] == hashlib.sha256(mine.read_bytes()).hexdigest()
    packaged, changed = (measured(written[name]) for name in ("packaged", "mine"))
    assert changed[MEDIAN] != packaged[MEDIAN]
    assert changed[GAUSSIAN] == packaged[GAUSSIAN]


def test_a_count_that_is_written_as_a_decimal_is_that_count(split, masks, tmp_path):
    done = run_here(*arguments("evaluate", split, masks), "--tuned", tuned_file(tmp_path / "mine.json", 7.0))
    assert done.status == 0, done.err


@pytest.mark.parametrize("command", ["evaluate", "fidelity", "segmentation"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "File of parameters '{}' does not exist: give one that 'neural-diffusion tune' wrote.\n"),
        ("{", "'{}' has no tuned parameters for rician noise: write it with 'neural-diffusion tune'.\n"),
        ('{"peers": {}}', "'{}' has no tuned parameters for rician noise: write it with 'neural-diffusion tune'.\n"),
    ],
    ids=["none", "no JSON", "another file"],
)
def test_what_tune_did_not_write_is_refused(split, masks, tmp_path, command, content, words):
    path = tmp_path / "mine.json"
    if content is not None:
        path.write_text(content)
    done = run_here(*arguments(command, split, masks), "--tuned", path)
    assert (done.status, done.out, done.err) == (2, "", words.format(path))


def test_values_that_the_search_cannot_have_found_are_refused(split, masks, tmp_path):
    path = tuned_file(tmp_path / "mine.json", -3)
    done = run_here(*arguments("evaluate", split, masks), "--tuned", path)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"'{path}' has no tuned parameters for rician noise: write it with 'neural-diffusion tune'.\n"


def test_a_file_that_no_row_reads_is_refused(split, masks, tmp_path):
    path = tuned_file(tmp_path / "mine.json")
    done = run_here(*arguments("evaluate", split, masks), "--methods", "ours", "--tuned", path)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"No row takes parameters from '{path}': add tuned to --methods, or leave out --tuned.\n"
