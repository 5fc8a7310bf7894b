"""Training in several processes, and in one that is killed: the same weights as of an unbroken run in one."""

from __future__ import annotations

import signal
import socket
import subprocess

import numpy as np
import pandas as pd
import pytest
from batch_runs import run_here
from killed_training import killed_run
from shell import command, environment, run
from small_runs import arguments, assert_same_weights

from NeuralDiffusionTraining.files.folder_lock import alone_in

pytest_plugins = ("small_disk", "small_run_fixtures")


@pytest.mark.parametrize(("moment", "number"), [("write", 1), ("write", 2), ("write", 4), ("step", 3)])
def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(data, tmp_path, whole_run, moment, number):
    output = tmp_path / "run"
    assert killed_run(moment, number, arguments(data, output, "epochs=3")) == -signal.SIGKILL
    assert len(list(output.glob(".unfinished-*"))) == (moment == "write")
    assert ((output / "best.ckpt").exists(), (output / "last.ckpt").exists()) == (number > 1, number > 2)
    resumed = run_here(*arguments(data, output, "epochs=3"))
    assert resumed.status == 0, resumed.err
    for name in ("last.ckpt", "best.ckpt"):
        assert_same_weights(whole_run, output, name=name)
    pd.testing.assert_frame_equal(pd.read_csv(output / "curves.csv"), pd.read_csv(whole_run / "curves.csv"))
    assert not list(output.glob(".unfinished-*"))


def test_two_processes_take_the_steps_of_one_with_the_same_total_batch(data, tmp_path, whole_run):
    output = tmp_path / "run"
    shared = run(*arguments(data, output, "epochs=3"), "--devices", 2, "--num-nodes", 1)
    assert shared.returncode == 0, shared.stderr
    assert "Warning" not in shared.stderr
    one, two = (pd.read_csv(folder / "curves.csv") for folder in (whole_run, output))
    np.testing.assert_allclose(two["loss"], one["loss"], rtol=1e-3)
    np.testing.assert_allclose(two["psnr"], one["psnr"], atol=0.02)
    assert_same_weights(whole_run, output, tolerance=2e-3)


def test_two_machines_take_the_steps_of_one_in_one_folder(data, tmp_path, whole_run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    machines = [
        subprocess.Popen(
            command(*arguments(data, tmp_path / "run", "epochs=3"), "--num-nodes", 2),
            env=environment() | address | {"NODE_RANK": str(number)},
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for number in (0, 1)
    ]
    try:
        said = [machine.communicate(timeout=180)[1] for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert [machine.returncode for machine in machines] == [0, 0], said
    assert_same_weights(whole_run, tmp_path / "run", tolerance=2e-3)


def test_a_second_run_into_the_same_folder_is_refused(data, tmp_path):
    with alone_in(tmp_path, print):
        before = sorted(tmp_path.rglob("*"))
        refusal = run(*arguments(data, tmp_path, "epochs=1"))
        assert sorted(tmp_path.rglob("*")) == before
    assert (refusal.returncode, refusal.stdout) == (2, "")
    assert refusal.stderr == (
        f"Another run is writing into {tmp_path}: wait until it has ended, or choose another folder.\n"
    )


def test_a_full_disk_ends_a_run_with_one_sentence_and_no_half_of_a_checkpoint(data, small_disk):
    done = run(*arguments(data, small_disk / "run", "epochs=1"))
    assert done.returncode == 2, done.stderr
    assert "No space left on device" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    left = [path.name for path in (small_disk / "run").rglob("*")]
    assert not [name for name in left if name.endswith(".ckpt") or name.startswith(".unfinished")]
