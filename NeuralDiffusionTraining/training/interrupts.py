"""Ctrl-C in a training ends the command as everywhere else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread


@contextmanager
def interruptible() -> Iterator[None]:
    """Pass a Ctrl-C on that Lightning would turn into an exit with status 1, without a word, and be deaf to more.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C was pressed within.
    """
    # No other thread may choose what a signal does.
    handler = signal.getsignal(signal.SIGINT) if current_thread() is main_thread() else None
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise end.__context__ from None
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
