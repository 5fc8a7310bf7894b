"""`neural-diffusion batch` on real Dask workers: whole and right whatever happens, and no work done twice."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import signal
import subprocess
import time

import nibabel as nib
import numpy as np
import psutil
import pytest
from batch_runs import NamedTask, kill_if_poisoned, record, run_here, voxels, write_scan
from distributed import LocalCluster
from shell import command, environment

from NeuralDiffusionLib import DenoiseSettings, __version__
from NeuralDiffusionTraining.cohort import cluster as cluster_module
from NeuralDiffusionTraining.cohort.cluster import connected
from NeuralDiffusionTraining.cohort.record import Order
from NeuralDiffusionTraining.cohort.running import run_all
from NeuralDiffusionTraining.cohort.scans import find_cohort
from NeuralDiffusionTraining.cohort.task import ScanTask, run_task
from NeuralDiffusionTraining.files.command_error import CommandError

pytest_plugins = ("batch_fixtures",)
BROKEN = {"scan03.nii.gz": "damaged", "scan13.nii.gz": "damaged", "scan23.nii.gz": "several volumes"}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """40 scans, three of which cannot be denoised."""
    folder = tmp_path_factory.mktemp("cohort") / "scans"
    for number in range(40):
        write_scan(folder / f"scan{number:02}.nii.gz", number)
    cut, text, series = (folder / name for name in BROKEN)
    cut.write_bytes(cut.read_bytes()[:500])
    text.write_text("this is no image")
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 4, 5), np.int16), np.eye(4)), series)
    return folder


def workers_of(process):
    """The processes that run tasks: the youngest generation but for multiprocessing's helper."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def start(folder, output, **options):
    return subprocess.Popen(
        command("batch", folder / "*", output, "--workers", 2),
        env={**environment(), "TERM": "xterm", "OMP_NUM_THREADS": "1"},
        # A group of its own, as a terminal gives each command.
        start_new_session=True,
        # A background process of a shell ignores Ctrl-C; a test runner may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )


def wait_for_scans(output, count, process):
    while len(list(output.glob("*.nii.gz"))) < count:
        assert process.poll() is None
        time.sleep(0.01)


def wait_until(condition):
    while not condition():
        time.sleep(0.001)


def assert_whole(output):
    """Nothing unfinished is left, and each scan has the sidecar that belongs to it."""
    assert not [path for path in output.iterdir() if path.name.startswith(".")]
    for path in output.glob("*.nii.gz"):
        sidecar = record(output / path.name.replace(".nii.gz", ".json"))
        assert sidecar["OutputSha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_worker_killed_in_mid_run_costs_no_scan(scans, tmp_path):
    output = tmp_path / "clean"
    process = start(scans, output, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        wait_for_scans(output, 5, process)
        victim = workers_of(process)[0]
        victim.send_signal(signal.SIGKILL)
        written = len(list(output.glob("*.nii.gz")))
        out, err = process.communicate()
    finally:
        process.kill()

    assert written < 37
    assert process.returncode == 1
    assert err == ""
    *table, sentence = out.splitlines()
    assert sentence.startswith(f"Denoised 37 of 40 scans into {output}")
    assert "3 failed" in sentence
    assert len(table) == 2 + len(BROKEN)
    for line, (name, reason) in zip(table[2:], BROKEN.items(), strict=True):
        assert name in line
        assert reason in line
    assert {path.name for path in output.glob("*.nii.gz")} == {path.name for path in scans.iterdir()} - set(BROKEN)
    assert len(list(output.iterdir())) == 2 * 37
    assert_whole(output)
    for path in sorted(output.glob("*.nii.gz")):
        alone = tmp_path / path.name
        assert run_here("denoise", scans / path.name, alone, "--device", "cpu").status == 0
        np.testing.assert_array_equal(voxels(path), voxels(alone))
        assert nib.load(path).header == nib.load(alone).header


def test_ctrl_c_leaves_whole_scans_and_the_next_run_goes_on(scans, tmp_path, address):
    output = tmp_path / "clean"
    terminal, process_side = pty.openpty()
    process = start(scans, output, stdout=process_side, stderr=process_side)
    os.close(process_side)
    shown = b""
    try:
        wait_for_scans(output, 3, process)
        # Hours, minutes and seconds that are left: known once the bar has seen some scans end.
        while not re.search(rb"\d:\d\d:\d\d", shown):
            part = _read(terminal)
            assert part, "no time left was shown"
            shown += part
        os.killpg(process.pid, signal.SIGINT)
        while part := _read(terminal):
            shown += part
        assert process.wait() == 130
    finally:
        process.kill()
        os.close(terminal)

    assert b"/40" in shown
    assert b"the same command goes on from there" in shown
    assert b"Cancelled" in shown
    assert b"Traceback" not in shown
    assert_whole(output)
    written = len(list(output.glob("*.nii.gz")))
    assert 3 <= written < 37
    done = run_here("batch", scans / "*", output, "--scheduler", address)
    assert f"Denoised {37 - written} of 40" in done.out
    assert f"{written} were done already" in done.out
    assert_whole(output)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_from_outside_leaves_whole_scans_and_no_workers(scans, tmp_path, address, stop):
    output = tmp_path / "clean"
    process = start(scans, output, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        wait_for_scans(output, 3, process)
        workers = workers_of(process)
        process.send_signal(stop)
        _, err = process.communicate()
        assert len(workers) == 2
        _, alive = psutil.wait_procs(workers, timeout=30)
        assert alive == []
    finally:
        process.kill()

    assert process.returncode == (130 if stop == signal.SIGTERM else -signal.SIGKILL)
    if stop == signal.SIGTERM:
        assert "the same command goes on from there" in err
        assert_whole(output)
    written = len(list(output.glob("*.nii.gz")))
    assert written < 37
    done = run_here("batch", scans / "*", output, "--scheduler", address)
    assert (done.status, f"Denoised {37 - written} of 40" in done.out) == (1, True), done
    assert_whole(output)


def _read(terminal):
    try:
        return os.read(terminal, 1000)
    except OSError:  # how Linux says that the other side is closed
        return b""


def test_a_worker_of_a_scheduler_that_is_killed_costs_no_scan(scans, tmp_path):
    output = tmp_path / "clean"
    page = {"dashboard_address": "127.0.0.1:0", "env": {"OMP_NUM_THREADS": "1"}}
    with LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=None, **page) as cluster:
        process = subprocess.Popen(
            command("batch", scans / "*", output, "--scheduler", cluster.scheduler_address),
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip
        try:
            wait_for_scans(output, 5, process)
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
            written = len(list(output.glob("*.nii.gz")))
            out, err = process.communicate()
        finally:
            process.kill()

    assert written < 37
    assert (process.returncode, err) == (1, "")
    assert "Denoised 37 of 40 scans" in out
    assert_whole(output)


def test_a_second_run_into_the_same_folder_is_refused_and_the_first_one_goes_on(scans, tmp_path, address):
    output = tmp_path / "clean"
    process = start(scans, output, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        wait_for_scans(output, 1, process)
        second = run_here("batch", scans / "*", output, "--scheduler", address)
        assert process.poll() is None
        out, _ = process.communicate()
    finally:
        process.kill()

    assert (second.status, second.out) == (2, "")
    assert second.err == (f"Another run is writing into {output}: wait until it has ended, or choose another folder.\n")
    assert "Denoised 37 of 40 scans" in out
    assert_whole(output)


def test_a_worker_with_other_weights_denoises_nothing(three, tmp_path):
    (scan, *_) = find_cohort(str(three / "*"), tmp_path / "clean").scans
    order = Order(DenoiseSettings(), False, "cpu", None, "0" * 64, "run")

    outcome = run_task(ScanTask(scan, order))

    assert outcome.state == "failed"
    assert "are others on this worker than where the run was started" in outcome.reason
    assert not (tmp_path / "clean").exists()


def test_a_task_that_kills_every_worker_fails_alone():
    tasks = [NamedTask(name) for name in ("a", "poisoned", "b", "faulty", *"cdefg")]
    outcomes = []
    with connected(None, 2) as client:
        run_all(client, kill_if_poisoned, tasks, outcomes.append)

    assert sorted(outcome.name for outcome in outcomes) == sorted(task.name for task in tasks)
    failed = {outcome.name: outcome.reason for outcome in outcomes if outcome.state == "failed"}
    assert set(failed) == {"poisoned", "faulty"}
    assert "Every worker that tried it died" in failed["poisoned"]
    assert failed["faulty"] == "RuntimeError: a fault"


def test_results_that_die_with_their_workers_before_they_are_fetched_are_made_anew():
    tasks = [NamedTask(name) for name in "abcd"]
    told = []

    def kill_once(outcome):
        told.append(outcome.name)
        if len(told) == 1:
            wait_until(lambda: all(future.status == "finished" for future in client.futures.values()))
            for pid in client.run(os.getpid).values():
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not any(future.status == "finished" for future in client.futures.values()))

    with connected(None, 2) as client:
        run_all(client, kill_if_poisoned, tasks, kill_once)

    assert sorted(told) == ["a", "b", "c", "d"]


def test_a_scheduler_that_goes_away_is_said_in_one_sentence():
    tasks = [NamedTask(str(number)) for number in range(200)]
    page = {"dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=None, **page) as cluster,
        pytest.raises(CommandError, match="was lost"),
        connected(cluster.scheduler_address, 1) as client,
    ):
        run_all(client, kill_if_poisoned, tasks, lambda outcome: cluster.close())


def test_workers_of_another_version_are_refused(address, monkeypatch):
    monkeypatch.setattr(cluster_module, "__version__", "0.0.1")

    with (
        pytest.raises(CommandError, match=f"have version {__version__} of this package: install 0.0.1"),
        connected(address, 1),
    ):
        pass


def test_workers_with_several_threads_give_what_one_gives(scans, tmp_path):
    page = {"dashboard_address": "127.0.0.1:0", "env": {"OMP_NUM_THREADS": "1"}}
    with LocalCluster(n_workers=1, threads_per_worker=4, memory_limit=None, **page) as cluster:
        done = run_here("batch", scans / "scan[01]*", tmp_path / "clean", "--scheduler", cluster.scheduler_address)
    assert done.status == 1
    assert "Denoised 18 of 20 scans" in done.out
    for name in ("scan00.nii.gz", "scan19.nii.gz"):
        assert run_here("denoise", scans / name, tmp_path / name, "--device", "cpu").status == 0
        np.testing.assert_array_equal(voxels(tmp_path / "clean" / name), voxels(tmp_path / name))
    assert_whole(tmp_path / "clean")


def test_workers_keep_the_memory_that_the_network_asks_for_again(monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)

    with connected(None, 1) as client:
        assert client.submit(os.environ.get, "MALLOC_TRIM_THRESHOLD_").result() is None
