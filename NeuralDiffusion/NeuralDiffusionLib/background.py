"""Long work in a thread of its own, watched from the main thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakSet

from .translation import translator

_ = translator(__name__)

T = TypeVar("T")
ReportProgress = Callable[[int, int], None]
IsCancelled = Callable[[], bool]
Work = Callable[[ReportProgress, IsCancelled], T]


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` slices, and the seconds left, ``None`` until a first batch tells."""

    done: int = 0
    total: int = 0
    seconds_left: float | None = None


class Job(Generic[T]):
    """One piece of work. Its methods may be called from any thread."""

    def __init__(self, executor: ThreadPoolExecutor, work: Work[T]) -> None:
        self._cancelled = threading.Event()
        self._progress = Progress()
        self._first: tuple[float, int] | None = None
        self._future: Future[T] = executor.submit(_survive, work, self._report, self._cancelled.is_set)

    @property
    def progress(self) -> Progress:
        return self._progress

    @property
    def finished(self) -> bool:
        """Whether `result` returns or raises at once."""
        return self._future.done()

    def cancel(self) -> None:
        """Ask the work to stop; it does so before its next batch, with the exception that it has for that."""
        self._cancelled.set()

    def result(self) -> T:
        """What the work returned, waiting for it; what it raised is raised here."""
        return self._future.result()

    def _report(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            # The first batch pays for what is loaded and allocated once, so that it tells nothing of those after it.
            self._first = (now, done)
        start, before = self._first
        left = (now - start) * (total - done) / (done - before) if done > before else None
        self._progress = Progress(done, total, left)


def _survive(work: Work[T], report: ReportProgress, cancelled: IsCancelled) -> T:
    try:
        return work(report, cancelled)
    except Exception:
        raise
    except BaseException as error:
        # Raised again by `result` on the main thread, an exit of this thread would end the application.
        message = _("The work was stopped from outside ({reason}): start it again.")
        raise RuntimeError(message.format(reason=type(error).__name__)) from error


class Worker:
    """One thread for all jobs, in the order in which they come: cuDNN keeps its plans for each thread anew."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="NeuralDiffusion")
        # What a job has made belongs to whoever waits for it.
        self._jobs: WeakSet[Job] = WeakSet()

    def start(self, work: Work[T]) -> Job[T]:
        """Begin a job.

        Parameters
        ----------
        work
            Called in the thread with a function to tell slices done and all slices, and one that says whether to stop.
        """
        job = Job(self._executor, work)
        self._jobs.add(job)
        return job

    def close(self) -> None:
        """Cancel all jobs and wait until the thread has ended; it takes a batch at most."""
        for job in tuple(self._jobs):
            job.cancel()
        self._executor.shutdown(wait=True)
