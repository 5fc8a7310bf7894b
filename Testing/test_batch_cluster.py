"""`neural-diffusion batch` on a scheduler that somebody else started: what it or its workers lack is said at once."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from batch_runs import die, run_here
from distributed import Client, LocalCluster
from shell import environment

from NeuralDiffusionTraining.cohort import cluster as cluster_module
from NeuralDiffusionTraining.cohort.cluster import connected
from NeuralDiffusionTraining.files.command_error import CommandError

pytest_plugins = ("batch_fixtures",)
_PAGE = {"dashboard_address": "127.0.0.1:0"}
_WITHOUT_PACKAGE = "import sys; sys.modules['NeuralDiffusionTraining'] = None\n"
_SCHEDULER = """
from distributed import LocalCluster
with LocalCluster(n_workers=0, host="127.0.0.1", protocol="tcp", dashboard_address="127.0.0.1:0") as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""
_WORKER = """
from distributed.cli.dask_worker import main
main()
"""


@contextmanager
def running(script, *arguments):
    """A process of its own for a scheduler or a worker."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**environment(), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def worker_of(address, before=""):
    arguments = (address, "--no-nanny", "--nthreads", "1", "--no-dashboard")
    with Client(address) as client, running(f"import sys\n{before}{_WORKER}", *arguments):
        client.wait_for_workers(1)
        yield


def test_workers_without_this_package_are_refused_and_live_on(three, tmp_path):
    with LocalCluster(n_workers=0, **_PAGE) as cluster, worker_of(cluster.scheduler_address, _WITHOUT_PACKAGE):
        address = cluster.scheduler_address
        done = run_here("batch", three / "*", tmp_path / "clean", "--scheduler", address)
        assert len(cluster.scheduler.workers) == 1

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"The workers of '{address}' cannot load this package: install its version")
    assert not (tmp_path / "clean").exists()


def test_a_scheduler_without_this_package_hands_scans_to_workers_that_have_it(three, tmp_path):
    with running(_WITHOUT_PACKAGE + _SCHEDULER) as scheduler:
        address = scheduler.stdout.readline().strip()
        with worker_of(address):
            done = run_here("batch", three / "*", tmp_path / "clean", "--scheduler", address)

    assert done.status == 0, done
    assert "Denoised 3 of 3 scans" in done.out


def test_a_scheduler_without_workers_is_said_and_waited_for():
    told = []
    with LocalCluster(n_workers=0, threads_per_worker=1, memory_limit=None, **_PAGE) as cluster:

        def notify(sentence):
            told.append(sentence)
            cluster.scale(1)

        with connected(cluster.scheduler_address, 1, notify) as client:
            assert len(client.nthreads()) == 1
        with connected(cluster.scheduler_address, 1, notify):
            pass

    address = cluster.scheduler_address
    assert told == [f"The Dask scheduler at '{address}' has no workers yet: waiting for the first."]


def test_workers_that_die_when_they_load_the_package_are_said_to(monkeypatch):
    monkeypatch.setattr(cluster_module, "worker_version", die)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=None, **_PAGE) as cluster,
        pytest.raises(CommandError, match="die when they load this package: give them more memory"),
        connected(cluster.scheduler_address, 1),
    ):
        pass


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="No path means another folder in each process here.")
@pytest.mark.parametrize("unshared", ["scans", "clean"])
def test_a_folder_that_the_workers_do_not_share_is_refused_before_any_scan_is_tried(
    three, tmp_path, address, monkeypatch, unshared
):
    monkeypatch.chdir(tmp_path)
    folders = {name: tmp_path / name for name in ("scans", "clean")}
    folders[unshared] = Path("/proc/self/cwd", unshared)

    done = run_here("batch", folders["scans"] / "*", folders["clean"], "--scheduler", address)

    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"The workers of '{address}' do not see {folders[unshared]}: choose a folder that they share with this "
        "computer.\n"
    )
    assert not list(tmp_path.rglob("*.json"))
