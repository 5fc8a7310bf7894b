"""Work that goes on in the background: how far it is, Cancel, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib.background import Progress

from .job_timer import JobTimer
from .section import Panel, Section


class Watched(Protocol):
    """Work in a thread of its own, watched from the main thread."""

    @property
    def progress(self) -> Progress: ...

    @property
    def finished(self) -> bool: ...

    def cancel(self) -> None: ...


class RunSection(Section):
    """Shows one run at a time in the progress bar, and lets the Apply button cancel it."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._run: Watched | None = None
        self._finish: Callable[[], str] = str
        self._failure = ""
        self._cancelled = False
        self._started = 0.0
        self._timer = JobTimer(self.onTimer)
        self.ui.progressBar.visible = False
        self.ui.warningsLabel.visible = False

    @property
    def busy(self) -> bool:
        return self._run is not None

    def whyWait(self) -> str:
        """Return why nothing else can be begun now, or nothing."""
        return _("Wait until the run has ended, or cancel it.") if self.busy else ""

    @property
    def seconds(self) -> float:
        """Seconds since the run, or the last one, was begun."""
        return time.monotonic() - self._started

    def begin(self, run: Watched, finish: Callable[[], str], failure: str) -> None:
        """Watch a run until it ends.

        Parameters
        ----------
        run
            What has been started.
        finish
            Called at the end, on the main thread: writes the result into the scene and returns a line about it. What
            the run raised is raised by it.
        failure
            What to say if that fails, "Denoising failed." for instance.
        """
        self._run, self._finish, self._failure, self._started = run, finish, failure, time.monotonic()
        self._cancelled = False
        # It cancels now, also where there is nothing to apply.
        self.ui.applyButton.enabled = True
        self.say(_("Preparing..."))
        self.ui.progressBar.value = 0
        self._onStartedOrEnded()
        self._timer.start()

    def cancel(self) -> None:
        """Ask the run to stop; nothing is written then."""
        self._run.cancel()
        self._cancelled = True
        self.ui.applyButton.enabled = False
        self.say(_("Cancelling after this batch of slices..."))

    def say(self, line: str) -> None:
        """Show a line about what is done, or was; warnings of an earlier run go."""
        self.ui.statusLabel.text = line
        self.warn([])

    def warn(self, sentences: list[str]) -> None:
        """Show warnings below the line."""
        self.ui.warningsLabel.text = "\n".join(sentences)
        self.ui.warningsLabel.visible = bool(sentences)

    @contextmanager
    def reporting(self, failure: str) -> Iterator[None]:
        """Show an error in a pop-up with its details, and in the line, where it can still be read afterwards."""
        with slicer.util.tryWithErrorDisplay(failure):
            try:
                yield
            except Exception as error:
                self.say(f"{failure} {error}")
                raise

    def onTimer(self) -> None:
        """Show how far the run is and, once it has ended, what came of it."""
        progress = self._run.progress
        if progress.total and not self._cancelled:
            self.ui.progressBar.maximum = progress.total
            self.ui.progressBar.value = progress.done
            self.ui.statusLabel.text = _progressText(progress)
        if not self._run.finished:
            return
        finish, failure = self._finish, self._failure
        self._end()
        if self._cancelled:
            # Also where it came too late to stop the last batch: the user has been told that nothing is written.
            self.say(_("Cancelled: nothing was changed."))
            return
        self.say("")
        with self.reporting(failure):
            self.ui.statusLabel.text = finish()

    def forget(self) -> None:
        """End the run with the scene; nobody waits for its result."""
        line = _("The run ended with the scene: nothing was written.") if self.busy else ""
        self._end()
        self.say(line)

    def close(self) -> None:
        self._end()

    def _end(self) -> None:
        self._timer.stop()
        if self._run is not None:
            self._run.cancel()
        self._run, self._finish = None, str
        self._onStartedOrEnded()

    def _onStartedOrEnded(self) -> None:
        self.ui.progressBar.visible = self.busy
        self.ui.applyButton.text = _("Cancel") if self.busy else _("Apply")
        self.panel.update()


def _progressText(progress: Progress) -> str:
    text = _("{done} of {total} slices done").format(done=progress.done, total=progress.total)
    if progress.seconds_left is None:
        return text
    return _("{text}, {seconds:.0f} s left").format(text=text, seconds=progress.seconds_left)
