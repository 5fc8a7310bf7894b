"""What is committed in Resources/Results, as the tests read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from NeuralDiffusionTraining.reporting.results import Results, read_results

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "Resources" / "Results"
SPLITS = ROOT / "NeuralDiffusionTraining" / "data" / "splits"


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results(RESULTS)


def table(results: Results, name: str) -> dict:
    """The content of a file, named without its folder and ending."""
    return next(one.content for one in results.files if one.name == name)


def psnr(rows: list[dict], part_of_name: str) -> float:
    return next(row for row in rows if part_of_name in row["method"])["psnr_db"]["mean"]
