"""Tables between markers: written from the results, and only there."""

from __future__ import annotations

import json

import pytest
from sample_results import write_results
from typer.testing import CliRunner

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionTraining.cli import app
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.reporting.model_card import model_card
from NeuralDiffusionTraining.reporting.readme_figures import BLOCKS, with_figures
from NeuralDiffusionTraining.reporting.results import read_results

README = "# Title\n\nBefore.\n\n<!-- figures: {name} -->\n\n2018 figures\n\n<!-- end -->\n\nAfter.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("results"), load_weights().sha256)


@pytest.fixture(scope="module")
def results(folder):
    return read_results(folder)


def block(results, name: str) -> str:
    text = with_figures(README.format(name=name), results)
    before, rest = text.split(f"<!-- figures: {name} -->\n\n")
    body, after = rest.split("\n\n<!-- end -->")
    assert (before, after) == ("# Title\n\nBefore.\n\n", "\n\nAfter.\n")
    return body


def cells(table: str, first: str) -> list[str]:
    line = next(line for line in table.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows_of(folder, name: str) -> list[dict]:
    return json.loads((folder / f"{name}.json").read_text())["rows"]


def three(row: dict) -> str:
    return " / ".join(
        f"{row[name]['mean']:.{decimals}f}" for name, decimals in (("psnr_db", 2), ("ssim", 3), ("edge_mse", 4))
    )


@pytest.mark.parametrize("name", BLOCKS)
def test_writing_twice_changes_nothing(results, name):
    once = with_figures(README.format(name=name), results)
    assert "2018 figures" not in once
    assert with_figures(once, results) == once


def test_benchmark_shows_each_noise_type_on_each_split(results, folder):
    noisy, median, _, full, alone = rows_of(folder, "rician")
    table = block(results, "benchmark")
    assert cells(table, "Rician") == [
        "Rician", "original", "4", three(noisy), f"{median['method']}: {three(median)}", "", three(alone),
        three(full),
    ]  # fmt: skip
    assert sum(line.startswith("| Rician | grouped |") for line in table.splitlines()) == 1
    assert sum(line.startswith("| Mixed, type not told |") for line in table.splitlines()) == 1


def test_comparison_shows_every_row_with_its_interval(results, folder):
    table = block(results, "comparison")
    for row in rows_of(folder, "rician"):
        psnr = row["psnr_db"]
        shown = cells(table, row["method"])
        assert shown[1] == row["sigma"]
        assert shown[2] == f"{psnr['mean']:.2f} ({psnr['low']:.2f} to {psnr['high']:.2f})"


def test_headline_leaves_out_the_filters_that_another_of_their_kind_surpasses(folder, tmp_path):
    content = json.loads((folder / "rician.json").read_text()) | {"slices": 450}
    _, median, *others = content["rows"]
    worse = {**median, "psnr_db": {**median["psnr_db"], "mean": median["psnr_db"]["mean"] - 1}}
    content["rows"] += [
        {**worse, "method": "Box (as published)"},
        {**worse, "method": "Median (tuned)", "group": "tuned, bias-corrected"},
        {**worse, "method": "Curvature (its defaults)", "group": "peer", "sigma": "none"},
    ]
    (tmp_path / "rician.json").write_text(json.dumps(content))
    results = read_results(tmp_path)

    lines = block(results, "headline").splitlines()[4:]

    shown = [line.split("|")[1].strip() for line in lines if line]
    best = ["Noisy input", median["method"], *(row["method"] for row in others), "Median (tuned)"]
    assert shown == [*best, "Original network, as published", "Original's U-Net, as published"]
    assert len(block(results, "comparison").splitlines()) == len(block(results, "headline").splitlines()) + 2


def test_sweep_is_set_against_the_original_project(results, folder):
    cell = next(
        one
        for one in json.loads((folder / "sweep.json").read_text())["cells"]
        if (one["noise"], one["sigma"], one["iterations"]) == ("rician", 0.05, 16)
    )
    table = block(results, "sweep")
    full = cell["full"]["psnr_db"]["mean"]
    line = next(line for line in table.splitlines() if line.startswith("| Rician | 0.05 |"))
    lowest, worse = cell["full"]["lowest_psnr_db"], cell["full"]["worse_slices"]
    assert f"| {full:.2f} | {lowest:.2f} | {worse}" in line
    assert line.endswith(f"| 26.67 | {full - 26.669:+.2f} |")
    assert "in 0 of 1 cells (mixed noise not counted)" in table or "in 1 of 1 cells (mixed noise not counted)" in table


def test_of_several_sweeps_that_of_the_most_slices_is_shown(folder, tmp_path):
    few = json.loads((folder / "sweep.json").read_text())
    usual = [cell for cell in few["cells"] if cell["iterations"] == 16]
    for cell in usual:
        cell["full"]["psnr_db"]["mean"] = 77.0
    for name, content in (("sweep", few), ("sweep_default", {**few, "cells": usual, "slices": 450})):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    table = block(read_results(tmp_path), "sweep")

    assert table.startswith("450 test slices")
    assert cells(table, "Rician")[4] == "77.00"


def test_ablation_checks_and_volumes_are_shown(results, folder):
    full, alone, dropout = rows_of(folder, "ablation")
    shown = cells(block(results, "ablation"), "Full")
    assert shown[3] == f"{alone['psnr_db']['mean']:.2f}"
    lost = cells(block(results, "ablation"), "Dropout")[2]
    assert lost.startswith(f"{dropout['psnr_db']['mean'] - full['psnr_db']['mean']:+.2f} (")
    recovered = json.loads((folder / "checks.json").read_text())["lesions"]
    share = next(
        row["recovered"]["mean"]
        for row in recovered
        if (row["method"], row["radius_px"], row["cnr"]) == ("Neural Diffusion, 8 neighbours", 1, 3)
    )
    assert cells(block(results, "checks"), "Neural Diffusion, 8 neighbours")[1] == f"{100 * share:.0f}"
    assert cells(block(results, "volumes"), "Neural Diffusion")[1:] == ["estimated", "33.25", "33.25", "never"]


def test_checks_show_false_lesions_minus_ours_where_the_file_has_them(folder, tmp_path):
    content = json.loads((folder / "checks.json").read_text())
    ours = "Neural Diffusion, 8 neighbours"
    place = {"method": "Noisy input", "radius_px": 2, "cnr": 1.0}.items()
    row = next(row for row in content["false_lesions"] if place <= row.items())
    mean, low, high = (row["difference_per_slice"][end] for end in ("mean", "low", "high"))
    with_differences = block(read_results(folder), "checks")

    for part in ("lesions", "false_lesions", "envelope"):
        for one in content[part]:
            for name in [name for name in one if name.startswith("difference")]:
                del one[name]
    (tmp_path / "checks.json").write_text(json.dumps(content))
    without = block(read_results(tmp_path), "checks")

    headings = cells(with_differences, "Method")
    column = headings.index("false ones minus ours (95 % CI)")
    assert headings[column - 1] == "false ones a slice"
    assert cells(with_differences, "Noisy input")[column] == f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
    assert cells(with_differences, ours)[column] == "0"
    for first in ("Method", "Noisy input", ours):
        line = cells(with_differences, first)
        assert cells(without, first) == line[:column] + line[column + 1 :]


def test_ablations_of_the_grouped_split_of_other_noise_seeds_and_of_optimisers_are_left_to_the_report(tmp_path):
    write_results(tmp_path, load_weights().sha256)
    before = block(read_results(tmp_path), "ablation")
    content = json.loads((tmp_path / "ablation.json").read_text())
    others = {
        "grouped": {"split": "grouped"},
        "speckle": {"noise": "speckle"},
        "seed": {"seed": 1},
        "optimisers": {"of": "optimisers"},
    }
    for name, other in others.items():
        (tmp_path / f"ablation_{name}.json").write_text(json.dumps(content | other))
    assert block(read_results(tmp_path), "ablation") == before


def test_nothing_measured_is_said_so(tmp_path):
    nothing = read_results(tmp_path)
    for name in BLOCKS:
        assert block(nothing, name) == "Not measured."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<!-- figures: prices -->\n<!-- end -->", "'prices' are not known"),
        ("<!-- figures: sweep -->\nno end", "no '<!-- end -->'"),
        ("<!-- figures: sweep -->\n<!-- figures: checks -->\n<!-- end -->", "no '<!-- end -->'"),
    ],
)
def test_a_marker_that_is_wrong_is_refused(results, text, sentence):
    with pytest.raises(CommandError, match=sentence):
        with_figures(text, results)


def test_command_rewrites_pages_in_their_place(folder, results, tmp_path):
    pages = {name: tmp_path / f"{name}.md" for name in ("sweep", "checks")}
    for name, page in pages.items():
        page.write_text(README.format(name=name))
    options = [word for page in pages.values() for word in ("--readme", str(page))]
    done = CliRunner().invoke(app, ["report", str(folder), *options])
    assert done.exit_code == 0, done.output
    for name, page in pages.items():
        assert page.read_text() == with_figures(README.format(name=name), results)


def test_a_wrong_marker_in_one_page_leaves_the_others_as_they_were(folder, tmp_path):
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(README.format(name="sweep"))
    bad.write_text(README.format(name="prices"))
    done = CliRunner().invoke(app, ["report", str(folder), "--readme", str(good), "--readme", str(bad)])
    assert isinstance(done.exception, CommandError)
    assert good.read_text() == README.format(name="sweep")


def test_card_shows_every_table_and_refuses_results_of_other_weights(folder, tmp_path):
    card = model_card(BUNDLED_WEIGHTS, folder)
    assert load_weights().sha256 in card
    for row in rows_of(folder, "rician_grouped"):
        assert f"| {row['method']} | {row['sigma']} | {row['psnr_db']['mean']:.2f} (" in card
    # Slices that came back bit for bit have no finite PSNR.
    assert "Rician noise, sigma 0: 4 test slices, original split" in card
    empty = tmp_path / "empty"
    empty.mkdir()
    write_results(tmp_path, "f" * 64)
    with pytest.raises(CommandError, match="measured with other weights"):
        model_card(BUNDLED_WEIGHTS, tmp_path)
    with pytest.raises(CommandError, match="holds no results"):
        model_card(BUNDLED_WEIGHTS, empty)
