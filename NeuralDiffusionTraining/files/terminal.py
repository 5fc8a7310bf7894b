"""What commands show on a terminal: names as they are, for rich would take what stands in [brackets] for markup."""

from __future__ import annotations

import os

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_WIDEST = 200


def terminal(stderr: bool = False) -> Console:
    """Standard output, or standard error; a file or a pipe gets lines long enough for the widest table."""
    console = Console(stderr=stderr, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDEST
    return console


def passing_bar() -> Progress:
    """A progress bar on standard error, if that is a terminal, that goes when the work is done."""
    console = terminal(stderr=True)
    description = TextColumn("{task.description}", style="progress.description", markup=False)
    columns = description, BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
