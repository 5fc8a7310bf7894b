"""The table: same pixels for all, nobody told what he must not know, and the same numbers in every file."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batch_runs import run_here
from torch import nn
from training_slices import make_slices

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.network.neural_diffusion import NetworkOutput
from NeuralDiffusionTraining.benchmark import cost, learned, tables
from NeuralDiffusionTraining.benchmark.cost import (
    TIMED_SLICES,
    count_parameters,
    diffusion_macs_per_pixel,
    macs_per_pixel,
    seconds_per_slice,
)
from NeuralDiffusionTraining.benchmark.evaluation import corrupt_all, evaluate, noisy_input
from NeuralDiffusionTraining.benchmark.figure_text import STAR_MEANS
from NeuralDiffusionTraining.benchmark.learned import diffusion_alone, ours, trained
from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.benchmark.metrics import measure
from NeuralDiffusionTraining.benchmark.run_facts import command_line
from NeuralDiffusionTraining.commands.table_rows import asked_rows, name_and_checkpoint
from NeuralDiffusionTraining.data.corruption import benchmark_corruption
from NeuralDiffusionTraining.data.loaded_part import load_part
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.result_files import write_json
from NeuralDiffusionTraining.networks.checkpoints import TrainedNetwork

CONTRACT_OF_A_ROW = {
    "method",
    "group",
    "sigma",
    *("psnr_db", "psnr_head_db", "psnr_background_db", "ssim", "edge_mse", "hfen"),
    *("difference_psnr_db", "parameters", "macs_per_pixel", "seconds_per_slice", "sigma_error"),
}


def heads(count: int, side: int = 48) -> np.ndarray:
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    radius = np.hypot(rows, columns)
    pictures = [0.7 * (radius < 0.8) - 0.4 * (radius < 0.2 + 0.05 * number) for number in range(count)]
    return np.stack(pictures).astype(np.float32)


def blend(name: str, share: float, clean: np.ndarray, group: str = "peer") -> Method:
    """A method that cheats: it brings every slice nearer to the clean one by a share."""
    place = {"next": 0}

    def denoise(noisy: np.ndarray, _: np.ndarray) -> np.ndarray:
        first = place["next"] % len(clean)
        place["next"] += len(noisy)
        return noisy + share * (clean[first : first + len(noisy)] - noisy)

    return Method(name, group, "none", denoise)


@pytest.fixture(scope="module")
def clean():
    return heads(6)


@pytest.fixture(scope="module")
def results(clean):
    methods = [noisy_input(), blend("Half way", 0.5, clean), blend("Ours", 0.8, clean, "ours")]
    return evaluate(methods, clean, "rician", groups=np.arange(6) // 2)


def test_every_method_sees_the_noise_of_the_slices_place(clean):
    seen = []

    def keep(noisy: np.ndarray, _: np.ndarray) -> np.ndarray:
        seen.append(noisy.copy())
        return noisy

    evaluate([Method(name, "peer", "none", keep) for name in "ab"], clean, "speckle", 0.1)
    expected = np.stack([benchmark_corruption(one, "speckle", place, 0.1)[0] for place, one in enumerate(clean)])
    for noisy in seen:
        np.testing.assert_array_equal(noisy, expected)


@pytest.mark.parametrize(("sigma", "told"), [("true", True), ("estimated", False), ("none", False)])
def test_only_methods_marked_true_are_told_the_level(clean, sigma, told):
    levels = []

    def keep(noisy: np.ndarray, given: np.ndarray) -> np.ndarray:
        levels.append(given)
        return noisy

    evaluate([Method("Any", "peer", sigma, keep)], clean, "rician")
    drawn = corrupt_all(clean, "rician", None)[1]
    for given in levels:
        np.testing.assert_array_equal(given, drawn if told else np.full(6, np.nan))


def test_a_method_that_changes_the_levels_it_is_told_changes_them_for_nobody_else(clean):
    told = []

    def use_up(noisy: np.ndarray, levels: np.ndarray) -> np.ndarray:
        told.append(levels.copy())
        levels *= 0
        return noisy

    results = evaluate([Method(name, "peer", "true", use_up) for name in "ab"], clean, "rician")
    drawn = corrupt_all(clean, "rician", None)[1]
    np.testing.assert_array_equal(results.levels, drawn)
    np.testing.assert_array_equal(told[0], drawn)
    np.testing.assert_array_equal(told[len(told) // 2], drawn)


def test_a_method_that_fails_is_named(clean):
    broken = Method("Broken network", "trained here", "none", lambda noisy, _: noisy * np.nan)
    cropped = Method("Cropped", "peer", "none", lambda noisy, _: noisy[:, 1:])
    for method in (broken, cropped):
        with pytest.raises(CommandError, match=method.name):
            evaluate([method], clean, "rician")
    with pytest.raises(CommandError, match="'Twice'"):
        evaluate([blend("Twice", 0.1, clean), blend("Twice", 0.2, clean)], clean, "rician")


def test_a_method_of_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="tuned"):
        Method("Median", "tuned", "none", lambda noisy, _: noisy)
    with pytest.raises(ValueError, match="oracle"):
        Method("Median", "peer", "oracle", lambda noisy, _: noisy)


def test_rows_follow_the_order_of_the_methods_and_compare_with_ours(results):
    noisy, half, ours_row = tables.rows(results)
    assert set(noisy) >= CONTRACT_OF_A_ROW
    assert [row["method"] for row in (noisy, half, ours_row)] == ["Noisy input", "Half way", "Ours"]
    # Half the error is 6.02 dB, a fifth of it 13.98 dB; clipping to [0, 1] costs nothing here.
    assert half["psnr_db"]["mean"] - noisy["psnr_db"]["mean"] == pytest.approx(6.02, abs=0.01)
    assert half["difference_psnr_db"]["mean"] == pytest.approx(6.02 - 13.98, abs=0.01)
    assert ours_row["difference_psnr_db"] == {"mean": 0, "low": 0, "high": 0}
    # The slices differ by decibels, the paired difference by nothing.
    assert half["psnr_db"]["high"] - half["psnr_db"]["low"] > 0.1
    assert half["difference_psnr_db"]["high"] - half["difference_psnr_db"]["low"] < 0.01
    assert noisy["seconds_per_slice"] is None
    assert half["seconds_per_slice"] > 0


def test_near_duplicates_do_not_narrow_the_intervals(clean):
    darker = Method("Darker", "peer", "none", lambda noisy, _: noisy * np.float32(0.9))
    shifted = Method("Shifted", "ours", "none", lambda noisy, _: noisy - np.float32(0.1))

    def first_row(copies: int) -> dict:
        # Without noise, copies of a slice have the same figures.
        groups = np.repeat(range(len(clean)), copies)
        return tables.rows(evaluate([darker, shifted], np.repeat(clean, copies, 0), "gaussian", 0.0, groups))[0]

    once, copied = first_row(1), first_row(9)
    for figure in ("psnr_db", "difference_psnr_db"):
        assert once[figure]["high"] - once[figure]["low"] > 0.1
        assert copied[figure] == pytest.approx(once[figure])


def test_without_ours_there_is_nothing_to_compare_with(clean):
    (row,) = tables.rows(evaluate([noisy_input()], clean, "rician"))
    assert row["difference_psnr_db"] is None
    assert "nan" not in tables.to_markdown([row]).lower()


def test_csv_and_markdown_hold_the_numbers_of_the_rows(results):
    table = tables.rows(results)
    lines = list(csv.DictReader(io.StringIO(tables.to_csv(table))))
    for line, row in zip(lines, table, strict=True):
        assert line["method"] == row["method"]
        assert float(line["psnr_db"]) == row["psnr_db"]["mean"]
        assert float(line["ssim_low"]) == row["ssim"]["low"]
        assert float(line["difference_psnr_db_high"]) == row["difference_psnr_db"]["high"]
    markdown = tables.to_markdown(table).splitlines()
    assert len({line.count("|") for line in markdown}) == 1
    assert f"| {table[1]['psnr_db']['mean']:.2f} (" in markdown[3]


def test_the_figures_of_the_slices_are_those_that_the_table_is_made_of(clean):
    names = [f"no/{number}.jpg" for number in range(len(clean))]
    headless = np.concatenate([clean[:-1], np.zeros_like(clean[:1])])
    results = evaluate(
        [noisy_input(), blend("Half", 0.5, headless)], headless, "rician", groups=np.arange(len(clean)) // 2
    )
    lines = list(csv.DictReader(io.StringIO(tables.slices_to_csv(results, names))))
    assert [(line["method"], line["slice"]) for line in lines] == [
        (method, name) for method in ("Noisy input", "Half") for name in names
    ]
    _, levels = corrupt_all(headless, "rician", None)
    assert [float(line["sigma_added"]) for line in lines[: len(names)]] == levels.tolist()
    assert [int(line["group"]) for line in lines[: len(names)]] == [number // 2 for number in range(len(names))]
    for row, mine in zip(tables.rows(results), (lines[: len(names)], lines[len(names) :]), strict=True):
        for figure in ("psnr_db", "psnr_head_db", "ssim", "edge_mse", "hfen"):
            known = [float(line[figure]) for line in mine if line[figure]]
            assert np.mean(known) == pytest.approx(row[figure]["mean"], rel=1e-12)
        assert mine[-1]["psnr_head_db"] == ""


def test_noise_free_input_keeps_its_meaning_in_every_file(clean, tmp_path):
    # One slice comes back changed, the others as they are.
    changed = Method(
        "Ours", "ours", "none", lambda noisy, _: noisy + (np.arange(len(noisy)) == 2)[:, None, None] * 0.01
    )
    table = tables.rows(evaluate([noisy_input(), changed], clean, "rician", 0.0))
    write_json(tmp_path / "table.json", {"rows": table})
    noisy, ours_row = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert noisy["psnr_db"]["mean"] is None
    assert noisy["psnr_db"]["infinite_slices"] == 6
    assert ours_row["psnr_db"]["mean"] is None
    assert ours_row["psnr_db"]["infinite_slices"] == 5
    assert ours_row["psnr_db"]["mean_of_finite"] == pytest.approx(40, abs=0.1)
    markdown = tables.to_markdown(table)
    assert "| ∞ " in markdown
    assert "| 40.00* |" in markdown
    assert STAR_MEANS in markdown


def test_cost_of_a_network_is_counted():
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(1, 8, 3, padding=1)
            self.refinement = nn.Conv2d(8, 1, 1)

        def forward(self, slices, noise, iterations, neighbours, refine):
            body = self.body(slices)
            return self.refinement(body) if refine else body[:, :1]

    settings = DenoiseSettings()
    assert count_parameters(Small()) == 8 * 9 + 8 + 8 + 1
    assert count_parameters(Small(), refine=False) == 8 * 9 + 8
    assert macs_per_pixel(Small(), settings) == 8 * 9 + 8
    assert macs_per_pixel(Small(), DenoiseSettings(refine=False)) == 8 * 9


@pytest.mark.parametrize("slices", [2, TIMED_SLICES, 3 * TIMED_SLICES])
def test_time_is_that_of_one_of_the_slices_that_were_timed(monkeypatch, slices):
    clock = SimpleNamespace(now=0.0)

    def denoise(noisy: np.ndarray, _: np.ndarray) -> np.ndarray:
        clock.now += 0.25 * len(noisy)
        return noisy

    monkeypatch.setattr(cost, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    seconds = seconds_per_slice(Method("Any", "peer", "none", denoise), np.zeros((slices, 4, 4)), np.zeros(slices))
    assert seconds == 0.25


def test_cost_of_the_diffusion_is_that_counted_by_hand():
    # Two edges a pixel, each times gate and times weight, and their sum times the step size.
    assert diffusion_macs_per_pixel(1, 4) == 2 * 2 + 1
    assert diffusion_macs_per_pixel(3, 8) == 3 * (4 * 2 + 1)


def test_our_rows_are_what_the_user_gets(denoiser, clean):
    settings = DenoiseSettings(noise="gaussian", iterations=3)
    noisy, levels = corrupt_all(clean[:2], "gaussian", 0.1)
    methods = ours(denoiser, settings)
    combinations = [(8, True), (8, False), (4, True), (4, False)]
    for method, (neighbours, refine) in zip(methods, combinations, strict=True):
        asked = DenoiseSettings(
            noise="gaussian", iterations=3, neighbours=neighbours, refine=refine, intensity_range=(0, 1)
        )
        np.testing.assert_array_equal(method.denoise(noisy, levels), denoiser(noisy, asked).image)
        assert f"{neighbours} neighbours" in method.name
        assert method.group == "ours"
        np.testing.assert_allclose(method.estimate(noisy), denoiser(noisy, asked).slice_sigma, rtol=1e-5)
    assert methods[0].parameters == sum(weights.numel() for weights in denoiser.network.parameters())
    assert methods[1].parameters < methods[0].parameters
    assert methods[1].macs_per_pixel < methods[0].macs_per_pixel
    # One conduction network a stage sees all four directions, so the neighbourhood changes the diffusion alone.
    saved = diffusion_macs_per_pixel(3, 8) - diffusion_macs_per_pixel(3, 4)
    assert methods[0].macs_per_pixel - methods[2].macs_per_pixel == saved == 12


@pytest.mark.parametrize("blind", [True, False])
def test_a_trained_network_is_a_row_that_says_what_it_was_given(monkeypatch, clean, blind):
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Conv2d(1, 1, 1)
            nn.init.constant_(self.gain.weight, 0.5)
            nn.init.zeros_(self.gain.bias)
            if blind:
                self.noise_level = nn.Identity()

        def forward(self, slices, noise, iterations, neighbours, refine):
            assert (noise, neighbours) == ("speckle", 4)
            image = self.gain(slices)
            return NetworkOutput(image, image, image, torch.full((len(slices),), 0.07))

    loaded = TrainedNetwork(Network(), "unet", {}, {}, {})
    monkeypatch.setattr(learned, "load_trained", lambda path: loaded)
    settings = DenoiseSettings(noise="speckle", neighbours=4)
    method = trained("U-Net", Path("any.ckpt"), settings, "cpu", "float32")
    np.testing.assert_allclose(method.denoise(clean, np.full(6, np.nan)), clean / 2)
    assert (method.name, method.group, method.parameters, method.macs_per_pixel) == ("U-Net", "trained here", 2, 1)
    assert method.told == ("estimated" if blind else "none")
    (row,) = tables.rows(evaluate([method], clean, "speckle", 0.1))
    assert row["sigma_error"] == (pytest.approx(0.03) if blind else None)


def test_diffusion_alone_is_a_weighted_mean_of_the_input(denoiser, clean):
    noisy, levels = corrupt_all(clean[:2], "rician", 0.15)
    alone = diffusion_alone(denoiser, DenoiseSettings()).denoise(noisy, levels)
    np.testing.assert_allclose(alone.mean(axis=(1, 2)), noisy.mean(axis=(1, 2)), atol=1e-5)
    assert np.all(alone.max(axis=(1, 2)) <= noisy.max(axis=(1, 2)) + 1e-6)
    assert np.all(alone.min(axis=(1, 2)) >= noisy.min(axis=(1, 2)) - 1e-6)
    with torch.no_grad():
        inputs = torch.from_numpy(noisy).unsqueeze(1)
        diffused = denoiser.network(inputs).diffused[:, 0].numpy()
    # In the air the inversion takes away what the diffusion cannot.
    assert diffused[:, :4, :4].mean() < alone[:, :4, :4].mean() - 0.05


def test_the_recorded_command_names_no_folder_of_this_machine():
    typed = ["evaluate", "--data", "../here/br35h", "--json=/tmp/out/a.json", "--trained", "U-Net=/x/best.ckpt"]
    assert command_line(typed) == ("neural-diffusion evaluate --data br35h --json=a.json --trained U-Net=best.ckpt")


def test_rows_are_chosen_by_kind(tmp_path):
    assert asked_rows("all") == {"published", "tuned", "peers", "ours"}
    assert asked_rows("ours, tuned") == {"ours", "tuned"}
    assert asked_rows("all, levers") == {"published", "tuned", "peers", "ours", "levers"}
    for wrong in ("", "unet", "ours,nlm"):
        with pytest.raises(CommandError, match=r"choose from published, tuned, peers, ours, levers or all\.$"):
            asked_rows(wrong)
    for wrong in ("model.ckpt", "=model.ckpt", "U-Net="):
        with pytest.raises(CommandError, match="NAME=CHECKPOINT"):
            name_and_checkpoint(wrong)
    with pytest.raises(CommandError, match=r"none\.ckpt' does not exist"):
        name_and_checkpoint(f"U-Net={tmp_path / 'none.ckpt'}")


def test_command_writes_the_table_three_times_and_every_slice(tmp_path, monkeypatch):
    # A table that is wider than the terminal is cut.
    monkeypatch.setenv("COLUMNS", "200")
    split = make_slices(tmp_path / "data", count=8)
    files = {kind: tmp_path / f"table.{kind}" for kind in ("json", "csv", "markdown", "per-slice")}
    options = [text for kind, path in files.items() for text in (f"--{kind}", path)]
    done = run_here("evaluate", "--data", tmp_path / "data", "--split", split, "--limit", 2, "--iterations", 2,
               "--methods", "ours,published", "--device", "cpu", *options)  # fmt: skip
    assert done.status == 0, done.err
    content = json.loads(files["json"].read_text(encoding="utf-8"))
    wanted = {"slices", "split", "part", "split_sha256", "noise", "sigma", "iterations", "neighbours", "precision",
              "device", "weights_sha256", "command", "skipped", "threads", "hardware"}  # fmt: skip
    assert wanted <= set(content)
    assert (content["slices"], content["noise"], content["neighbours"], content["skipped"]) == (2, "rician", 8, [])
    assert str(tmp_path) not in files["json"].read_text(encoding="utf-8")
    groups = [row["group"] for row in content["rows"]]
    assert groups == ["input"] + ["as published"] * 8 + ["ours"] * 4
    for row in content["rows"]:
        assert row["method"] in done.out.replace("\n", " ") or len(row["method"]) > 20
        assert math.isfinite(row["psnr_db"]["mean"])
        assert row["method"] in files["markdown"].read_text(encoding="utf-8")
    assert len(list(csv.DictReader(files["csv"].open(encoding="utf-8")))) == len(content["rows"])
    slices = list(csv.DictReader(files["per-slice"].open(encoding="utf-8")))
    assert [line["method"] for line in slices[::2]] == [row["method"] for row in content["rows"]]
    assert len({line["slice"] for line in slices}) == 2


def test_command_measures_the_draw_that_is_asked_for(tmp_path, monkeypatch):
    # A title is cut at the edge of the terminal.
    monkeypatch.setenv("COLUMNS", "200")
    split = make_slices(tmp_path / "data", count=8)
    done = run_here("evaluate", "--data", tmp_path / "data", "--split", split, "--limit", 2, "--methods", "input",
                    "--draw", 3, "--device", "cpu", "--per-slice", tmp_path / "slices.csv")  # fmt: skip
    assert done.status == 0, done.err
    assert "draw 3 of the noise" in " ".join(done.out.split())
    assert load_part(tmp_path / "data", str(split), "test", 1).title == "1 test slice, own original split"
    clean = load_part(tmp_path / "data", str(split), "test", 2).clean
    noisy, levels = corrupt_all(clean, "rician", None, 3)
    lines = list(csv.DictReader((tmp_path / "slices.csv").open(encoding="utf-8")))
    assert [float(line["sigma_added"]) for line in lines] == levels.tolist()
    expected = [measure(one, truth).psnr_db for one, truth in zip(noisy, clean, strict=True)]
    assert [float(line["psnr_db"]) for line in lines] == pytest.approx(expected)
