"""The trainer on a handful of generated slices: it learns, survives a kill, and shares its work out."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from shell import command, environment, rest, run
from training_slices import make_slices

from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.folder_lock import alone_in
from NeuralDiffusionTraining.networks.checkpoints import load_trained
from NeuralDiffusionTraining.training.config import parse_settings, read_config
from NeuralDiffusionTraining.training.denoising_task import DenoisingTask
from NeuralDiffusionTraining.training.run import RunSite, run_training

pytest_plugins = ("small_disk",)

SMALL = (
    "limit=8",
    "batch_size=4",
    "precision=32-true",
    "validate_every=1",
    "sampling.crop=32",
    "sampling.iterations=2",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_slices(folder)
    return folder


def arguments(data: Path, output: Path, *more: str) -> list[str]:
    settings = [word for setting in (*SMALL, *more) for word in ("--set", setting)]
    return [
        "train", "--data", str(data), "--split", str(data / "original.json"), "--output", str(output),
        "--device", "cpu", *settings,
    ]  # fmt: skip


def weights_of(folder: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    return torch.load(folder / name, weights_only=True)["state_dict"]


def assert_same_weights(one: Path, other: Path, tolerance: float = 0.0, name: str = "last.ckpt") -> None:
    first, second = weights_of(one, name), weights_of(other, name)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, atol=tolerance, rtol=0)


@pytest.fixture(scope="module")
def whole_run(data, tmp_path_factory) -> Path:
    """A run of three epochs that nobody disturbs."""
    output = tmp_path_factory.mktemp("whole") / "run"
    done = run(*arguments(data, output, "epochs=3"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"The best weights are in {output / 'best.ckpt'}."
    return output


KILLED = """
import os, signal, sys
from NeuralDiffusionLib import whole_files
from NeuralDiffusionTraining.cli import main
from NeuralDiffusionTraining.training.denoising_task import DenoisingTask
flush, step = whole_files._flush_to_disk, DenoisingTask.training_step
moment, left = sys.argv.pop(1), int(sys.argv.pop(1))
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def killed_in_write(path):
    global left
    left -= path.suffix == ".ckpt"
    return flush(path) if left else die()
def killed_in_step(task, *batch):
    return die() if task.global_step == left else step(task, *batch)
if moment == "write":
    whole_files._flush_to_disk = killed_in_write
else:
    DenoisingTask.training_step = killed_in_step
main()
"""
"""The command line, killed when it writes a checkpoint for the n-th time: all is written then, but not in its place. Or
killed in its n-th step."""


@pytest.mark.parametrize(("moment", "number"), [("write", 1), ("write", 2), ("write", 4), ("step", 3)])
def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(data, tmp_path, whole_run, moment, number):
    output = tmp_path / "run"
    program = [sys.executable, "-c", KILLED, moment, str(number), *arguments(data, output, "epochs=3")]
    killed = subprocess.run(program, env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(output.glob(".unfinished-*"))) == (moment == "write")
    assert ((output / "best.ckpt").exists(), (output / "last.ckpt").exists()) == (number > 1, number > 2)
    resumed = run(*arguments(data, output, "epochs=3"))
    assert resumed.returncode == 0, resumed.stderr
    for name in ("last.ckpt", "best.ckpt"):
        assert_same_weights(whole_run, output, name=name)
    pd.testing.assert_frame_equal(pd.read_csv(output / "curves.csv"), pd.read_csv(whole_run / "curves.csv"))
    assert not list(output.glob(".unfinished-*"))


def test_one_bar_shows_loss_psnr_and_time_left_on_a_terminal(data, tmp_path):
    terminal, process_side = pty.openpty()
    process = subprocess.Popen(
        command(*arguments(data, tmp_path / "run", "epochs=2")),
        env={**environment(), "TERM": "xterm"},
        stderr=process_side,
        stdout=subprocess.DEVNULL,
    )
    os.close(process_side)
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", rest(terminal).decode())
    assert process.wait() == 0, shown
    assert re.search(r"Epoch 2 of 2 ━+ 4/4 loss \d\.\d{3}  PSNR \d+\.\d\d dB time left \d:\d\d:\d\d", shown), shown


def test_a_full_disk_ends_a_run_with_one_sentence_and_no_half_of_a_checkpoint(data, small_disk):
    done = run(*arguments(data, small_disk / "run", "epochs=1"))
    assert done.returncode == 2, done.stderr
    assert "No space left on device" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    left = [path.name for path in (small_disk / "run").rglob("*")]
    assert not [name for name in left if name.endswith(".ckpt") or name.startswith(".unfinished")]


def test_the_default_batch_needs_less_than_four_gigabytes(data, tmp_path):
    more = ["--data", data, "--split", data / "original.json", "--output", tmp_path / "run", "--device", "cpu"]
    process = subprocess.Popen(command("train", *more, "--epochs", 1), env=environment())
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    # Linux counts in kB.
    assert used.ru_maxrss < 4 * 2**20


def test_pictures_that_are_missing_or_broken_are_named_before_a_run_begins(data, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    broken = folder / "yes" / "yes3.jpg"
    broken.write_bytes(broken.read_bytes()[:500])
    split = ("--split", data / "original.json", "--set", "limit=0")
    refusal = run(*arguments(folder, tmp_path / "run"), *split)
    assert (refusal.returncode, len(refusal.stderr.strip().splitlines())) == (2, 1)
    assert f"Picture '{broken}' cannot be read" in refusal.stderr
    shutil.rmtree(folder / "no")
    refusal = run(*arguments(folder, tmp_path / "run"), *split)
    assert (refusal.returncode, len(refusal.stderr.strip().splitlines())) == (2, 1)
    assert f"Data folder '{folder}' lacks" in refusal.stderr
    assert not (tmp_path / "run").exists()


def test_two_processes_take_the_steps_of_one_with_the_same_total_batch(data, tmp_path, whole_run):
    output = tmp_path / "run"
    shared = run(*arguments(data, output, "epochs=3"), "--devices", 2, "--num-nodes", 1)
    assert shared.returncode == 0, shared.stderr
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


def test_a_run_leaves_curves_as_table_picture_and_for_tensorboard(whole_run):
    curves = pd.read_csv(whole_run / "curves.csv")
    assert curves["step"].is_monotonic_increasing
    assert {"loss", "psnr", "psnr_rician", "psnr_rician_diffusion"} <= set(curves.columns)
    assert (whole_run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((whole_run / "tensorboard").glob("events.out.tfevents.*"))


def test_going_on_with_other_options_is_refused_and_changes_nothing(data, whole_run):
    before = weights_of(whole_run)
    refusal = run(*arguments(data, whole_run, "epochs=3", "loss.psnr=0"))
    assert refusal.returncode == 2
    assert "loss.psnr 0.6, not 0.0" in refusal.stderr
    assert len(refusal.stderr.strip().splitlines()) == 1
    assert all(torch.equal(before[name], tensor) for name, tensor in weights_of(whole_run).items())


def test_a_run_may_start_from_the_weights_of_another(data, tmp_path, whole_run):
    config = read_config(None, {**parse_settings([*SMALL]), "epochs": 1, "split": str(data / "original.json"),
                                "optimiser.learning_rate": 1e-12, "optimiser.kernel_rate": 1e-12})  # fmt: skip
    run_training(config, RunSite(data, tmp_path, "cpu", start=whole_run / "last.ckpt"))
    assert_same_weights(whole_run, tmp_path, tolerance=1e-6)
    assert "epochs=3" in load_trained(tmp_path / "last.ckpt").provenance["started_from"]


def test_a_run_that_goes_on_keeps_what_was_known_when_it_began(data, tmp_path, whole_run, monkeypatch):
    config = read_config(None, {**parse_settings([*SMALL]), "epochs": 2, "split": str(data / "original.json")})

    def stop(task: DenoisingTask) -> None:
        if task.current_epoch:
            raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(DenoisingTask, "on_train_epoch_start", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            run_training(config, RunSite(data, tmp_path, "cpu", start=whole_run / "last.ckpt"))
    begun = load_trained(tmp_path / "last.ckpt").made
    assert "started_from" in begun
    # Gone on without --init, and with another version of the program.
    monkeypatch.setattr("NeuralDiffusionTraining.training.run._commit", lambda: "another")
    run_training(config, RunSite(data, tmp_path, "cpu"))
    ended = load_trained(tmp_path / "last.ckpt")
    assert (ended.made, ended.done["epochs_done"]) == (begun, "2")


def test_weights_name_the_collection_that_they_learned_from(data, whole_run):
    made = load_trained(whole_run / "best.ckpt").provenance
    assert made["data"] == f"slices of '{data.name}', own original split, training part, first 8"


def test_a_network_that_is_never_told_the_noise_type_is_measured_on_all_of_them(data, tmp_path):
    settings = {**parse_settings([*SMALL]), "epochs": 1, "sampling.setting_weights": [0, 0, 0, 1]}
    run_training(read_config(None, {**settings, "split": str(data / "original.json")}), RunSite(data, tmp_path, "cpu"))
    assert {"psnr", "psnr_gaussian", "psnr_rician", "psnr_speckle"} <= set(pd.read_csv(tmp_path / "curves.csv").columns)


def test_a_batch_that_cannot_be_shared_out_is_refused(data, tmp_path):
    config = read_config(None, {"batch_size": 3, "split": str(data / "original.json")})
    with pytest.raises(CommandError, match="multiple of 2"):
        run_training(config, RunSite(data, tmp_path / "run", "cpu", devices=2))
    assert not (tmp_path / "run").exists()


def test_a_single_slice_is_enough_to_train(data, tmp_path):
    config = read_config(
        None,
        {**parse_settings([*SMALL]), "epochs": 1, "limit": 1, "split": str(data / "original.json")},
    )
    assert run_training(config, RunSite(data, tmp_path, "cpu")).exists()


def test_a_run_starts_from_a_checkpoint_of_an_older_network_and_says_what_it_lacks(data, tmp_path, whole_run):
    older = torch.load(whole_run / "best.ckpt", weights_only=True)
    added = [name for name in older["state_dict"] if name.startswith("network.guidance.context.")]
    for name in added:
        del older["state_dict"][name]
    torch.save(older, tmp_path / "older.ckpt")
    done = run(*arguments(data, tmp_path / "run", "epochs=1"), "--init", str(tmp_path / "older.ckpt"))
    assert done.returncode == 0, done.stderr
    assert "older.ckpt' lacks guidance.context: starting that with fresh weights." in done.stderr
    # To be measured or exported it is not complete.
    with pytest.raises(CommandError, match=r"older\.ckpt' is of an older network, without guidance\.context"):
        load_trained(tmp_path / "older.ckpt")


def test_a_run_does_not_start_from_a_checkpoint_with_half_a_part(data, tmp_path, whole_run):
    damaged = torch.load(whole_run / "best.ckpt", weights_only=True)
    del damaged["state_dict"]["network.guidance.context.smallest.0.first.weight"]
    del damaged["state_dict"]["network.step_logits"]
    torch.save(damaged, tmp_path / "damaged.ckpt")
    refusal = run(*arguments(data, tmp_path / "run", "epochs=1"), "--init", str(tmp_path / "damaged.ckpt"))
    assert refusal.returncode == 2
    assert "damaged.ckpt' was not written by this version's train command" in refusal.stderr


@pytest.mark.parametrize("damage", [lambda file: file[: len(file) // 2], lambda file: file.replace(b"PK", b"KP")])
def test_a_damaged_checkpoint_is_refused(tmp_path, whole_run, damage):
    checkpoint = tmp_path / "cut.ckpt"
    checkpoint.write_bytes(damage((whole_run / "best.ckpt").read_bytes()))
    with pytest.raises(CommandError, match=r"cut\.ckpt' is damaged: give another one of that run, or train again\.$"):
        load_trained(checkpoint)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--device", "tpu7"], "tpu7"),
        (["--device", "cuda:7"], "cuda"),
        (["--precision", "7-bit"], "7-bit"),
        (["--epochs", "0"], "epochs"),
        (["--set", "clip"], "'clip'"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--init", "nowhere.ckpt"], "nowhere.ckpt"),
        (["--network", "transformer"], "transformer"),
    ],
)
def test_bad_input_ends_with_status_two_and_one_sentence(data, tmp_path, more, words):
    refusal = run(*arguments(data, tmp_path / "output"), *more)
    assert refusal.returncode == 2, refusal.stderr
    assert words in refusal.stderr
    assert len(refusal.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "output").exists()
