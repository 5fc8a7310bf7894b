"""Every figure of `fidelity` beside ours: paired slice by slice, shown where ours was measured, and only there."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from rich.console import Console
from scipy.ndimage import gaussian_filter, grey_dilation

from NeuralDiffusionTraining.benchmark.checks.fidelity import check_fidelity
from NeuralDiffusionTraining.benchmark.checks.fidelity_tables import to_markdown, to_terminal
from NeuralDiffusionTraining.benchmark.checks.lesions import Lesion, with_lesions
from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.files.result_files import write_json

FIGURES = {"lesions": ("recovered",), "false_lesions": ("per_slice",), "envelope": ("above", "below", "outside")}
OURS = "Neural Diffusion, 8 neighbours"
RING = [Lesion(round(48 + 27 * np.sin(angle)), round(48 + 27 * np.cos(angle)), 2) for angle in np.arange(6)]
"""Places of blobs far from each other, the dark middle and the end of the head."""


def heads() -> np.ndarray:
    rows, columns = np.mgrid[-1:1:96j, -1:1:96j]
    radius = np.hypot(rows, columns)
    pictures = [0.4 * (radius < 0.85) - 0.2 * (radius < 0.1 + 0.1 * number) for number in range(3)]
    return np.stack(pictures).astype(np.float32)


def planter(name: str, extra: int, clean: np.ndarray, group: str = "peer") -> Method:
    """A method that shows 1, 2 and 3 blobs, and some more, in three slices, and nothing else that is not there."""
    counts = [1 + number + extra for number in range(len(clean))]
    shown = np.stack([with_lesions(one, RING[:count], 0.35) for one, count in zip(clean, counts, strict=True)])
    return Method(name, group, "none", lambda noisy, _: shown)


def blur(name: str, width: float, group: str = "peer") -> Method:
    return Method(name, group, "none", lambda noisy, _: gaussian_filter(noisy, (0, width, width)))


def measured(*methods: Method, groups: tuple[int, ...] = (0, 1, 2)) -> dict:
    return check_fidelity(methods, heads(), "gaussian", 0.1, np.array(groups))


@pytest.fixture(scope="module")
def tables():
    return measured(
        Method("Noisy input", "input", "none", lambda noisy, _: noisy),
        Method("Dilation", "peer", "none", lambda noisy, _: grey_dilation(noisy, (1, 5, 5))),
        Method("Darker", "peer", "none", lambda noisy, _: noisy - 0.5),
        blur(OURS, 1, "ours"),
        blur(f"{OURS}, no refinement", 2, "ours"),
    )


@pytest.fixture(scope="module")
def without_ours():
    return measured(blur("Blur", 1), blur("More blur", 2))


def of(tables: dict, part: str, method: str) -> list[dict]:
    return [row for row in tables[part] if row["method"] == method]


def lines_of(markdown: str, title: str) -> list[list[str]]:
    """The cells of the table below a title, without its headings."""
    table = markdown.split(f"**{title}")[1].split("\n\n")[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def interval(row: dict, figure: str, scale: float, decimals: int) -> str:
    """What a table shall show of a difference."""
    ends = (f"{scale * row[f'difference_{figure}'][end]:+.{decimals}f}" for end in ("mean", "low", "high"))
    return "{} ({} to {})".format(*ends)


@pytest.mark.parametrize(("part", "figure"), [(part, one) for part, figures in FIGURES.items() for one in figures])
def test_a_difference_is_the_row_minus_the_first_row_of_ours(tables, part, figure):
    methods = {row["method"] for row in tables[part]}
    assert len(methods) == 5
    for method in methods:
        for row, ours in zip(of(tables, part, method), of(tables, part, OURS), strict=True):
            expected = row[figure]["mean"] - ours[figure]["mean"]
            assert row[f"difference_{figure}"]["mean"] == pytest.approx(expected, abs=1e-9)
    for row in of(tables, part, OURS):
        assert row[f"difference_{figure}"] == {"mean": 0, "low": 0, "high": 0}


def test_tables_say_which_methods_are_told_the_noise_level():
    methods = [
        Method(name, "own", told, lambda noisy, _: noisy) for name, told in (("Told", "true"), ("Blind", "none"))
    ]
    for rows in measured(*methods).values():
        assert {row["method"] for row in rows} == {"Told, true sigma", "Blind"}


def test_what_is_more_than_ours_has_a_plus(tables):
    def difference(part: str, method: str, figure: str, **where: float | None) -> float:
        (row,) = (row for row in of(tables, part, method) if where.items() <= row.items())
        return row[f"difference_{figure}"]["mean"]

    faint = {"radius_px": 1, "cnr": 1.0}
    assert difference("lesions", "Noisy input", "recovered", **faint) > 0.2
    assert difference("lesions", f"{OURS}, no refinement", "recovered", **faint) < -0.2
    assert difference("false_lesions", "Noisy input", "per_slice", **faint) > 10
    assert difference("envelope", "Dilation", "outside", window_px=3) > 0.2


def test_a_constant_distance_from_ours_is_certain_however_much_the_slices_differ():
    clean = heads()
    tables = measured(planter(OURS, 1, clean, "ours"), planter("More", 3, clean), planter("Fewer", 0, clean))
    for method, distance in (("More", 2), ("Fewer", -1)):
        (row,) = (row for row in of(tables, "false_lesions", method) if (row["radius_px"], row["cnr"]) == (2, 3.0))
        assert row["per_slice"]["high"] - row["per_slice"]["low"] > 1
        assert row["difference_per_slice"] == {"mean": distance, "low": distance, "high": distance}


def test_without_ours_there_is_no_difference(without_ours):
    for part, rows in without_ours.items():
        assert rows
        assert not [name for row in rows for name in row if name.startswith("difference")], part
    text = to_markdown(without_ours)
    assert text.count("**") == 2 * 3
    assert "ours" not in text
    assert len(to_terminal(without_ours)) == 3


def test_tables_show_faint_and_plain_lesions_and_false_ones_minus_ours(tables):
    text = to_markdown(tables)
    assert text.count("**") == 2 * 6
    parts = (
        ("Contrast of small lesions that is left minus ours", "lesions", "recovered", 100, 1),
        ("False lesions per slice minus ours", "false_lesions", "per_slice", 1, 2),
    )
    for title, part, figure, scale, decimals in parts:
        shown = lines_of(text, title)
        faint, plain = (
            next(row for row in of(tables, part, "Noisy input") if (row["radius_px"], row["cnr"]) == (1, cnr))
            for cnr in (1.0, 3.0)
        )
        texts = [interval(row, figure, scale, decimals) for row in (faint, plain)]
        assert shown[0] == ["Noisy input", "1", *texts]
        assert next(cells for cells in shown if cells[0] == OURS) == [OURS, "1", "0", "0"]
    shown = lines_of(text, "Pixels outside the local envelope of the input minus ours")
    assert shown[2] == ["Darker", *(interval(row, "outside", 100, 2) for row in of(tables, "envelope", "Darker"))]
    assert shown[3] == [OURS, "0", "0", "0"]


def test_tables_fit_a_terminal_of_120_columns_with_every_interval_on_one_line(tables):
    long = "Neural Diffusion, 8 neighbours, diffusion alone, bias kept"
    rows = {
        part: [row | {"method": long if row["method"] == OURS else row["method"]} for row in tables[part]]
        for part in tables
    }
    for row in rows["false_lesions"]:
        row["difference_per_slice"] = {"mean": 1799.0, "low": 1700.0, "high": 1900.0}
    console = Console(width=120, record=True)
    for table in to_terminal(rows):
        console.print(table)
    text = console.export_text()
    assert text.count("+1799.00 (+1700.00 to +1900.00)") == 5 * 4 * 2
    assert "…" not in text


@pytest.mark.parametrize("groups", [(0, 1, 2), (5, 5, 5)], ids=["groups", "one group"])
def test_tables_with_differences_read_the_same_from_a_file(tmp_path, groups):
    tables = measured(blur("Blur", 0.5), blur(OURS, 1, "ours"), groups=groups)
    write_json(tmp_path / "checks.json", tables)
    text = to_markdown(tables)
    assert to_markdown(json.loads((tmp_path / "checks.json").read_text())) == text
    assert "nan" not in text
    difference = lines_of(text, "False lesions per slice minus ours")[0][2]
    assert re.match(r"\+\d+\.\d\d", difference)
    # How slices of one group scatter is not known.
    assert ("(" in difference) == (len(set(groups)) > 1)
