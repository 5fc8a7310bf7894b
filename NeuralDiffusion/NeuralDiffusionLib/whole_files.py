"""Files that appear whole or not at all, several of them together or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple


class _Move(NamedTuple):
    """A new file on its way to its place, and where the one is kept meanwhile that may be there."""

    new: Path
    path: Path
    old: Path


def write_whole(
    targets: Sequence[tuple[Path, Callable[[Path], object]]], on_written: Callable[[], object] = lambda: None
) -> None:
    """Write every target, or leave the disk as it was.

    Parameters
    ----------
    targets
        Pairs of a path and the function that writes a file of that name at the path it is given. Files that it makes
        beside, as formats of two files need, go with it.
    on_written
        Called once all is written, before the first file takes its place.

    Raises
    ------
    OSError
        If a file cannot be written; whatever the functions raise passes through.
    """
    with ExitStack() as folders:
        moves: list[_Move] = []
        for path, write in targets:
            # The new file is made beside its target: a rename is whole only within one file system.
            folder = Path(folders.enter_context(tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-")))
            new, old = folder / "new", folder / "old"
            new.mkdir()
            old.mkdir()
            write(new / path.name)
            # The header, which names the file of its voxels, comes after it.
            for name in (*(file.name for file in new.iterdir() if file.name != path.name), path.name):
                _flush_to_disk(new / name)
                moves.append(_Move(new / name, path.parent / name, old / name))
        on_written()
        _move_all(moves)


def _move_all(moves: Sequence[_Move]) -> None:
    *first, last = moves
    try:
        for new, path, old in first:
            _keep(path, old)
            os.replace(new, path)
        os.replace(last.new, last.path)
    except BaseException:
        # The folders themselves tell how far it came, even if an interrupt fell between two lines.
        if last.new.exists():
            _move_back(first)
        raise


def _keep(path: Path, old: Path) -> None:
    """Give a file that is to be replaced a second name: even if the program is killed, it is never missing."""
    if not path.exists():
        return
    try:
        os.link(path, old, follow_symlinks=False)
    except (OSError, NotImplementedError):
        # Some file systems have no second names.
        os.replace(path, old)


def _move_back(moves: Sequence[_Move]) -> None:
    for new, path, old in moves:
        if old.exists():
            os.replace(old, path)
        elif not new.exists():
            path.unlink()


def _flush_to_disk(path: Path) -> None:
    # Some file systems report a full disk only here.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
