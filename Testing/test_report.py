"""The report: whatever was measured on one page, and nothing that was not."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import SimpleITK as sitk
from batch_runs import run_here
from matplotlib.text import Text
from report_sections import section, words
from sample_results import METHODS, clean_slices, write_results
from typer.testing import CliRunner

from NeuralDiffusionLib import Denoiser
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights, save_weights
from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.cli import app
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.reporting.example_slices import example
from NeuralDiffusionTraining.reporting.plots import as_svg, curves_figure, plot_curves
from NeuralDiffusionTraining.reporting.report import limits, report
from NeuralDiffusionTraining.reporting.results import read_results

SECTIONS = ("headline", "example", "noise", "tables", "sweep", "ablation", "checks", "volumes", "segmentation",
            "curves", "further", "limits", "files")  # fmt: skip


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "head.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray((1000 * clean_slices()).astype(np.int16)), path)
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("results"), load_weights().sha256)


@pytest.fixture(scope="module")
def page(results, scan):
    return report(read_results(results), Denoiser("cpu"), scan)


def test_limits_tell_how_many_test_slices_the_weights_know_copies_of(page):
    # The shares of the two splits' criterion: 95 % and 98 %.
    expected = "428 of the 450 test slices of original and 442 of the 450 test slices of grouped are among those slices"
    assert expected in words(section(page, "limits"))
    assert "near-duplicate there" not in limits("f" * 64)


def test_page_needs_no_other_file_and_no_script(page):
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page


def test_every_section_is_there_and_linked(page):
    for name in SECTIONS:
        assert section(page, name)
        assert f'href="#{name}"' in page


def test_every_method_stands_in_the_table_with_its_interval(page, results):
    table = words(section(page, "tables"))
    for row in json.loads((results / "rician.json").read_text())["rows"]:
        psnr = row["psnr_db"]
        assert f"{row['method']} " in table
        assert f"{psnr['mean']:.2f} ({psnr['low']:.2f} to {psnr['high']:.2f})" in table
        assert f"{row['psnr_head_db']['mean']:.2f}" in table


def test_summary_names_data_weights_and_the_rivals(page, results):
    summary = words(section(page, "headline"))
    row = json.loads((results / "rician.json").read_text())["rows"][3]
    assert row["method"] == METHODS[3].name
    assert "4 test slices, original split" in summary
    assert load_weights().sha256 in summary
    assert f"PSNR in dB {row['psnr_db']['mean']:.2f}" in summary
    assert "BM3D, true sigma" in summary
    assert "other weights" not in summary


def test_every_file_is_listed_with_its_command(page, results):
    listed = words(section(page, "files"))
    for path in results.glob("*.json"):
        assert f"{path.name} {json.loads(path.read_text())['command']}" in listed


def test_plots_and_pictures_are_drawn_in_the_page(page):
    assert section(page, "tables").count("<svg") == 4
    assert section(page, "curves").count("<svg") == 1
    assert section(page, "sweep").count("data:image/png;base64,") == 2
    assert section(page, "example").count("data:image/png;base64,") == 1
    assert "head.nii.gz" in section(page, "example")
    # Text of a plot has the colour of the page's text, light or dark.
    assert "currentColor" in section(page, "tables")


def test_further_abilities_have_a_line_each_with_what_was_measured(page):
    lines = words(section(page, "further"))
    assert re.search(r"Mixed noise .*: \d+\.\d\d dB, noisy", lines)
    assert re.search(r"dropout, \d+\.\d\d dB, [+-]\d\.\d\d dB against the full network on the same 2 epochs", lines)
    assert lines.count("not measured") == 2


def test_what_blind_spot_training_brings_is_compared_with_the_same_weights_before(results, scan, tmp_path):
    for path in results.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    adapted = json.loads((results / "volumes.json").read_text())
    adapted |= {"adapted_from_sha256": adapted["weights_sha256"], "weights_sha256": "a" * 64}
    for row in adapted["rows"]:
        row["psnr_head_db"] += 0.5 if row["method"] == "Neural Diffusion" else 0
    # The name comes before "volumes", and must not take its place.
    (tmp_path / "adapted.json").write_text(json.dumps(adapted))
    page = report(read_results(tmp_path), Denoiser("cpu"), scan)
    assert "+0.50 dB at 1 %, +0.50 dB at 9 % of noise, in the head, against the same weights before" in words(
        section(page, "further")
    )
    assert "33.75" not in section(page, "volumes")
    assert "other weights" not in section(page, "headline")


def test_the_example_shows_a_network_trained_here(scan):
    trained = Method("Rival", "trained here", "none", lambda noisy, _: noisy)
    assert "Rival" in "".join(
        text.get_text() for text in example(scan, Denoiser("cpu"), [trained]).figure.findobj(Text)
    )


def test_the_example_is_a_slice_of_the_acquisition(tmp_path):
    # Thick slices along i: across k, the head would be squashed.
    voxels = np.zeros((80, 72, 12), np.float32)
    voxels[8:72, 8:64, 2:10] = 100
    thick = sitk.GetImageFromArray(voxels)
    thick.SetSpacing((5, 1, 1))
    sitk.WriteImage(thick, tmp_path / "sagittal.nrrd")
    picture = example(tmp_path / "sagittal.nrrd", Denoiser("cpu")).figure.axes[0].images[0].get_array()
    assert min(picture.shape) > 50


def test_what_was_not_measured_is_said_to_be_missing(tmp_path, scan):
    empty = report(read_results(tmp_path), Denoiser("cpu"), scan)
    for name in ("noise", "tables", "sweep", "ablation", "checks", "volumes", "segmentation", "curves"):
        assert words(section(empty, name)).endswith("Not measured.")


def test_results_of_other_weights_are_named(tmp_path, scan):
    write_results(tmp_path, "f" * 64)
    (tmp_path / "notes.json").write_text('{"kind": "shopping"}')
    summary = words(section(report(read_results(tmp_path), Denoiser("cpu"), scan), "headline"))
    assert "Measured with other weights than these: checks , mixed , noise_free , rician" in summary
    assert "left out: notes.json" in summary


MADE = '"command": "x", "slices": 1, "split": "original", '


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"rows": ', "is damaged"),
        ("[" * 100_000, "is damaged"),
        ('{"kind": "evaluation", "rows": [{"method": "Neural Diffusion", "psnr_db": 26.7}]}', "older version"),
        ('{"kind": "evaluation", "command": "x"}', "lacks a sound 'slices': delete it, or measure it again"),
        (
            '{"kind": "evaluation", ' + MADE + '"rows": [{}]}',
            r"lacks a sound 'rows\.0\.method'",
        ),
        ('{"kind": "evaluation", ' + MADE + '"rows": 5}', "lacks a sound 'rows'"),
        ('{"kind": "bench", "command": "x"}', "lacks a sound 'shape'"),
        (
            '{"kind": "sweep", ' + MADE + '"cells": [{"noise": "pink"}]}',
            r"lacks a sound 'cells\.0\.noise'",
        ),
        (
            '{"kind": "checks", ' + MADE + '"lesions": [], "envelope": [], "false_lesions": [{"method": "x", '
            '"radius_px": 2, "cnr": 1.0, "per_slice": {"mean": 1.0}, "difference_per_slice": {"mean": 0.5}}]}',
            r"lacks a sound 'false_lesions\.0\.difference_per_slice\.low'",
        ),
    ],
    ids=["cut off", "nested deeply", "old", "empty", "empty row", "no rows", "empty bench", "unknown noise", "no end"],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path, text, sentence):
    (tmp_path / "rician.json").write_text(text)
    with pytest.raises(CommandError, match=rf"rician\.json' .*{sentence}"):
        read_results(tmp_path)


def test_an_example_that_shows_nothing_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 64, 64), np.int16)), tmp_path / "air.nrrd")
    with pytest.raises(CommandError, match=r"air\.nrrd"):
        report(read_results(tmp_path), Denoiser("cpu"), tmp_path / "air.nrrd")


def test_command_writes_the_page_and_refuses_what_is_missing(results, scan, tmp_path):
    done = CliRunner().invoke(app, ["report", str(results), str(tmp_path / "r.html"), "--example", str(scan)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    for arguments, named in (
        ([str(results)], "Nothing to write"),
        ([str(tmp_path / "nowhere"), str(tmp_path / "x.html")], "nowhere"),
        ([str(results), str(tmp_path / "x.html"), "--example", "gone.nii"], "gone.nii"),
    ):
        refused = CliRunner().invoke(app, ["report", *arguments])
        assert named in str(refused.exception)
        assert not (tmp_path / "x.html").exists()


def test_a_folder_without_results_and_a_page_without_a_place_for_tables_are_refused(results, tmp_path):
    marked, plain = tmp_path / "marked.md", tmp_path / "plain.md"
    marked.write_text("<!-- figures: benchmark -->\nas it was\n<!-- end -->\n")
    plain.write_text("as it was")
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        (
            (tmp_path / "empty", "--readme", marked),
            "' holds no results: run neural-diffusion evaluate with --json first.",
        ),
        (
            (tmp_path / "empty", tmp_path / "x.html"),
            "' holds no results: run neural-diffusion evaluate with --json first.",
        ),
        ((results, "--readme", plain), "has no place for tables: write '<!-- figures: benchmark -->' and"),
    ):
        done = run_here("report", *arguments)
        assert (done.status, done.out) == (2, "")
        assert sentence in done.err
    assert "as it was" in marked.read_text()
    assert plain.read_text() == "as it was"
    assert not (tmp_path / "x.html").exists()


def test_a_readme_gets_no_figures_of_other_weights(results, scan, tmp_path):
    for path in results.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    readme, other = tmp_path / "README.md", tmp_path / "volumes.json"
    readme.write_text("<!-- figures: volumes -->\nas it was\n<!-- end -->\n")
    base = load_weights()
    save_weights(tmp_path / "mine.pt", base.network, {"limits": ""})
    mine = load_weights(tmp_path / "mine.pt").sha256
    other.write_text(other.read_text().replace(base.sha256, mine))
    refused = run_here("report", tmp_path, tmp_path / "page.html", "--example", scan, "--readme", readme)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err == (
        f"Result '{other}' was measured with other weights than '{BUNDLED_WEIGHTS}': measure it again, or give those "
        "with --weights.\n"
    )
    assert not (tmp_path / "page.html").exists()
    refused = run_here("report", tmp_path, "--readme", readme, "--weights", tmp_path / "mine.pt")
    assert f"checks.json' was measured with other weights than '{tmp_path / 'mine.pt'}': measure it" in refused.err
    assert "as it was" in readme.read_text()
    for path in tmp_path.glob("*.json"):
        path.write_text(path.read_text().replace(base.sha256, mine))
    done = run_here("report", tmp_path, "--readme", readme, "--weights", tmp_path / "mine.pt")
    assert (done.status, done.err) == (0, "")
    assert "as it was" not in readme.read_text()


def test_learning_curves_stand_at_their_epochs(results, tmp_path):
    import pandas as pd

    curves = pd.read_csv(results / "curves.csv")
    loss, validation = curves_figure(curves).axes
    assert loss.lines[0].get_xdata().tolist() == [0.5, 1, 1.5, 2]
    assert loss.lines[1].get_ydata().tolist() == pytest.approx([0.45, 0.25])
    assert validation.lines[0].get_xdata().tolist() == [1, 2]
    assert validation.lines[0].get_ydata().tolist() == [20, 22]
    plot_curves(curves, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    # A run that has logged nothing but losses has curves, too.
    assert "<svg" in as_svg(curves_figure(curves[["epoch", "step", "loss"]]))


@pytest.mark.parametrize("text", ["", "a,b\n1,2,3\n4\n5,6,7,8\n", "\xff"])
def test_curves_that_are_no_table_are_refused_by_name(tmp_path, text):
    (tmp_path / "my_curves.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(CommandError, match=r"my_curves\.csv' is no table of learning curves: copy it again, or delete"):
        read_results(tmp_path)


def test_learning_curves_alone_make_a_page(results, scan, tmp_path):
    (tmp_path / "curves.csv").write_bytes((results / "curves.csv").read_bytes())
    done = run_here("report", tmp_path, tmp_path / "page.html", "--example", scan)
    assert (done.status, done.err) == (0, "")
    assert "Learning curves: the shipped weights" in (tmp_path / "page.html").read_text()


def test_a_table_of_other_things_is_left_out_and_named(tmp_path):
    (tmp_path / "growth_curves.csv").write_text("month,length\n1,50\n")
    found = read_results(tmp_path)
    assert (found.curves, found.unknown) == ({}, ("growth_curves.csv",))


def test_a_readme_that_is_no_text_is_refused_and_left_as_it_was(results, tmp_path):
    (tmp_path / "README.md").write_bytes(b"caf\xe9")
    done = run_here("report", results, tmp_path / "page.html", "--readme", tmp_path / "README.md")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"File '{tmp_path / 'README.md'}' is not UTF-8 text: save it as UTF-8 first.\n"
    assert (tmp_path / "README.md").read_bytes() == b"caf\xe9"
    assert not (tmp_path / "page.html").exists()
