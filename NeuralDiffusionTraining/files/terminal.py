"""What commands show on a terminal: names as they are, for rich would take what stands in [brackets] for markup."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def terminal(stderr: bool = False) -> Console:
    """Standard output, or standard error."""
    return Console(stderr=stderr, markup=False)


def passing_bar() -> Progress:
    """A progress bar on standard error that goes when the work is done."""
    description = TextColumn("{task.description}", style="progress.description", markup=False)
    columns = description, BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=terminal(stderr=True), transient=True)
