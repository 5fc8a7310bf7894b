"""A method of whoever measures: a function in a file is a row beside the others, and its faults are named."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from batch_runs import run_here
from shell import head, image
from training_slices import make_slices

from NeuralDiffusionTraining.benchmark.evaluation import corrupt_all, evaluate, run_method
from NeuralDiffusionTraining.benchmark.own_methods import own_files, own_methods, own_volume_methods
from NeuralDiffusionTraining.benchmark.volumes.evaluation import evaluate_volume, prepare_volume
from NeuralDiffusionTraining.benchmark.volumes.methods import NoisyVolume, noisy_input
from NeuralDiffusionTraining.files.command_error import CommandError

FILE = """
from __future__ import annotations

import sys
from dataclasses import dataclass

from helper import share

@dataclass
class Filter:
    share: float

def shrink(noisy):
    from neighbour import shares
    return noisy * Filter(shares[0]).share

def leave(noisy):
    sys.exit("no licence")

def halve(noisy):
    noisy *= share
    return noisy

def subtract(noisy, sigma):
    return noisy - sigma[:, None, None]

def darken(noisy, sigma):
    return noisy * (1 - sigma)

def crop(noisy):
    return noisy[..., 1:]

def divide(noisy):
    return noisy / 0

def to_grey_levels(noisy): return (255 * noisy.clip(0, 1)).astype("uint8")

def stumble(noisy):
    raise RuntimeError("out of\\n luck")

def use_up(noisy, sigma):
    darker = noisy * (1 - sigma.reshape(-1, 1, 1))
    sigma *= 0
    return darker

number = 3
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "helper.py").write_text("share = 0.5\n")
    (tmp_path / "neighbour.py").write_text("shares = [0.25]\n")
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


@pytest.fixture
def noisy():
    clean = np.linspace(0, 1, 2 * 32 * 32, dtype=np.float32).reshape(2, 32, 32)
    return corrupt_all(clean, "rician", None)


def test_a_function_is_a_row_that_sees_the_noisy_slices_and_changes_none(file, noisy):
    slices, levels = noisy
    before = slices.copy()
    (method,) = own_methods([f"Half={file}:halve"], [])
    np.testing.assert_array_equal(run_method(method, slices, levels), before / 2)
    np.testing.assert_array_equal(slices, before)
    assert (method.name, method.group, method.told) == ("Half", "own", "none")


def test_only_a_function_that_is_told_gets_the_true_levels_and_its_row_says_so(file, noisy):
    slices, levels = noisy
    (method,) = own_methods([], [f"Minus={file}:subtract"])
    expected = (slices - levels[:, None, None]).astype(np.float32)
    np.testing.assert_allclose(run_method(method, slices, levels), expected, atol=1e-6)
    assert method.told == "true"


def test_a_function_that_changes_its_levels_changes_no_figure_of_its_own_or_of_another_row(file):
    clean = np.full((3, 32, 32), 0.5, np.float32)
    methods = own_methods([], [f"First={file}:use_up", f"Second={file}:use_up"])
    results = evaluate(methods, clean, "rician")
    noisy, levels = corrupt_all(clean, "rician", None)
    np.testing.assert_array_equal(results.levels, levels)
    first, second = results.rows
    np.testing.assert_array_equal(first.figures, second.figures)
    given = levels.copy()
    methods[0].denoise(noisy, given)
    np.testing.assert_array_equal(given, levels)


def test_a_file_may_have_data_classes_and_import_its_neighbours_while_it_runs(file, noisy):
    (method,) = own_methods([f"Quarter={file}:shrink"], [])
    np.testing.assert_array_equal(run_method(method, *noisy), noisy[0] / 4)


def test_on_whole_scans_a_function_gets_the_voxels_and_one_level(file):
    voxels = np.full((2, 3, 4), 0.5, np.float32)
    (blind, told) = own_volume_methods([f"Half={file}:halve"], [f"Darker={file}:darken"])
    assert blind.denoise(NoisyVolume(voxels, float("nan"), (1, 1, 1)))[0][0, 0, 0] == 0.25
    assert told.denoise(NoisyVolume(voxels, 0.2, (1, 1, 1)))[0][0, 0, 0] == pytest.approx(0.4)
    assert (blind.told, told.told) == ("none", "true")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("Mine", "write NAME=FILE.py:FUNCTION"),
        ("Mine=FILE", "write NAME=FILE.py:FUNCTION"),
        ("=FILE:halve", "write NAME=FILE.py:FUNCTION"),
        ("Mine=absent.py:halve", "'absent.py' does not exist"),
        ("Mine=FOLDER:halve", "is a folder"),
        ("Mine=FILE:double", "no function 'double'"),
        ("Mine=FILE:number", "no function 'number'"),
        ("Mine=TEXT:halve", "let it end in .py"),
        ("Mine=BROKEN:halve", "SyntaxError: '(' was never closed (broken.py, line 1)):"),
        ("Mine=IMPORTS:halve", "No module named 'nowhere'; line 2)"),
    ],
)
def test_a_row_that_cannot_be_had_is_refused_in_a_sentence(file, row, words):
    folder = file.parent
    (folder / "mine.txt").write_text(FILE)
    (folder / "broken.py").write_text("def halve(noisy:\n")
    (folder / "imports.py").write_text("\nimport nowhere\n")
    names = {"FILE": file, "FOLDER": folder, "TEXT": folder / "mine.txt", "BROKEN": folder / "broken.py"}
    for name, path in {**names, "IMPORTS": folder / "imports.py"}.items():
        row = row.replace(name, str(path)) if f"={name}" in row else row
    with pytest.raises(CommandError) as refusal:
        own_methods([row], [])
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("crop", "no finite pictures of shape (2, 32, 32)"),
        ("divide", "no finite pictures"),
        ("to_grey_levels", "gave values up to 255 where the noisy ones end at 1"),
        ("stumble", "RuntimeError: out of luck; line 39)"),
        ("leave", "SystemExit: no licence; line"),
        ("subtract", "missing 1 required positional argument: 'sigma')"),
    ],
)
def test_a_function_that_fails_is_named_with_its_line(file, noisy, function, words):
    (method,) = own_methods([f"Mine={file}:{function}"], [])
    with pytest.raises(CommandError) as refusal:
        run_method(method, *noisy)
    assert "'Mine'" in str(refusal.value)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_line_is_named_of_a_file_that_is_given_relative_to_the_current_folder(file, noisy, monkeypatch):
    monkeypatch.chdir(file.parent)
    (method,) = own_methods(["Mine=mine.py:stumble"], [])
    with pytest.raises(CommandError, match=r"'mine.py' failed \(RuntimeError: out of luck; line 39\)"):
        run_method(method, *noisy)
    (file.parent / "imports.py").write_text("\nimport nowhere\n")
    with pytest.raises(CommandError, match=r"No module named 'nowhere'; line 2\)"):
        own_methods(["Mine=imports.py:halve"], [])


def test_files_of_one_name_in_two_folders_each_have_their_own_neighbours(tmp_path, noisy):
    for name, share in (("old", 0.5), ("new", 0.25)):
        (tmp_path / name / "parts").mkdir(parents=True)
        (tmp_path / name / "parts" / "__init__.py").touch()
        (tmp_path / name / "parts" / "model.py").write_text(f"share = {share}\n")
        (tmp_path / name / "late.py").write_text(f"offset = {share}\n")
        (tmp_path / name / "mine.py").write_text(
            "from parts.model import share\n"
            "def denoise(noisy):\n    from late import offset\n    return noisy * share + offset\n"
        )
    before = list(sys.path), set(sys.modules)
    old, new = own_methods([f"{name}={tmp_path / name / 'mine.py'}:denoise" for name in ("old", "new")], [])
    for _ in range(2):
        np.testing.assert_array_equal(run_method(new, *noisy), noisy[0] * 0.25 + 0.25)
        np.testing.assert_array_equal(run_method(old, *noisy), noisy[0] * 0.5 + 0.5)
    assert (list(sys.path), set(sys.modules)) == before


def test_a_module_that_is_installed_is_not_replaced_by_a_neighbour_of_its_name_and_stays(tmp_path, noisy):
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('taken for the one that is installed')\n")
    (tmp_path / "mine.py").write_text("import colorsys\ndef denoise(noisy):\n    return noisy\n")
    (method,) = own_methods([f"Mine={tmp_path / 'mine.py'}:denoise"], [])
    np.testing.assert_array_equal(run_method(method, *noisy), noisy[0])
    assert "colorsys" in sys.modules


WANDERS = """
import os

here = os.path.dirname(__file__)
os.makedirs(f"{here}/data", exist_ok=True)
os.chdir(f"{here}/data")
with open("factor.txt", "w") as file:
    file.write("0.5")

def halve(noisy):
    with open("factor.txt") as file:
        factor = float(file.read())
    os.mkdir("deeper")
    os.chdir("deeper")
    return noisy * factor

def vanish(noisy):
    os.mkdir(f"{here}/gone")
    os.chdir(f"{here}/gone")
    os.rmdir(f"{here}/gone")
    return noisy

def lose(noisy):
    os.chdir("/")
    raise RuntimeError("lost")
"""


def test_a_file_may_change_the_current_folder_for_itself_and_for_nobody_else(tmp_path, noisy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(WANDERS)
    wanders, vanishes, lost = own_methods([f"{name}=mine.py:{name}" for name in ("halve", "vanish", "lose")], [])
    assert os.getcwd() == str(tmp_path)
    np.testing.assert_array_equal(run_method(wanders, *noisy), noisy[0] / 2)
    # It finds itself where it went the last time.
    with pytest.raises(CommandError, match=r"No such file or directory: 'factor.txt'; line"):
        run_method(wanders, *noisy)
    np.testing.assert_array_equal(run_method(vanishes, *noisy), noisy[0])
    with pytest.raises(CommandError, match="lost"):
        run_method(lost, *noisy)
    assert os.getcwd() == str(tmp_path)


SETS = """
import numpy as np
import torch

torch.set_num_threads(3)
torch.set_default_dtype(torch.float64)
np.seterr(all="raise")

def look(noisy):
    found = torch.get_num_threads(), torch.get_default_dtype(), np.geterr()["divide"]
    torch.set_grad_enabled(False)
    assert found == (3, torch.float64, "raise"), found
    return noisy
"""


def test_a_file_may_set_its_libraries_for_itself_and_for_nobody_else(tmp_path, noisy):
    def settings():
        return torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr()

    (tmp_path / "mine.py").write_text(SETS)
    before = settings()
    (looks,) = own_methods([f"Mine={tmp_path / 'mine.py'}:look"], [])
    assert settings() == before
    for _ in range(2):
        run_method(looks, *noisy)
        assert settings() == before


def test_what_is_named_relative_lies_where_the_command_was_started(tmp_path, monkeypatch):
    split = make_slices(tmp_path / "slices", 8)
    (tmp_path / "mine.py").write_text(WANDERS)
    monkeypatch.chdir(tmp_path)
    done = run_here(
        "evaluate", "--data", "slices", "--split", split.relative_to(tmp_path), "--limit", 1, "--device", "cpu",
        "--methods", "input", "--own", "Mine=mine.py:vanish", "--json", "table.json", "--csv", "table.csv",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["rows"][1]["method"] == "Mine"
    assert (tmp_path / "table.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--data", "slices", "--per-slice", "mine.py"),
        ("segmentation", "--data", "slices", "--masks", "masks", "--markdown", "mine.py"),
        ("fidelity", "--data", "slices", "--json", "mine.py"),
        ("evaluate-volumes", "scan.nrrd", "--csv", "mine.py"),
        ("sweep", "--data", "slices", "--json", "mine.py"),
        ("bench", "--plot", "./mine.py"),
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("option", ["--own", "--own-told"])
def test_no_output_is_written_over_the_file_of_a_function(file, monkeypatch, arguments, option):
    monkeypatch.chdir(file.parent)
    done = run_here(*arguments, option, "Mine=mine.py:darken")
    assert (done.status, done.out) == (2, "")
    assert done.err.endswith("mine.py' would be written over what is read: choose another name for the output.\n")
    assert file.read_text() == FILE


def test_rows_that_are_not_written_as_such_name_no_file():
    assert [str(path) for path in own_files(["Mine", "A=x/mine.py:denoise", "=other.py:denoise"])] == ["x/mine.py"]


def test_a_row_of_another_ones_name_is_refused(file):
    clean = prepare_volume("scan", head(np.float32), (3, 1, 1))
    with pytest.raises(CommandError, match=f"'{noisy_input().name}'"):
        evaluate_volume(own_volume_methods([f"{noisy_input().name}={file}:halve"], []), clean)


def test_the_commands_put_the_rows_into_their_tables(file, tmp_path, monkeypatch):
    # A table that is wider than the terminal is cut.
    monkeypatch.setenv("COLUMNS", "200")
    split = make_slices(tmp_path / "slices", 8)
    data = tmp_path / "slices"
    scan = tmp_path / "scan.nrrd"
    sitk.WriteImage(image(head(np.float32)), scan)
    of_own = ["--own", f"Half={file}:halve", "--json", tmp_path / "table.json"]
    told = ["--own-told", f"Minus={file}:subtract"]
    of_slices = ["--data", data, "--split", split, "--limit", "2", *of_own, *told]
    for arguments in (
        ["evaluate", *of_slices],
        ["fidelity", *of_slices],
        ["evaluate-volumes", scan, "--no-peers", "--sigma", "0.05", *of_own, "--own-told", f"Minus={file}:darken"],
        ["sweep", *of_slices, "--noise", "rician", "--sigma", "0.1", "--iterations", "1", "--neighbours", "8"],
    ):
        done = run_here(*arguments)
        assert done.status == 0, done.err
        text = (tmp_path / "table.json").read_text()
        assert json.loads(text)
        for name in ("Half", "Minus"):
            assert name in done.out
            assert f'"{name}' in text
