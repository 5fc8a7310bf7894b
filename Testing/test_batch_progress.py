"""What `neural-diffusion batch` shows while it runs and when it ends."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from NeuralDiffusionTraining.cohort.bar import progress_bar
from NeuralDiffusionTraining.cohort.outcome import Outcome
from NeuralDiffusionTraining.cohort.summary import failure_table, summary


def shown_after(scans, *steps, terminal=True):
    """The last line of the bar after some steps: outcomes, each with the seconds that passed before it."""
    now = 0.0
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None, width=100, get_time=lambda: now)
    with progress_bar(console, scans) as tell:
        for seconds, state in steps:
            now += seconds
            tell(Outcome("scan", state))
    return (re.findall("Denoising.*", out.getvalue()) or [""])[-1]


def seconds_in(line):
    hours, minutes, seconds = map(int, re.search(r"(\d+):(\d\d):(\d\d)", line).groups())
    return 3600 * hours + 60 * minutes + seconds


def test_the_time_left_is_that_of_the_scans_that_are_left():
    line = shown_after(100, *[(60, "denoised")] * 10)
    assert "10/100 scans" in line
    assert seconds_in(line) == 90 * 60


def test_scans_that_were_done_already_promise_no_time():
    line = shown_after(1000, *[(0.01, "already done")] * 900, *[(60, "denoised")] * 8, *[(60, "failed")] * 2)
    assert "10/100 scans" in line
    assert seconds_in(line) == pytest.approx(90 * 60, rel=0.03)


@pytest.mark.parametrize("last", ["already done", "denoised"])
def test_once_all_is_done_the_bar_tells_the_time_that_it_took(last):
    first = "denoised" if last == "already done" else "already done"
    line = shown_after(2, (60, first), (60, last))
    assert "1/1 scans" in line
    assert seconds_in(line) == 120


def test_a_log_gets_no_bar():
    assert not shown_after(2, (60, "denoised"), terminal=False)


def test_the_summary_is_a_sentence_for_any_number():
    outcomes = [Outcome("one", "already done"), *[Outcome("more", "denoised")] * 1234]
    assert summary(outcomes, Path("clean"), 2.0) == (
        "Denoised 1,234 of 1,235 scans into clean in 2.0 s; 1 was done already, 0 failed."
    )
    assert summary(outcomes[1:2], Path("clean"), 2.0).endswith(
        "1 of 1 scan into clean in 2.0 s; 0 were done already, 0 failed."
    )


def test_scans_that_failed_are_listed_by_name():
    outcomes = [Outcome("b|c.nii", "failed", "Cut."), Outcome("a.nii", "failed", "Empty."), Outcome("x", "denoised")]
    assert failure_table(outcomes).splitlines()[2:] == ["| a.nii | Empty. |", r"| b\|c.nii | Cut. |"]
