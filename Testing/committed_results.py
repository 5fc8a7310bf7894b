"""What is committed in Resources/Results, as the tests read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from NeuralDiffusionTraining.reporting.results import Results, read_results

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "Resources" / "Results"
SPLITS = ROOT / "NeuralDiffusionTraining" / "data" / "splits"
README = ROOT / "README.md"
PAGES = (README, RESULTS / "quality.md", RESULTS / "speed.md")


@pytest.fixture(scope="module")
def results() -> Results:
    return read_results(RESULTS)


@pytest.fixture(scope="module")
def words() -> str:
    """The pages in one line."""
    return " ".join(" ".join(page.read_text(encoding="utf-8") for page in PAGES).split())


@pytest.fixture(scope="module")
def readme() -> str:
    """The README in one line."""
    return " ".join(README.read_text(encoding="utf-8").split())


def table(results: Results, name: str) -> dict:
    """The content of a file, named without its folder and ending."""
    return next(one.content for one in results.files if one.name == name)


def psnr(rows: list[dict], part_of_name: str) -> float:
    return next(row for row in rows if part_of_name in row["method"])["psnr_db"]["mean"]
