"""What commands show on a terminal: names as they are, for rich would take what stands in [brackets] for markup."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_WIDEST = 200


def terminal(stderr: bool = False) -> Console:
    """Standard output, or standard error; a file or a pipe gets lines long enough for the widest table."""
    console = Console(stderr=stderr, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDEST
    return console


@contextmanager
def then_shown(*found: RenderableType) -> Iterator[None]:
    """Show on standard output what was found, once the files of the block are written.

    So a reader who has gone, as `head` does, costs no file; and a full disk not the sight of what was measured.
    """
    try:
        yield
    finally:
        console = terminal()
        for one in found:
            console.print(one, highlight=False, soft_wrap=isinstance(one, str))


def passing_bar() -> Progress:
    """A progress bar on standard error, if that is a terminal, that goes when the work is done."""
    console = terminal(stderr=True)
    description = TextColumn("{task.description}", style="progress.description", markup=False)
    columns = description, BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
