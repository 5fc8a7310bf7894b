"""Files that appear whole or not at all, several of them together or none."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_LONGEST_TURN_S = 10.0


class _Move(NamedTuple):
    """A new file on its way to its place, and where the one is kept meanwhile that may be there."""

    new: Path
    path: Path
    old: Path


def write_whole(
    targets: Sequence[tuple[Path, Callable[[Path], object]]],
    on_written: Callable[[], object] = lambda: None,
    replace: bool = True,
) -> None:
    """Write every target, or leave the disk as it was.

    Parameters
    ----------
    targets
        Pairs of a path and the function that writes a file of that name at the path it is given. Files that it makes
        beside, as formats of two files need, go with it. The last is written first, so that others can describe it, and
        takes its place last.
    on_written
        Called once all is written, before the first file takes its place.
    replace
        Whether files that are there may be replaced, which keeps their permissions. Otherwise a target that appears at
        any moment is left as it is, where the file system has hard links; where it has none, only what is there after
        `on_written`.

    Raises
    ------
    FileExistsError
        If a target is there and must not be replaced, or a file that was made beside one would replace another's.
    OSError
        If a file cannot be written; whatever the functions raise passes through.
    """
    with ExitStack() as folders:
        moves: list[_Move] = []
        for path, write in reversed(targets):
            # The new file is made beside its target: a rename is whole only within one file system.
            folder = folders.enter_context(_folder_beside(path))
            new, old = folder / "new", folder / "old"
            new.mkdir()
            old.mkdir()
            write(new / path.name)
            # The header, which names the file of its voxels, comes after it.
            names = [*(file.name for file in new.iterdir() if file.name != path.name), path.name]
            for name in names:
                _flush_to_disk(new / name)
            _check_beside(path, names[:-1], [move.path for move in moves])
            moves[:0] = [_Move(new / name, path.parent / name, old / name) for name in names]
        on_written()
        with ExitStack() as turns:
            # In one order, or two programs would wait for each other.
            for folder in sorted({move.path.parent.resolve() for move in moves}):
                turns.enter_context(_turn_in(folder))
            _move_all(moves, replace)


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    # Not `tempfile`, whose folders, and what is made in them, are private on Windows, wherever it is moved.
    folder = path.parent / f".unfinished-{secrets.token_hex(4)}"
    # Elsewhere 0o700 is what it says: nobody else looks into what is not yet in its place.
    folder.mkdir(0o777 if os.name == "nt" else 0o700)
    try:
        yield folder
    finally:
        # What cannot be removed, as a virus scanner is reading it, is no reason to say that nothing was written.
        shutil.rmtree(folder, ignore_errors=True)


def _check_beside(path: Path, names: Sequence[str], taken: Sequence[Path]) -> None:
    """Refuse files beside a target that would replace those of another one."""
    # It loads NumPy, for which no help text should wait.
    from .image_headers import files_of

    for beside in (path.parent / name for name in names):
        if beside in taken or (beside.exists() and not (path.exists() and beside in files_of(path))):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(beside))


@contextmanager
def _turn_in(folder: Path) -> Iterator[None]:
    """Wait for other programs that put files into a folder, or the files of two runs under the same names would mix."""
    descriptor = None
    # Windows and some file systems cannot lock a folder, and not every folder that may be written into may be read.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY) if fcntl else None
    try:
        if descriptor is not None:
            with suppress(OSError):
                _lock(descriptor)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    # Renames take no time: who holds it for longer hangs, and is not waited for.
    latest = time.monotonic() + _LONGEST_TURN_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > latest:
                raise
        time.sleep(0.02)


def _move_all(moves: Sequence[_Move], replace: bool) -> None:
    *first, last = moves
    move = os.replace if replace else _move_to_free_place
    for new, path, _ in moves:
        # On Windows it would only make the new file read-only, which could not be moved then.
        if replace and path.exists() and os.name != "nt":
            # Some file systems have no permissions to keep.
            with suppress(OSError):
                shutil.copymode(path, new)
    try:
        for new, path, old in first:
            if replace:
                _keep(path, old)
            move(new, path)
        move(last.new, last.path)
    except BaseException:
        # The folders themselves tell how far it came, even if an interrupt fell between two lines.
        if not _in_place(last):
            _move_back(first)
        raise


def _in_place(move: _Move) -> bool:
    return not move.new.exists() or (move.path.exists() and move.path.samefile(move.new))


def _move_to_free_place(new: Path, path: Path) -> None:
    try:
        # Unlike a rename, which would replace what another process has just put there.
        os.link(new, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # Some file systems have no second names.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        os.replace(new, path)
    else:
        new.unlink()


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
    for move in moves:
        if move.old.exists():
            os.replace(move.old, move.path)
        elif _in_place(move):
            move.path.unlink()


def _flush_to_disk(path: Path) -> None:
    # Some file systems report a full disk only here.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
