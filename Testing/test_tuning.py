"""The search for parameters: finds the best, on validation slices only, and says when a grid was too short."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from NeuralDiffusionTraining.benchmark.evaluation import corrupt_all
from NeuralDiffusionTraining.benchmark.peers.bias_correction import correct_bias
from NeuralDiffusionTraining.benchmark.peers.slice_noise import judge_noise
from NeuralDiffusionTraining.benchmark.peers.tunable_filters import FILTERS, TunableFilter
from NeuralDiffusionTraining.benchmark.peers.tuned import tuned
from NeuralDiffusionTraining.benchmark.peers.tuning import tune
from NeuralDiffusionTraining.commands.tune import tune as tune_command
from NeuralDiffusionTraining.data import loaded_part, splits
from NeuralDiffusionTraining.files.command_error import CommandError


def blocks(count: int) -> np.ndarray:
    values = np.random.default_rng(2).uniform(0, 0.8, (count, 8, 8))
    return np.kron(values, np.ones((8, 8))).astype(np.float32)


def keep_only(monkeypatch: pytest.MonkeyPatch, name: str, **change: object) -> TunableFilter:
    """Leave one filter in the list, perhaps changed."""
    kept = replace(FILTERS[name], **change)
    for other in list(FILTERS):
        monkeypatch.delitem(FILTERS, other)
    monkeypatch.setitem(FILTERS, name, kept)
    return kept


def ridge(picture: np.ndarray, sigma: float, first: int, second: int) -> np.ndarray:
    """Best at (7, 7), and no step along one axis leads up the ridge to it."""
    return picture + 0.01 * abs(first - second) + 0.001 * (7 - first)


@pytest.mark.parametrize("name", ["Gaussian smoothing", "Classical Perona-Malik"])
def test_the_search_finds_the_best_of_the_whole_grid(monkeypatch, name):
    tunable = keep_only(monkeypatch, name)
    clean = blocks(3)
    noisy, _ = corrupt_all(clean, "rician", None)
    found = tune(clean, noisy, "rician")[name]
    estimate = judge_noise(noisy, "rician")
    scores = []
    for values in product(*tunable.grid.values()):
        parameters = dict(zip(tunable.grid, values, strict=True))
        smooth = np.stack([tunable(*one, parameters) for one in zip(noisy, estimate.sigma, strict=True)])
        errors = np.mean((np.clip(correct_bias(smooth, estimate), 0, 1) - clean) ** 2, axis=(1, 2))
        scores.append(np.mean(-10 * np.log10(errors)))
    assert found.psnr_db == pytest.approx(max(scores), abs=1e-4)
    assert found.tried < len(scores)


def test_the_search_climbs_ridges_and_tells_that_a_grid_ended_too_early(monkeypatch):
    grid = {"first": tuple(range(8)), "second": tuple(range(10))}
    keep_only(monkeypatch, "Median", apply=ridge, grid=grid, natural_ends=frozenset())
    clean = blocks(2)
    found = tune(clean, clean, "speckle")["Median"]
    assert found.parameters == {"first": 7, "second": 7}
    assert found.at_end == ("first",)


def test_a_filter_is_done_after_its_search(monkeypatch):
    told, searched = [], []
    keep_only(monkeypatch, "Median", apply=lambda picture, sigma, size: searched.append(list(told)) or picture)
    tune(blocks(1), blocks(1), "speckle", told.append)
    assert told == ["Median"]
    assert searched
    assert not any(searched)


def test_where_a_grid_cannot_go_on_its_end_is_no_complaint(monkeypatch):
    keep_only(monkeypatch, "Median")
    clean = blocks(2)
    noisy, _ = corrupt_all(clean, "speckle", 0.01)
    found = tune(clean, noisy, "speckle")["Median"]
    assert found.parameters == {"size": 1}
    assert found.at_end == ()


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """Four validation slices; the pictures of the other parts are damaged, so reading one would fail."""
    names = [f"{label}/{number}.jpg" for label in ("no", "yes") for number in range(4)]
    pictures = (255 * blocks(4)).astype(np.uint8)
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"damaged")
    validation = [name for name in names if name[-5] in "12"]
    for name, picture in zip(validation, pictures, strict=True):
        Image.fromarray(picture).save(tmp_path / name, "PNG")
    train = [name for name in names if name[-5] == "0"]
    test = [name for name in names if name[-5] == "3"]
    groups = {name: number for number, name in enumerate(names)}
    split = splits.Split("original", tuple(train), tuple(validation), tuple(test), groups)
    monkeypatch.setattr(loaded_part, "load_split", lambda name, folder: split)
    return tmp_path


def test_the_command_reads_the_validation_part_only_and_writes_what_the_table_reads(data, monkeypatch, capsys):
    keep_only(monkeypatch, "Gaussian smoothing")
    output = data / "tuned.json"
    tune_command(data=data, output=output, split="original", noise=["gaussian", "rician"], limit=3)
    content = json.loads(output.read_text())
    assert (content["part"], content["slices"], content["split"]) == ("validation", 3, "original")
    assert len(content["split_sha256"]) == len(content["weights_sha256"]) == 64
    assert set(content["noise"]) == {"gaussian", "rician"}
    outcome = content["noise"]["rician"]["Gaussian smoothing"]
    assert outcome["parameters"]["width"] in content["grids"]["Gaussian smoothing"]["width"]
    (row,) = tuned("rician", output)
    assert row.name == "Gaussian smoothing (tuned, bias-corrected)"
    assert f"{outcome['psnr_db']:.2f}" in capsys.readouterr().out
    with pytest.raises(CommandError, match="speckle"):
        tuned("speckle", output)


def test_a_grid_that_ended_too_early_is_said(data, monkeypatch, capsys):
    keep_only(monkeypatch, "Gaussian smoothing", grid={"width": (0.1, 0.2, 0.3), "power": (0.0,)})
    tune_command(data=data, output=data / "tuned.json", split="original", noise=["gaussian"], limit=2)
    sentence = "Gaussian smoothing, gaussian noise: the best width found, 0.3, lies at the end of its grid"
    assert sentence in capsys.readouterr().err


def test_bad_input_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(CommandError, match="does not exist"):
        tune_command(data=tmp_path, output=tmp_path / "missing" / "tuned.json", split="original", noise=None, limit=0)
    with pytest.raises(CommandError, match="poisson"):
        tune_command(data=tmp_path, output=tmp_path / "tuned.json", split="original", noise=["poisson"], limit=0)
