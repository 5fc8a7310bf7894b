"""What was measured at other settings takes no published table's place, and stands under titles that name them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from report_sections import section, words
from sample_results import clean_slices, write_results

from NeuralDiffusionLib import Denoiser
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights, save_weights
from NeuralDiffusionTraining.reporting.further_abilities import further
from NeuralDiffusionTraining.reporting.model_card import model_card
from NeuralDiffusionTraining.reporting.readme_figures import with_figures
from NeuralDiffusionTraining.reporting.report import report
from NeuralDiffusionTraining.reporting.results import names_of, read_results

FOREIGN = "0123456789abcdef" * 4
NAMED = "by a file other than the package's (SHA-256 0123456789ab)"
SCRIPT = "`Resources/Results/measure.sh` measures them all and writes this page."


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_results(tmp_path, load_weights().sha256)


def block(folder: Path, name: str) -> str:
    body = with_figures(f"<!-- figures: {name} -->\n<!-- end -->", read_results(folder)).split("\n", 1)[1]
    return body.removesuffix("<!-- end -->").strip()


def write_other(folder: Path, name: str, like: str, **other: object) -> dict:
    """A file like another one but for some entries, under a name that comes before all others'."""
    content = json.loads((folder / f"{like}.json").read_text()) | other
    (folder / f"a_{name}.json").write_text(json.dumps(content))
    return content


SETTINGS = {
    "a level": {"sigma": 0.2},
    "iterations": {"iterations": 1},
    "neighbours": {"neighbours": 4},
    "precision": {"precision": "float32"},
    "another part": {"part": "validation"},
    "foreign parameters": {"tuned_sha256": FOREIGN},
}


@pytest.mark.parametrize("other", SETTINGS.values(), ids=SETTINGS)
def test_other_checks_do_not_take_the_place_of_the_default_ones(folder, other):
    before = block(folder, "checks")
    content = write_other(folder, "try", "checks", **other, slices=450)
    (folder / "a_try.json").write_text(json.dumps(content | {"envelope": content["envelope"][:3]}))
    assert block(folder, "checks") == before


def test_checks_of_rician_noise_come_before_others_which_are_named(folder):
    before = block(folder, "checks")
    write_other(folder, "try", "checks", noise="gaussian")
    assert block(folder, "checks") == before
    (folder / "checks.json").unlink()
    assert block(folder, "checks").startswith("Gaussian noise, sigma 0.05-0.20: 4 test slices, original split.\n")


@pytest.mark.parametrize("name", ["benchmark", "headline", "comparison"])
def test_filters_with_foreign_parameters_stand_in_no_published_table(folder, name):
    before = block(folder, name)
    content = write_other(folder, "try", "rician", tuned_sha256=FOREIGN, slices=450)
    content["rows"][1] |= {"group": "tuned, bias-corrected", "method": "Median (tuned, bias-corrected)"}
    (folder / "a_try.json").write_text(json.dumps(content))
    assert block(folder, name) == before


VOLUME_SETTINGS = {name: SETTINGS[name] for name in ("iterations", "neighbours")}
VOLUME_SETTINGS["foreign parameters"] = {"peers_tuned_sha256": FOREIGN}


@pytest.mark.parametrize("other", VOLUME_SETTINGS.values(), ids=VOLUME_SETTINGS)
def test_whole_scans_at_other_settings_stand_in_no_published_table(folder, other):
    before = block(folder, "volumes")
    write_other(folder, "try", "volumes", **other)
    assert block(folder, "volumes") == before


SWEEP_SETTINGS = {name: SETTINGS[name] for name in ("precision", "another part")}


@pytest.mark.parametrize("other", SWEEP_SETTINGS.values(), ids=SWEEP_SETTINGS)
def test_a_sweep_at_other_settings_does_not_take_the_place_of_the_default_one(folder, other):
    before = block(folder, "sweep")
    write_other(folder, "try", "sweep", **other, slices=450)
    assert block(folder, "sweep") == before


def test_a_sweep_of_other_or_of_fewer_cells_does_not_take_the_place_of_the_default_one(folder):
    before = block(folder, "sweep")
    cells = json.loads((folder / "sweep.json").read_text())["cells"]
    write_other(folder, "try", "sweep", slices=450, cells=[cell for cell in cells if cell["iterations"] == 1])
    usual = [cell for cell in cells if cell["iterations"] == 16]
    write_other(folder, "look", "sweep", cells=usual[:1])
    assert block(folder, "sweep") == before


def test_what_was_measured_at_other_settings_only_is_said_to_be_so(folder):
    for path in folder.glob("*.json"):
        content = json.loads(path.read_text())
        more = SETTINGS["another part"] | SETTINGS["iterations"] | {"kind": content["kind"]}
        path.write_text(json.dumps(content | more))
    for name in ("benchmark", "headline", "comparison", "sweep", "checks", "volumes"):
        assert block(folder, name) == "Not measured at the default settings."
    assert "1 iteration: 4 validation slices, original split" in model_card(BUNDLED_WEIGHTS, folder)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """A report of the default settings and of many others."""
    folder = write_results(tmp_path_factory.mktemp("results"), load_weights().sha256)
    write_other(folder, "checks", "checks", sigma=0.2, iterations=1)
    write_other(folder, "tuned_checks", "checks", tuned_sha256=FOREIGN)
    tuned = write_other(folder, "tuned", "rician", tuned_sha256=FOREIGN)
    tuned["rows"][1] |= {"group": "tuned, bias-corrected", "method": "Foreign median"}
    (folder / "a_tuned.json").write_text(json.dumps(tuned))
    write_other(folder, "volumes", "volumes", slices=40, iterations=4, neighbours=4, peers_tuned_sha256=FOREIGN)
    write_other(folder, "sweep", "sweep", precision="float32")
    figure = {"mean": 0.5, "low": 0.4, "high": 0.6}
    row = {"method": "Noisy input", "sigma": "none", "dice": figure, "iou": figure,
           "lesion_slices": 3, "empty_slices": 2, "false_lesion_slices": 1}  # fmt: skip
    for sigma, more in ((0.2, {}), (0.05, {"neighbours": 4, "split": "mine"}), (None, {})):
        content = {"kind": "segmentation", "rows": [row], "test_slices": 5, "split": "by chance", "noise": "rician",
                   "sigma": sigma, "iterations": 16, "neighbours": 8, "tuned_sha256": None, "skipped": [],
                   "command": "neural-diffusion segmentation"}  # fmt: skip
        (folder / f"segmentation_{sigma}.json").write_text(json.dumps(content | more))
    scan = folder / "head.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray((1000 * clean_slices()).astype(np.int16)), scan)
    return report(read_results(folder), Denoiser("cpu"), scan)


@pytest.mark.parametrize(
    ("part", "titles"),
    [
        (
            "checks",
            [
                "Rician noise, sigma 0.05-0.20: 4 test slices, original split.",
                "Rician noise, sigma 0.2, 1 iteration: 4 test slices, original split.",
                f"Rician noise, sigma 0.05-0.20, filters tuned {NAMED}: 4 test slices, original split.",
            ],
        ),
        (
            "segmentation",
            [
                "Rician noise, sigma 0.2: 5 test slices, split by chance",
                "Rician noise, sigma 0.05, 4 neighbours: 5 test slices, mine split",
                "Rician noise, sigma 0.05-0.20: 5 test slices, split by chance",
            ],
        ),
        ("tables", [f"Rician noise, sigma 0.05-0.20, filters tuned {NAMED}: 4 test slices, original split"]),
        (
            "volumes",
            [
                "The 4 middle slices of each scan PSNR",
                "The 40 middle slices of each scan, 4 iterations, 4 neighbours, parameters of the 3-D filters chosen "
                f"{NAMED} PSNR",
            ],
        ),
        ("sweep", ["4 test slices, original split, 8 neighbours, 16 iterations, float32; PSNR in dB."]),
    ],
    ids=["checks", "segmentation", "tables", "volumes", "sweep"],
)
def test_every_title_of_the_report_names_what_differs_from_the_defaults(page, part, titles):
    shown = words(section(page, part)).replace("&#x27;", "'").replace("&#39;", "'")
    for title in titles:
        assert title in shown


def test_the_summary_of_the_report_names_no_filter_with_foreign_parameters(page):
    assert "Foreign median" in section(page, "tables")
    assert "Foreign median" not in section(page, "headline")
    assert "Foreign median" not in section(page, "noise")


def ablated(folder: Path) -> str:
    return further(read_results(folder), set()).splitlines()[2]


@pytest.mark.parametrize("other", [{"noise": "speckle"}, {"seed": 1}, {"split": "grouped"}], ids=str)
def test_what_a_part_costs_is_told_of_rician_noise_the_usual_seed_and_the_original_split(folder, other):
    before = ablated(folder)
    content = json.loads((folder / "ablation.json").read_text())
    for row in content["rows"]:
        row["psnr_db"]["mean"] += 1
    write_other(folder, "try", "ablation", rows=content["rows"], **other)
    assert "not measured" not in before
    assert ablated(folder) == before


def with_adapted(folder: Path, gain: float, rounding: float, **other: object) -> None:
    """A file of what blind-spot training on the weights of `volumes.json` brought, with noise rounded otherwise."""
    adapted = json.loads((folder / "volumes.json").read_text())
    adapted |= {"adapted_from_sha256": adapted["weights_sha256"], "weights_sha256": "a" * 64, **other}
    for row in adapted["rows"]:
        row["psnr_head_db"] += gain if row["method"] == "Neural Diffusion" else rounding
    (folder / "volumes_adapted.json").write_text(json.dumps(adapted))


def brought(folder: Path, names: frozenset[str] | set[str] = frozenset()) -> str:
    return further(read_results(folder), names).splitlines()[-1]


def test_the_same_noise_that_another_computer_rounded_otherwise_is_compared(folder):
    with_adapted(folder, 0.5, 2e-9)
    assert "+0.50 dB at 1 %, +0.50 dB at 9 % of noise" in brought(folder)


def test_another_draw_of_the_noise_is_not_compared(folder):
    with_adapted(folder, 0.5, 0.01)
    assert brought(folder).endswith("not measured.")


@pytest.mark.parametrize("other", [{"slices": 40}, {"iterations": 1}, {"weights_sha256": "b" * 64}], ids=str)
def test_what_was_measured_otherwise_before_is_passed_over(folder, other):
    with_adapted(folder, 0.5, 2e-9)
    rows = json.loads((folder / "volumes.json").read_text())["rows"]
    for row in rows:
        row["psnr_head_db"] += 2 if row["method"] == "Neural Diffusion" else 0
    write_other(folder, "try", "volumes", rows=rows, **other)
    assert "+0.50 dB at 1 %" in brought(folder)
    (folder / "volumes.json").unlink()
    assert brought(folder).endswith("not measured.")


def test_one_file_of_weights_may_have_been_measured_under_two_hashes(folder):
    with_adapted(folder, 0.5, 0, adapted_from_sha256="c" * 64)
    assert brought(folder).endswith("not measured.")
    assert "+0.50 dB at 1 %" in brought(folder, names_of("c" * 64, {"measured_sha256": load_weights().sha256}))


def test_the_card_says_of_the_bundled_weights_alone_that_the_script_measures_them(folder, tmp_path):
    bundled = load_weights()
    assert SCRIPT in model_card(BUNDLED_WEIGHTS, folder)
    mine = tmp_path / "mine.pt"
    save_weights(mine, bundled.network, {"limits": ""})
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace(bundled.sha256, load_weights(mine).sha256))
    card = model_card(mine, folder)
    assert "measure.sh" not in card
    assert "the same network, trained otherwise.\n" in card
