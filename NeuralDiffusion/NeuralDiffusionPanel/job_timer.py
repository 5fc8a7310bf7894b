"""A timer that asks again and again how far work in another thread is, and gives that thread time to run."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt

_TICK_MS = 1
_TURN_S = 0.01


class JobTimer:
    """Calls a function again and again while work goes on, and lets the work's thread run before each call.

    Parameters
    ----------
    look
        Looks how far the work is, and stops the timer once it has ended.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._timer = qt.QTimer()
        self._timer.setInterval(_TICK_MS)
        self._timer.connect("timeout()", self.onTimeout)

    def start(self) -> None:
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def onTimeout(self) -> None:
        """Let the other thread run for a moment, too short to be felt in the window, then look."""
        # CTK initialises Python on the main thread and never lets go of its lock, not even while Qt's event loop
        # idles: another thread gets on only while Python code on the main thread sleeps.
        time.sleep(_TURN_S)
        self._look()
