"""The sweep: every combination once, on the noise of the table, drawn and written."""

from __future__ import annotations

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batch_runs import run_here
from PIL import Image
from training_slices import make_slices

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionTraining.benchmark import sweep as swept
from NeuralDiffusionTraining.benchmark.evaluation import corrupt_all
from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.benchmark.metrics import measure
from NeuralDiffusionTraining.benchmark.network_pass import NetworkPass
from NeuralDiffusionTraining.benchmark.sweep_tables import to_csv, to_terminal
from NeuralDiffusionTraining.files.result_files import write_json
from NeuralDiffusionTraining.reporting.plots import as_png
from NeuralDiffusionTraining.reporting.sweep_plots import SWEEP_DPI, sweep_figures


@pytest.fixture(scope="module")
def clean():
    rows, columns = np.mgrid[-1:1:32j, -1:1:32j]
    radius = np.hypot(rows, columns)
    return np.stack([0.7 * (radius < 0.8) - 0.4 * (radius < size) for size in (0.2, 0.4)]).astype(np.float32)


def stand_in(noisy: np.ndarray, settings: DenoiseSettings) -> SimpleNamespace:
    """Darker with each iteration and neighbour, so that no two combinations give the same."""
    image = noisy * (1 - settings.iterations / 500 - settings.neighbours / 100)
    return SimpleNamespace(image=image, diffused=image * 0.9)


@pytest.fixture(scope="module")
def cells(clean):
    told = []
    found = swept.sweep(stand_in, clean, np.arange(2), progress=told.append)
    assert len(told) == len(found)
    return found


def test_every_combination_of_the_benchmark_is_measured_once(cells):
    combinations = {(cell["noise"], cell["sigma"], cell["neighbours"], cell["iterations"]) for cell in cells}
    assert len(cells) == len(combinations) == 4 * 7 * 2 * 6
    assert ("mixed", 0.01, 4, 64) in combinations


def test_figures_are_those_of_the_benchmarks_pixels(cells, clean):
    (cell,) = (
        cell for cell in cells
        if (cell["noise"], cell["sigma"], cell["neighbours"], cell["iterations"]) == ("speckle", 0.1, 4, 8)
    )  # fmt: skip
    noisy, _ = corrupt_all(clean, "speckle", 0.1)
    pictures = stand_in(noisy, DenoiseSettings(neighbours=4, iterations=8))
    for name, given in (("noisy", noisy), ("full", pictures.image), ("diffused", pictures.diffused)):
        figures = [measure(picture, truth) for picture, truth in zip(given, clean, strict=True)]
        for figure in swept.SWEPT_FIGURES:
            mean = np.mean([getattr(one, figure) for one in figures])
            assert cell[name][figure]["mean"] == pytest.approx(mean)


def test_slices_that_a_mean_hides_are_counted(clean):
    def spoils_the_second(noisy, settings):
        image = noisy.copy()
        image[0] = clean[0] + (noisy[0] - clean[0]) / 2
        image[1] = clean[1] + (noisy[1] - clean[1]) * 1.2
        return SimpleNamespace(image=image, diffused=noisy)

    noisy_free, noisy = swept.sweep(spoils_the_second, clean, np.arange(2), ["gaussian"], [0.0, 0.1], [8], [16])
    assert noisy["full"]["worse_slices"] == 1
    # A fifth more of the error: 20 log10 1.2 dB, less what is cut off at 0 and 1.
    assert noisy["full"]["largest_loss_db"] == pytest.approx(1.58, abs=0.2)
    assert noisy["full"]["lowest_psnr_db"] < noisy["full"]["psnr_db"]["mean"]
    assert (noisy["diffused"]["worse_slices"], noisy["diffused"]["largest_loss_db"]) == (0, 0)
    # Without noise every change is for the worse, which says nothing.
    assert "worse_slices" not in noisy_free["full"]


def test_near_duplicates_do_not_narrow_the_intervals(clean):
    own = Method("Own", "own", "none", lambda noisy, _: noisy * np.float32(0.9))

    def swept_copies(copies):
        # Without noise, copies of a slice have the same figures.
        groups = np.repeat(range(len(clean)), copies)
        (cell,) = swept.sweep(stand_in, np.repeat(clean, copies, 0), groups, ["gaussian"], [0.0], [8], [16], own=[own])
        return [cell["diffused"]["psnr_db"], cell["full"]["psnr_db"], cell["own"]["Own"]["psnr_db"]]

    for once, copied in zip(swept_copies(1), swept_copies(9), strict=True):
        assert once["high"] - once["low"] > 0.1
        assert copied == pytest.approx(once)


def test_a_method_of_ones_own_is_measured_once_for_each_noise_and_level_and_is_a_column_of_its_own(clean):
    given = []

    def blur(noisy, levels):
        given.append(levels.copy())
        return noisy - np.nan_to_num(levels)[:, None, None]

    blind, told = (Method(name, "own", level, blur) for name, level in (("Blind", "none"), ("Told", "true")))
    found = swept.sweep(stand_in, clean, np.arange(2), ["gaussian"], [0.0, 0.1], [4, 8], [1, 16], own=[blind, told])
    assert len(given) == 2 * 2
    assert np.isnan(given[0]).all()
    np.testing.assert_array_equal(given[3], [0.1, 0.1])
    noisy, _ = corrupt_all(clean, "gaussian", 0.1)
    darker = [measure(picture, truth).psnr_db for picture, truth in zip(noisy - np.float32(0.1), clean, strict=True)]
    for cell in found[4:]:
        assert cell["own"]["Blind"]["psnr_db"] == cell["noisy"]["psnr_db"]
        assert cell["own"]["Blind"]["worse_slices"] == 0
        assert cell["own"]["Told"]["psnr_db"]["mean"] == pytest.approx(np.mean(darker))
        assert cell["own"]["Told"]["worse_slices"] == 2
    assert "worse_slices" not in found[0]["own"]["Told"]
    line = list(csv.DictReader(io.StringIO(to_csv(found))))[-1]
    assert float(line["Told_psnr_db"]) == pytest.approx(np.mean(darker))
    assert line["Told_worse_slices"] == "2"
    table = to_terminal(found, "")
    assert [column.header for column in table.columns][-2:] == ["Blind", "Told"]
    assert list(table.columns[-1].cells)[-1] == f"{np.mean(darker):.2f}"


def test_figures_of_before_have_no_methods_of_ones_own(cells):
    older = [{name: value for name, value in cell.items() if name != "own"} for cell in cells]
    assert to_csv(older) == to_csv(cells)
    assert len(to_terminal(older, "").columns) == 7


@pytest.mark.parametrize("name", ["Noisy input", "full"])
def test_a_method_that_is_named_like_another_column_is_refused(tmp_path, name):
    (tmp_path / "mine.py").write_text("def denoise(noisy):\n    return noisy\n")
    done = run_here("sweep", "--data", tmp_path, "--own", f"{name}={tmp_path}/mine.py:denoise")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"Two rows of the table are called '{name}': give each a name of its own.\n"


def test_csv_has_one_line_for_each_combination(cells):
    lines = list(csv.DictReader(io.StringIO(to_csv(cells))))
    assert len(lines) == len(cells)
    for line, cell in zip(lines, cells, strict=True):
        assert (line["noise"], float(line["sigma"])) == (cell["noise"], cell["sigma"])
        assert float(line["full_psnr_db"]) == cell["full"]["psnr_db"]["mean"]
        assert float(line["diffused_ssim_low"]) == cell["diffused"]["ssim"]["low"]
    assert "nan" not in to_csv(cells)
    assert lines[0]["noisy_psnr_db_infinite_slices"] == "2"


def test_terminal_shows_the_iterations_nearest_to_the_default(cells):
    assert "16 iterations" in to_terminal(cells, "").title
    assert "8 iterations" in to_terminal([cell for cell in cells if cell["iterations"] <= 8], "").title
    assert "1 iteration," in to_terminal([cell for cell in cells if cell["iterations"] == 1], "").title


def test_network_gives_both_pictures_as_the_engine_does(clean):
    denoiser = Denoiser("cpu", precision="float32")
    noisy, levels = corrupt_all(clean, "rician", 0.1)
    settings = DenoiseSettings(iterations=5, neighbours=4, intensity_range=(0, 1))
    pictures = NetworkPass(denoiser.network, torch.device("cpu"), "float32")(noisy, settings)
    full = denoiser(noisy, settings)
    unrefined = denoiser(noisy, DenoiseSettings(iterations=5, neighbours=4, refine=False, intensity_range=(0, 1)))
    np.testing.assert_allclose(pictures.image, full.image, atol=1e-6)
    np.testing.assert_allclose(pictures.diffused, unrefined.image, atol=1e-6)
    np.testing.assert_allclose(pictures.sigma, full.slice_sigma, rtol=1e-5)
    assert np.abs(pictures.sigma - levels).max() < 0.05


def drawn(cells, split):
    return [as_png(figure, SWEEP_DPI) for figure in sweep_figures(cells, split).values()]


def test_plots_are_drawn_from_the_cells_and_from_the_file(cells, tmp_path):
    write_json(tmp_path / "sweep.json", {"cells": cells})
    again = drawn(json.loads((tmp_path / "sweep.json").read_text())["cells"], "original")
    for first, second in zip(drawn(cells, "original"), again, strict=True):
        with Image.open(io.BytesIO(first)) as one, Image.open(io.BytesIO(second)) as other:
            assert one.width > one.height > 500
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_what_was_published_is_drawn_beside_the_original_split_only(cells):
    original, own = (drawn(cells, split) for split in ("original", "own original"))
    # By noise level, where the crosses stand; by iterations there are none.
    assert [one == other for one, other in zip(original, own, strict=True)] == [False, True]


def test_command_sweeps_what_is_asked_for(tmp_path):
    split = make_slices(tmp_path / "data", count=8)
    done = run_here("sweep", "--data", tmp_path / "data", "--split", split, "--limit", 2, "--noise", "rician",
               "--noise", "rician", "--sigma", 0, "--sigma", 0.1, "--sigma", 0.1, "--neighbours", 8, "--neighbours", 8,
               "--iterations", 1, "--iterations", 2, "--iterations", 1, "--device", "cpu",
               "--json", tmp_path / "s.json", "--csv", tmp_path / "s.csv", "--plots", tmp_path / "plots")  # fmt: skip
    assert done.status == 0, done.err
    content = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    settings = [(cell["sigma"], cell["neighbours"], cell["iterations"]) for cell in content["cells"]]
    assert settings == [(0, 8, 1), (0, 8, 2), (0.1, 8, 1), (0.1, 8, 2)]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["sweep_iterations.png", "sweep_sigma.png"]
    refused = run_here("sweep", "--data", tmp_path / "data", "--split", split, "--iterations", 100)
    assert refused.status == 2
    assert refused.err.count("\n") == 1
    assert "100" in refused.err
    # So faint that 32-bit floats round it away: nothing can be lost of it.
    faint = run_here("sweep", "--data", tmp_path / "data", "--split", split, "--sigma", 0, "--sigma", 1e-8)
    assert (faint.status, faint.err) == (2, "Noise level 1e-08 is not possible: give 0, or 0.0001 or more.\n")
