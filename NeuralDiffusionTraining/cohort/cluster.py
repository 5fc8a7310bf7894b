"""The Dask cluster of a run: one of this computer's, or any that is there already."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError

from NeuralDiffusionLib import __version__

from ..files.command_error import CommandError
from .calls import make_call, packed

# Workers get one scan at a time, so that whoever dies takes no other scan with it, and a scan on which two died is
# tried no more beside others.
_SCHEDULER = {
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 1,
    # Dask has workers give memory back at once; the network asks for it again and again, and takes twice as long then.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}
# Those to which Dask gives levels of their own.
_TALKATIVE = ("distributed", "distributed.client", "tornado.application")


@contextmanager
def connected(address: str | None, workers: int, notify: Callable[[str], object] = print) -> Iterator[Client]:
    """A client of the scheduler at an address, or of a cluster of worker processes on this computer.

    Parameters
    ----------
    address
        Such as ``"tcp://10.0.0.1:8786"`` or ``"tls://..."``, whose certificates Dask's own configuration names; None
        starts a cluster that ends with the context.
    workers
        Processes of that cluster, one thread each.
    notify
        Called with a sentence for the user if the scheduler has no workers yet, for which this waits.

    Raises
    ------
    CommandError
        If no scheduler answers or the one that did is lost, or if its workers cannot run this version.
    """
    # Dask tells its own story of each worker that dies; what became of the scans is told at the end.
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if address is None:
        with _local_cluster(workers) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(address)
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(
            f"No Dask scheduler answers at '{address}': check the address, which the scheduler prints when it starts."
        ) from error
    try:
        with client:
            _check_version(client, address, notify)
            yield client
    except (CommClosedError, FutureCancelledError) as error:
        raise CommandError(
            f"The Dask scheduler at '{address}' was lost: what is written is whole, and the same command goes on from "
            "there."
        ) from error


@contextmanager
def _local_cluster(workers: int) -> Iterator[LocalCluster]:
    cluster = None
    scratch = tempfile.TemporaryDirectory(prefix="neural-diffusion-", ignore_cleanup_errors=True)
    try:
        with _no_interrupt(), dask.config.set({**_SCHEDULER, "temporary-directory": scratch.name}):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                # Dask's limit, an even share of the memory, would kill a worker over a scan for which there is room.
                memory_limit=None,
                # No web page, and no warning where another scheduler has the usual port.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
                env={"OMP_NUM_THREADS": "1"},
            )
        yield cluster
    finally:
        if cluster is not None:
            cluster.close()
        scratch.cleanup()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Put a Ctrl-C off, and for the threads and processes that begin here, and theirs, for ever.

    A terminal sends it to the workers, too, but it is this process that ends them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        # Windows.
        yield
        return
    # Whoever starts this helper of multiprocessing lets interrupts through again: start it before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def check_seen(client: Client, address: str, folders: Iterable[Path]) -> None:
    """Refuse folders that are here, but not where the workers run: what they wrote there, nobody would find.

    Raises
    ------
    CommandError
        If the worker that is asked does not see one.
    """
    for folder in folders:
        if not client.submit(os.path.isdir, os.fspath(folder), pure=False).result():
            raise CommandError(
                f"The workers of '{address}' do not see {folder}: choose a folder that they share with this computer."
            )


def _check_version(client: Client, address: str, notify: Callable[[str], object]) -> None:
    """Ask whichever worker is free first; where workers are started on demand, this waits for one."""
    if not client.nthreads():
        notify(f"The Dask scheduler at '{address}' has no workers yet: waiting for the first.")
    try:
        found = client.submit(make_call, packed(worker_version), pure=False).result()
    except (ImportError, AttributeError) as error:
        raise CommandError(
            f"The workers of '{address}' cannot load this package: install its version {__version__}, with the extra "
            "'batch', in their Python."
        ) from error
    except KilledWorker as error:
        raise CommandError(
            f"The workers of '{address}' die when they load this package: give them more memory."
        ) from error
    if found != __version__:
        raise CommandError(
            f"The workers of '{address}' have version {found} of this package: install {__version__}, which is here."
        )


def worker_version() -> str:
    """Version of the package on the worker that runs this, once all is loaded that a task needs."""
    import_module(f"{__package__}.task")
    return __version__
