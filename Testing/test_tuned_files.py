"""Parameters that `tune` and `tune-volumes` wrote reach the filters of the tables."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from batch_runs import run_here
from PIL import Image
from training_slices import make_slices

from NeuralDiffusionTraining.benchmark.peers.tuned import PARAMETERS
from NeuralDiffusionTraining.benchmark.volumes.peers import PEERS
from NeuralDiffusionTraining.benchmark.volumes.tuning import PACKAGED_GRID, committed_grid
from NeuralDiffusionTraining.data.splits import read_split

MEDIAN = "Median (tuned, bias-corrected)"
GAUSSIAN = "Gaussian smoothing (tuned, bias-corrected)"


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> Path:
    return make_slices(tmp_path_factory.mktemp("data"), count=8)


@pytest.fixture(scope="module")
def masks(split, tmp_path_factory) -> Path:
    """A lesion in each of a few slices to train on and to test with."""
    folder, parts = tmp_path_factory.mktemp("masks"), read_split(split)
    for name in (*parts.train[:4], *parts.test[:2]):
        mask = Image.new("L", (160, 160))
        mask.paste(255, (60, 60, 90, 90))
        (folder / name).parent.mkdir(exist_ok=True)
        mask.save(folder / name)
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


@dataclass(frozen=True)
class Tables:
    """What a command printed and wrote."""

    printed: str
    content: dict
    markdown: str


def tables(folder: Path, *arguments: object) -> Tables:
    """Run a command that must succeed."""
    made = [folder / f"table.{name}" for name in ("json", "md")]
    with pytest.MonkeyPatch.context() as patch:
        # A table that is wider than the terminal is cut with its title.
        patch.setenv("COLUMNS", "200")
        done = run_here(*arguments, "--json", made[0], "--markdown", made[1])
    assert done.status == 0, done.err
    content, markdown = (path.read_text(encoding="utf-8") for path in made)
    return Tables(" ".join(done.out.split()), json.loads(content), markdown)


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    return tuned_file(tmp_path_factory.mktemp("mine") / "mine.json")


@pytest.fixture(scope="module")
def with_either(split, masks, mine, tmp_path_factory) -> Callable[[str], tuple[Tables, Tables]]:
    """What a command says with the parameters of the package and with those of a file."""

    @cache
    def run(command: str) -> tuple[Tables, Tables]:
        folder, asked = tmp_path_factory.mktemp(command), arguments(command, split, masks)
        return tables(folder, *asked), tables(folder, *asked, "--tuned", mine)

    return run


@pytest.mark.parametrize("command", ["evaluate", "fidelity", "segmentation"])
def test_parameters_of_a_file_reach_the_filters_and_the_result_names_it(with_either, mine, command):
    packaged, changed = (one.content for one in with_either(command))
    assert packaged["tuned_sha256"] is None
    assert changed["tuned_sha256"] == hashlib.sha256(mine.read_bytes()).hexdigest()
    before, after = measured(packaged), measured(changed)
    assert after[MEDIAN] != before[MEDIAN]
    assert after[GAUSSIAN] == before[GAUSSIAN]


@pytest.mark.parametrize("command", ["evaluate", "fidelity", "segmentation"])
def test_what_stands_above_the_tables_says_that_a_file_was_given(with_either, command):
    for made, said in zip(with_either(command), (False, True), strict=True):
        for text in (made.printed, made.markdown.splitlines()[0]):
            assert (", filters tuned by 'mine.json'" in text) is said


@pytest.mark.parametrize("command", ["evaluate", "fidelity", "segmentation"])
def test_the_packages_own_parameters_are_no_foreign_ones_under_another_name(split, masks, tmp_path, command):
    mine = tmp_path / "mine.json"
    shutil.copy(PARAMETERS, mine)
    assert tables(tmp_path, *arguments(command, split, masks), "--tuned", mine).content["tuned_sha256"] is None


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


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Path:
    """A bright ball of three tissues in air."""
    axes = np.meshgrid(np.linspace(-0.4, 0.4, 5), *(np.linspace(-1, 1, 32),) * 2, indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    voxels = (500 * (radius < 0.85) - 250 * (radius < 0.4) + 100 * (radius < 0.2)).astype(np.float32)
    path = tmp_path_factory.mktemp("scan") / "ball.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(voxels), path)
    return path


def of_volumes(scan: Path, *more: object) -> list[object]:
    return ["evaluate-volumes", scan, "--sigma", 0.09, "--iterations", 1, "--device", "cpu", *more]


def grid_file(path: Path, peer: str, best: int) -> Path:
    """What was measured for the package, but that one combination of a peer was the best by far."""
    grid = committed_grid()
    for number, entry in enumerate(grid["peers"][peer]):
        entry["psnr_head_db"] = [[99.0 * (number == best)] * len(grid["sigmas"]) for _ in grid["scans"]]
    path.write_text(json.dumps(grid), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    return grid_file(tmp_path_factory.mktemp("grid") / "mine.json", PEERS[0].name, best=0)


@pytest.fixture(scope="module")
def of_scan_with_either(scan, grid, tmp_path_factory) -> tuple[Tables, Tables]:
    """What is said of a scan with the parameters of the package and with those of a file."""
    folder = tmp_path_factory.mktemp("volumes")
    return tables(folder, *of_volumes(scan)), tables(folder, *of_volumes(scan, "--peers-tuned", grid))


def test_parameters_of_a_file_reach_the_3d_filters_and_the_result_names_it(of_scan_with_either, grid):
    packaged, changed = (one.content for one in of_scan_with_either)
    assert packaged["peers_tuned_sha256"] is None
    assert changed["peers_tuned_sha256"] == hashlib.sha256(grid.read_bytes()).hexdigest()
    before, after = ({row["method"]: row["psnr_head_db"] for row in one["rows"]} for one in (packaged, changed))
    assert after.pop(PEERS[0].name) != before.pop(PEERS[0].name)
    assert after == before


def test_the_packages_own_parameters_of_3d_filters_are_no_foreign_ones_under_another_name(scan, tmp_path):
    mine = tmp_path / "mine.json"
    shutil.copy(PACKAGED_GRID, mine)
    assert tables(tmp_path, *of_volumes(scan, "--peers-tuned", mine)).content["peers_tuned_sha256"] is None


def test_the_tables_of_scans_say_by_which_file_the_3d_filters_were_chosen(of_scan_with_either):
    for made, said in zip(of_scan_with_either, (False, True), strict=True):
        assert ("; parameters of the 3-D filters by 'mine.json'" in made.printed) is said
        note = made.markdown.splitlines()[0]
        assert note.endswith(" The parameters of the 3-D filters were chosen by 'mine.json'.") is said


def test_what_tune_volumes_measures_is_what_evaluate_volumes_takes(scan, tmp_path, monkeypatch):
    peer = replace(PEERS[2], choices={"strength": (0.5,), "patch_distance": (2,)})
    for module in ("peers", "tuning"):
        monkeypatch.setattr(f"NeuralDiffusionTraining.benchmark.volumes.{module}.PEERS", (peer, PEERS[0]))
    other = tmp_path / "other.nrrd"
    sitk.WriteImage(2 * sitk.ReadImage(scan), other)
    grid = tmp_path / "grid.json"
    assert run_here("tune-volumes", other, "--json", grid).status == 0
    # As where a package was not installed then.
    content = json.loads(grid.read_text(encoding="utf-8"))
    del content["peers"][PEERS[0].name]
    grid.write_text(json.dumps(content), encoding="utf-8")

    done = run_here(*of_volumes(scan, "--peers-tuned", grid, "--json", tmp_path / "table.json"))

    assert done.status == 0, done.err
    content = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert peer.name in {row["method"] for row in content["rows"]}
    assert content["skipped"] == [
        f"{PEERS[0].name} was left out: run 'neural-diffusion tune-volumes' with it to have parameters for it."
    ]

    done = run_here(*of_volumes(other, "--peers-tuned", grid))
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"'{grid}' was measured on no scan but 'other.nrrd' itself, or the template, by which no parameters may be "
        "chosen for it: run 'neural-diffusion tune-volumes' on other scans, too.\n"
    )


def without_a_figure() -> str:
    grid = committed_grid()
    grid["peers"][PEERS[0].name][0]["psnr_head_db"][0][0] = None
    return json.dumps(grid)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"noise": {}}', '{"sigmas": [], "scans": [], "peers": {}}', without_a_figure()],
    ids=["no JSON", "a list", "another file", "nothing measured", "a figure missing"],
)
def test_what_tune_volumes_did_not_write_is_refused(scan, tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    done = run_here(*of_volumes(scan, "--peers-tuned", path))
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"'{path}' holds no parameters of the 3-D filters: give one that 'neural-diffusion tune-volumes' wrote.\n"
    )


def test_parameters_of_filters_that_are_not_measured_are_refused(scan, tmp_path):
    path = grid_file(tmp_path / "mine.json", PEERS[0].name, 0)
    done = run_here(*of_volumes(scan, "--no-peers", "--peers-tuned", path))
    assert (done.status, done.out) == (2, "")
    assert done.err == "--peers-tuned is about the 3-D filters: leave it out, or leave out --no-peers.\n"
