"""Work in a thread of its own: order, progress, cancelling, errors."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from NeuralDiffusionLib.background import Worker
from NeuralDiffusionLib.errors import DenoiseCancelled


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.close()


def slices(gate: threading.Semaphore, told: threading.Semaphore, count: int = 10):
    """Work that does one slice for each release of the gate."""

    def work(report, cancelled):
        for done in range(1, count + 1):
            gate.acquire()
            if cancelled():
                raise DenoiseCancelled
            report(done, count)
            told.release()
        return threading.current_thread().name

    return work


def test_the_caller_goes_on_while_the_work_is_done_elsewhere(worker):
    gate, told = threading.Semaphore(0), threading.Semaphore(0)
    job = worker.start(slices(gate, told, 1))
    assert not job.finished
    gate.release()
    assert job.result() != threading.current_thread().name
    assert job.finished


def test_progress_tells_slices_and_from_the_second_batch_on_the_time_left(worker):
    gate, told = threading.Semaphore(0), threading.Semaphore(0)
    job = worker.start(slices(gate, told))
    assert (job.progress.done, job.progress.seconds_left) == (0, None)
    for _ in range(2):
        gate.release()
        told.acquire()
    assert (job.progress.done, job.progress.total) == (2, 10)
    assert job.progress.seconds_left > 0
    gate.release(8)
    job.result()
    assert job.progress.seconds_left == 0


def test_a_cancelled_job_stops_before_its_next_batch(worker):
    gate, told = threading.Semaphore(0), threading.Semaphore(0)
    job = worker.start(slices(gate, told))
    gate.release()
    told.acquire()
    job.cancel()
    gate.release()
    with pytest.raises(DenoiseCancelled):
        job.result()
    assert job.progress.done == 1


def test_what_goes_wrong_in_the_thread_reaches_the_caller(worker):
    def fail(report, cancelled):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        worker.start(fail).result()


def test_jobs_share_one_thread_and_keep_their_order(worker):
    order = []
    jobs = [worker.start(lambda report, cancelled, n=n: order.append((n, threading.get_ident()))) for n in range(5)]
    for job in jobs:
        job.result()
    assert [n for n, _ in order] == [0, 1, 2, 3, 4]
    assert len({thread for _, thread in order}) == 1


def test_closing_cancels_what_runs_and_what_waits():
    worker = Worker()
    gate, told = threading.Semaphore(0), threading.Semaphore(0)
    running, waiting = (worker.start(slices(gate, told)) for _ in range(2))
    gate.release(2)
    worker.close()
    for job in (running, waiting):
        assert job.finished
        assert job.progress.done <= 1


def test_what_a_job_has_made_belongs_to_whoever_holds_the_job(worker):
    class Made:
        pass

    job = worker.start(lambda report, cancelled: Made())
    made = weakref.ref(job.result())
    # The thread holds its last job until it looks for the next.
    worker.start(lambda report, cancelled: None).result()
    gc.collect()
    assert made() is not None
    del job
    gc.collect()
    assert made() is None
