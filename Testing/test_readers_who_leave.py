"""What was measured is written although nobody reads standard output, and shown although it cannot be written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from batch_runs import run_here
from PIL import Image
from rich.console import Console
from training_slices import make_slices

from NeuralDiffusionTraining.benchmark.peers.tunable_filters import FILTERS
from NeuralDiffusionTraining.data.splits import read_split
from NeuralDiffusionTraining.files.command_error import CommandError

Arguments = Callable[[str], list[object]]
COMMANDS = ("evaluate", "fidelity", "segmentation", "sweep", "tune", "evaluate-volumes")


@pytest.fixture(scope="module")
def arguments(tmp_path_factory) -> Arguments:
    """A quick measurement by each command, but for where it writes to."""
    folder = tmp_path_factory.mktemp("slices")
    split = make_slices(folder / "data", 8)
    parts = read_split(split)
    for name in (*parts.train[:2], *parts.test[:1]):
        mask = Image.new("L", (160, 160))
        mask.paste(255, (60, 60, 90, 90))
        (folder / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        mask.save(folder / "masks" / name)
    head = np.zeros((5, 24, 24), np.float32)
    head[:, 4:20, 4:20] = np.arange(1, 17)
    sitk.WriteImage(sitk.GetImageFromArray(head), folder / "scan.nrrd")
    slices = ["--data", folder / "data", "--split", split]
    one = ["--limit", 1, "--device", "cpu"]
    of = {
        "evaluate": [*slices, *one, "--methods", "input"],
        "fidelity": [*slices, *one, "--methods", "input"],
        "segmentation": [*slices, "--masks", folder / "masks", "--methods", "input", "--device", "cpu"],
        "sweep": [*slices, *one, "--noise", "rician", "--sigma", 0.1, "--iterations", 1, "--neighbours", 8],
        "tune": [*slices, "--limit", 1, "--noise", "speckle"],
        "evaluate-volumes": [folder / "scan.nrrd", "--no-peers", "--sigma", 0.1, "--iterations", 1, "--device", "cpu"],
    }
    return lambda name: [name, *of[name], "--output" if name == "tune" else "--json"]


@pytest.fixture
def one_filter(monkeypatch) -> None:
    for name in FILTERS.keys() - {"Median"}:
        monkeypatch.delitem(FILTERS, name)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.usefixtures("one_filter")
def test_a_file_is_written_though_nobody_reads_what_is_shown(arguments, tmp_path, monkeypatch, name):
    def show(console: Console, *_: object, **__: object) -> None:
        if not console.stderr:
            raise BrokenPipeError

    monkeypatch.setattr(Console, "print", show)
    with pytest.raises(BrokenPipeError):
        run_here(*arguments(name), tmp_path / "table.json")
    assert json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))


def test_a_table_is_shown_though_it_cannot_be_written(arguments, tmp_path, monkeypatch):
    def write(path: Path, content: object) -> None:
        raise CommandError(f"'{path}' cannot be written (No space left on device): name another place.")

    monkeypatch.setattr("NeuralDiffusionTraining.commands.evaluate.write_json", write)
    done = run_here(*arguments("evaluate"), tmp_path / "table.json")
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "No space left on device" in done.err
    assert "Noisy input" in done.out
