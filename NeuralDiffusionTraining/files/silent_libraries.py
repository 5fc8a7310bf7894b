"""What C++ libraries print about a bad file, kept off standard error; they raise as well."""

from __future__ import annotations

import os
import threading


class _Silence:
    """Standard error that leads nowhere while at least one thread wants it so: all threads share it."""

    def __init__(self) -> None:
        self._lock, self._wanted, self._kept = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if self._wanted == 0:
                _open_standard_error()
                nowhere = os.open(os.devnull, os.O_WRONLY)
                self._kept = os.dup(2)
                os.dup2(nowhere, 2)
                os.close(nowhere)
            self._wanted += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0:
                os.dup2(self._kept, 2)
                os.close(self._kept)


def _open_standard_error() -> None:
    """Where standard error is closed, let it lead nowhere for good, or the next file to be opened would be it."""
    try:
        os.fstat(2)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        if nowhere != 2:
            os.dup2(nowhere, 2)
            os.close(nowhere)


silent_libraries = _Silence()
