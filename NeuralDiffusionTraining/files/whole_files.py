"""Files that appear whole or not at all, several of them together or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path


def write_whole(targets: Sequence[tuple[Path, Callable[[Path], object]]]) -> None:
    """Write every target, or leave the disk as it was.

    Parameters
    ----------
    targets
        Pairs of a path and the function that writes a file of that name at the path it is given.

    Raises
    ------
    OSError
        If a file cannot be written; whatever the writing functions raise passes through.
    """
    with ExitStack() as folders:
        moves: list[tuple[Path, Path, Path]] = []
        for path, write in targets:
            # The new file is made beside its target: a rename is whole only within one file system.
            folder = Path(folders.enter_context(tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-")))
            (folder / "new").mkdir()
            (folder / "old").mkdir()
            new = folder / "new" / path.name
            write(new)
            _flush_to_disk(new)
            moves.append((path, new, folder / "old" / path.name))
        _move_all(moves)


def _move_all(moves: Sequence[tuple[Path, Path, Path]]) -> None:
    try:
        for path, new, old in moves:
            if path.exists():
                os.replace(path, old)
            os.replace(new, path)
    except BaseException:
        # The folders themselves tell how far it came, even if an interrupt fell between two lines.
        for path, new, old in moves:
            if old.exists():
                os.replace(old, path)
            elif not new.exists():
                path.unlink()
        raise


def _flush_to_disk(path: Path) -> None:
    # Some file systems report a full disk only here.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
