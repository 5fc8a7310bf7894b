"""One run at a time in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from .command_error import CommandError

LOCK = ".neural-diffusion.lock"


@contextmanager
def alone_in(folder: Path, notify: Callable[[str], object]) -> Iterator[None]:
    """Keep other runs out of a folder until this one has ended, however it ends.

    Parameters
    ----------
    folder
        An existing folder.
    notify
        Called with a sentence for the user if the folder cannot be locked.

    Raises
    ------
    CommandError
        If another run is in there.
    """
    path = folder / LOCK
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise CommandError(
            f"Another run is writing into {folder}: wait until it has ended, or choose another folder."
        ) from error
    except (OSError, NotImplementedError):
        # Some file systems of clusters have no locks.
        notify(f"{folder} cannot be locked: start no second run into it before this one has ended.")
    try:
        yield
    finally:
        if lock.is_locked:
            # While it is still held: whoever comes now locks a new file. Windows removes it itself.
            with suppress(PermissionError):
                path.unlink(missing_ok=True)
            lock.release()
