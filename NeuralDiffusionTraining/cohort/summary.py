"""What became of a cohort: one sentence, and a table of the scans that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from NeuralDiffusionLib.file_names import shown

from ..files.markdown import markdown_table
from ..files.words import counted
from .outcome import Outcome


def summary(outcomes: Sequence[Outcome], folder: Path, seconds: float) -> str:
    """How many scans were denoised, left as they were, and failed."""
    count = Counter(outcome.state for outcome in outcomes)
    done = count["already done"]
    return (
        f"Denoised {count['denoised']:,} of {counted(len(outcomes), 'scan')} into {folder} in {seconds:.1f} s; "
        f"{done:,} {'was' if done == 1 else 'were'} done already, {count['failed']:,} failed."
    )


def failure_table(outcomes: Sequence[Outcome]) -> str:
    """The scans that failed, by name, with the reason of each, as a Markdown table; empty if there is none."""
    failed = sorted((shown(Path(outcome.name)), outcome.reason) for outcome in outcomes if outcome.state == "failed")
    return markdown_table(["Scan", "What is wrong"], failed, words=2) if failed else ""
