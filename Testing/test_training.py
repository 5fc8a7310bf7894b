"""The trainer on a handful of generated slices: what it writes and says, and what it goes on from."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess

import pandas as pd
import pytest
import torch
from batch_runs import run_here
from shell import command, environment, rest
from small_runs import SMALL, arguments, assert_same_weights, weights_of

from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.networks.checkpoints import load_trained
from NeuralDiffusionTraining.training.config import parse_settings, read_config
from NeuralDiffusionTraining.training.denoising_task import DenoisingTask
from NeuralDiffusionTraining.training.run import RunSite, run_training

pytest_plugins = ("small_run_fixtures",)


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
    refusal = run_here(*arguments(folder, tmp_path / "run"), *split)
    assert (refusal.status, len(refusal.err.strip().splitlines())) == (2, 1)
    assert f"Picture '{broken}' cannot be read" in refusal.err
    shutil.rmtree(folder / "no")
    refusal = run_here(*arguments(folder, tmp_path / "run"), *split)
    assert (refusal.status, len(refusal.err.strip().splitlines())) == (2, 1)
    assert f"Data folder '{folder}' lacks" in refusal.err
    assert not (tmp_path / "run").exists()


def test_a_run_leaves_curves_as_table_picture_and_for_tensorboard(whole_run):
    curves = pd.read_csv(whole_run / "curves.csv")
    assert curves["step"].is_monotonic_increasing
    assert {"loss", "psnr", "psnr_rician", "psnr_rician_diffusion"} <= set(curves.columns)
    assert (whole_run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((whole_run / "tensorboard").glob("events.out.tfevents.*"))


def test_going_on_with_other_options_is_refused_and_changes_nothing(data, whole_run):
    before = weights_of(whole_run)
    refusal = run_here(*arguments(data, whole_run, "epochs=3", "loss.psnr=0"))
    assert refusal.status == 2
    assert "loss.psnr 0.6, not 0.0" in refusal.err
    assert len(refusal.err.strip().splitlines()) == 1
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
    done = run_here(*arguments(data, tmp_path / "run", "epochs=1"), "--init", str(tmp_path / "older.ckpt"))
    assert done.status == 0, done.err
    assert "older.ckpt' lacks guidance.context: starting that with fresh weights." in done.err
    # To be measured or exported it is not complete.
    with pytest.raises(CommandError, match=r"older\.ckpt' is of an older network, without guidance\.context"):
        load_trained(tmp_path / "older.ckpt")


def test_a_run_does_not_start_from_a_checkpoint_with_half_a_part(data, tmp_path, whole_run):
    damaged = torch.load(whole_run / "best.ckpt", weights_only=True)
    del damaged["state_dict"]["network.guidance.context.smallest.0.first.weight"]
    del damaged["state_dict"]["network.step_logits"]
    torch.save(damaged, tmp_path / "damaged.ckpt")
    refusal = run_here(*arguments(data, tmp_path / "run", "epochs=1"), "--init", str(tmp_path / "damaged.ckpt"))
    assert refusal.status == 2
    assert "damaged.ckpt' was not written by this version's train command" in refusal.err


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
    refusal = run_here(*arguments(data, tmp_path / "output"), *more)
    assert refusal.status == 2, refusal.err
    assert words in refusal.err
    assert len(refusal.err.strip().splitlines()) == 1
    assert not (tmp_path / "output").exists()
