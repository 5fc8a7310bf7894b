"""The progress bar of a batch: how many scans are denoised of those that had to be, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .outcome import Outcome

# Scans may end minutes apart.
_SPEED_OF_SECONDS = 3600


@contextmanager
def progress_bar(console: Console, scans: int) -> Iterator[Callable[[Outcome], None]]:
    """Show a bar, if the console is a terminal, and give what must be called with the outcome of each scan.

    Parameters
    ----------
    console
        Where to show it.
    scans
        How many outcomes there will be.
    """
    bar = Progress(
        TextColumn("Denoising"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("scans"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        disable=not console.is_terminal,
        speed_estimate_period=_SPEED_OF_SECONDS,
    )
    shown = bar.add_task("", total=scans)

    def tell(outcome: Outcome) -> None:
        if outcome.state == "already done":
            # It took no time: counted as work, it would promise that the others take hardly any.
            bar.tasks[0].total -= 1
            bar.advance(shown, 0)
        else:
            bar.advance(shown)

    with bar:
        yield tell
