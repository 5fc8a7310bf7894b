"""Running tasks on Dask until each has an outcome, whatever happens to its worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from distributed import Client, Future, KilledWorker, as_completed
from distributed.comm import CommClosedError

from .calls import make_call, packed
from .outcome import Outcome

# By Dask's own pages.
_SHOWN_AS = "denoise"
# Tasks in one message to the scheduler, and those that it is to know beyond: some 10 kB of its memory each.
_MESSAGE = 1000
_IN_FLIGHT = 10_000
_KILLS = (
    "Every worker that tried it died, even the last one, which ran alone: the memory may be too small, or the file may "
    "be malicious."
)


class Task(Protocol):
    """Whatever a worker can be given, with a name for tables."""

    @property
    def name(self) -> str:
        """The name."""


AnyTask = TypeVar("AnyTask", bound=Task)


def run_all(
    client: Client, work: Callable[[AnyTask], Outcome], tasks: Sequence[AnyTask], tell: Callable[[Outcome], object]
) -> None:
    """Run every task and tell each outcome once.

    Dask gives the task of a worker that died to another worker. A task on which several died is tried again at the
    end, alone: it may have suffered from what ran beside it, and alone it has all the memory. If it kills its workers
    then, too, it has failed.

    Parameters
    ----------
    client
        Of the cluster that runs them.
    work
        What is done with a task, in a worker's process.
    tasks
        The tasks.
    tell
        Called with each outcome, in the order in which they come.

    Raises
    ------
    CommClosedError
        If the scheduler is lost.
    """
    suspects = []
    for task, future in _completed(client, work, tasks):
        try:
            tell(_outcome(task, future))
        except KilledWorker:
            suspects.append(task)
    for suspect in suspects:
        for task, future in _completed(client, work, [suspect]):
            try:
                tell(_outcome(task, future))
            except KilledWorker:
                tell(Outcome(task.name, "failed", _KILLS))


def _completed(
    client: Client, work: Callable[[AnyTask], Outcome], tasks: Sequence[AnyTask]
) -> Iterator[tuple[AnyTask, Future]]:
    completed = as_completed()
    waiting: dict[str, AnyTask] = {}
    for start in range(0, len(tasks), _MESSAGE):
        batch = tasks[start : start + _MESSAGE]
        futures = client.map(make_call, [packed(work, task) for task in batch], key=_SHOWN_AS, pure=False)
        waiting.update((future.key, task) for future, task in zip(futures, batch, strict=True))
        completed.update(futures)
        # Whoever holds a future keeps its result, on the scheduler, too.
        del futures
        last = start + _MESSAGE >= len(tasks)
        while waiting and (last or len(waiting) > _IN_FLIGHT):
            future = next(completed)
            yield waiting.pop(future.key), future


def _outcome(task: Task, future: Future) -> Outcome:
    """What came of a task; KilledWorker is raised if several workers died on it.

    The status of a future that is done is no answer: it is "lost" again if the worker dies before its result is
    fetched. The result itself is waited for while Dask runs the task anew.
    """
    try:
        return future.result()
    except Exception as error:
        if isinstance(error, KilledWorker):
            raise
        if future.status != "error":
            # Cancelled or out of reach, and by nobody here.
            raise CommClosedError("the scheduler has gone with its tasks") from error
        return Outcome(task.name, "failed", f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}")
