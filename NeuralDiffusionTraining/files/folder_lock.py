"""One run at a time in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from .command_error import CommandError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

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
    with ExitStack() as held:
        try:
            held.enter_context(_locked(folder / LOCK))
        except (BlockingIOError, TimeoutError) as error:
            raise CommandError(
                f"Another run is writing into {folder}: wait until it has ended, or choose another folder."
            ) from error
        except OSError:
            # Some file systems of clusters have no locks.
            notify(f"{folder} cannot be locked: start no second run into it before this one has ended.")
        yield


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file that is made for it and removed at the end; BlockingIOError or TimeoutError if another one does."""
    if fcntl is None:
        # It removes the file itself, which no other one can have open.
        with FileLock(path, timeout=0):
            yield
        return
    descriptor = _lock(path)
    try:
        yield
    finally:
        # While it is still held: whoever comes now locks a new file.
        with suppress(PermissionError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path) -> int:
    """The descriptor of the locked file, which is the one that others find under this path."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # Its former holder removed it after it was opened here: others would lock another one.
        os.close(descriptor)
