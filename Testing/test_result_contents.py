"""What passes the check of a file of results is enough for every table, plot and sentence that is made of it."""

from __future__ import annotations

import json

import pytest
from batch_runs import run_here
from sample_results import write_results

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionTraining.commands.export import figures_to_keep
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.reporting.model_card import model_card
from NeuralDiffusionTraining.reporting.readme_figures import speed_tables
from NeuralDiffusionTraining.reporting.result_tables import ablation_title, volume_tables
from NeuralDiffusionTraining.reporting.results import read_result, read_results


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path, load_weights().sha256)


def rewrite(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def bench(**changes):
    row = {"method": "Mine", "group": "own", "seconds": [6.0], "median": 6.0, "slices": 9, "voxels_per_second": 2e6,
           "ratio": 1.0, "peak_bytes": None, "psnr_db": 34.0, "psnr_head_db": 30.0, "above_ours_db": None}  # fmt: skip
    return {"kind": "bench", "command": "neural-diffusion bench", "shape": [9, 64, 64], "volume": "head", "sigma": 0.09,
            "device": "CPU", "threads": 2, "hardware": "x86_64", "rows": [row], "skipped": [], "parts": None,
            "machine": None, "scaling": {}, "large": None} | changes  # fmt: skip


@pytest.mark.parametrize("figure", ["psnr_db", "psnr_head_db", "psnr_background_db", "ssim", "edge_mse", "hfen"])
def test_a_row_without_a_figure_of_the_table_is_refused_by_name(results, figure):
    rewrite(results / "rician.json", lambda content: content["rows"][1].pop(figure))
    with pytest.raises(CommandError, match=rf"rician\.json' lacks a sound 'rows\.1\.{figure}'"):
        read_results(results)


def test_the_commands_refuse_such_a_row_with_a_sentence(results, tmp_path):
    rewrite(results / "rician.json", lambda content: content["rows"][1].pop("hfen"))
    for asked in (("report", results, tmp_path / "page.html"), ("card", results, tmp_path / "card.md")):
        done = run_here(*asked)
        assert done.status == 2
        assert "lacks a sound 'rows.1.hfen'" in " ".join(done.err.split())


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("lesions", {"radius_px": 4, "cnr": 3}),
        ("false_lesions", {"radius_px": 2, "cnr": 0.5}),
        ("envelope", {"window_px": None}),
    ],
)
def test_checks_of_a_method_that_lack_a_row_of_the_tables_are_refused(results, table, row):
    def take_out(content):
        (lost,) = (one for one in content[table] if {**one, "method": "Noisy input", **row} == one)
        content[table].remove(lost)

    rewrite(results / "checks.json", take_out)
    with pytest.raises(CommandError, match=rf"checks\.json' lacks a sound '{table}'"):
        read_results(results)


def test_an_evaluation_that_does_not_name_its_weights_is_refused(results):
    rewrite(results / "rician.json", lambda content: content.pop("weights_sha256"))
    with pytest.raises(CommandError, match="lacks a sound 'weights_sha256'"):
        figures_to_keep(results / "rician.json")


def test_other_keys_may_stand_beside_those_that_are_needed(results):
    before = volume_tables(read_result(results / "volumes.json"))

    def add(content):
        content["remark"] = "x"
        for row in content.get("rows", []):
            row["scanner"] = "x"

    for path in results.glob("*.json"):
        rewrite(path, add)
    assert volume_tables(read_result(results / "volumes.json")) == before
    assert "| Neural Diffusion |" in model_card(BUNDLED_WEIGHTS, results)


def test_older_volumes_without_an_estimated_level_are_read(results):
    rewrite(results / "volumes.json", lambda content: [row.pop("estimated_sigma") for row in content["rows"]])
    assert "33.25 / 0.900" in volume_tables(read_result(results / "volumes.json"))


def test_an_older_ablation_without_its_noise_type_is_read_as_of_rician_noise(results):
    assert "noise" not in json.loads((results / "ablation.json").read_text())
    assert "Rician noise" in ablation_title(read_result(results / "ablation.json").content)


@pytest.mark.parametrize(("name", "value"), [("noise", "pink"), ("seed", "one"), ("threads", "two")])
def test_an_ablation_of_something_unknown_is_refused_by_name(results, name, value):
    rewrite(results / "ablation.json", lambda content: content.update({name: value}))
    with pytest.raises(CommandError, match=f"lacks a sound '{name}'"):
        read_results(results)


def test_a_bench_with_methods_of_ones_own_is_read(tmp_path):
    (tmp_path / "bench.json").write_text(json.dumps(bench()))
    text = speed_tables(read_results(tmp_path))
    assert "*Methods of one's own*" in text
    assert "| Mine | 1 | 6 |" in text


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"scaling": {"moons": []}}, r"scaling\.moons"),
        ({"scaling": {"slices": [{"value": 1, "seconds": 1.0}]}}, r"scaling\.slices\.0\.voxels"),
        ({"parts": {"guidance": "long"}}, r"parts\.guidance"),
    ],
)
def test_a_bench_with_a_curve_or_part_that_no_table_shows_is_refused_by_name(tmp_path, changes, fault):
    (tmp_path / "bench.json").write_text(json.dumps(bench(**changes)))
    with pytest.raises(CommandError, match=f"lacks a sound '{fault}"):
        read_results(tmp_path)
