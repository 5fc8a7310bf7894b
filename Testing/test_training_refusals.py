"""What `train` cannot learn from or with is refused in one sentence."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import lightning as L
import pytest
import torch
from batch_runs import run_here
from shell import command, environment
from training_slices import make_slices

from NeuralDiffusionLib.engine.weights import save_weights
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork
from NeuralDiffusionTraining.data.splits import read_split, write_splits
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.training import run as run_module
from NeuralDiffusionTraining.training.config import TrainingConfig
from NeuralDiffusionTraining.training.divergence import DivergenceStop
from NeuralDiffusionTraining.training.run import RunSite, run_training


@pytest.fixture(scope="module")
def split(tmp_path_factory) -> Path:
    return make_slices(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_split_with_an_empty_part_is_refused(tmp_path, part):
    split = read_split(make_slices(tmp_path / "data", count=7))
    kept = split.test + getattr(split, part)
    write_splits([replace(split, name="lacking", test=kept, **{part: ()})], tmp_path)

    done = run_here("train", "--data", tmp_path / "data", "--split", tmp_path / "lacking.json",
                    "--output", tmp_path / "run", "--device", "cpu")  # fmt: skip

    assert (done.status, done.out) == (2, "")
    assert done.err == f"Split '{tmp_path / 'lacking.json'}' has no {part} slices: choose another.\n"
    assert not (tmp_path / "run").exists()


def test_a_run_whose_weights_are_no_numbers_any_more_ends():
    module = L.LightningModule()
    module.weight = torch.nn.Parameter(torch.ones(3))
    stop, trainer = DivergenceStop(), L.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    stop.on_train_batch_end(trainer, module, None, None, 0)
    module.weight.data[1] = torch.nan
    with pytest.raises(CommandError, match=r"diverged, .*: choose a smaller learning rate\."):
        stop.on_train_batch_end(trainer, module, None, None, 0)


def test_a_network_of_batch_statistics_is_not_spread_over_processes_that_cannot_share_them(split, tmp_path):
    config = TrainingConfig(network="dncnn", split=str(split), batch_size=4)
    with pytest.raises(CommandError, match=r"'dncnn' normalises over the whole batch.*: train it in one process\."):
        run_training(config, RunSite(split.parent, tmp_path / "run", "cpu", devices=2))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("cuda", r"^4 devices were asked for, but only 2 of type 'cuda' are available: give --devices 2\.$"),
        ("cuda:1", r"^Device 'cuda:1' is one of several, and 4 are asked for: give --device cuda, or --devices 1\.$"),
    ],
)
def test_more_cards_than_there_are_are_refused(split, tmp_path, monkeypatch, device, words):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(CommandError, match=words):
        run_training(TrainingConfig(split=str(split)), RunSite(split.parent, tmp_path / "run", device, devices=4))
    assert not (tmp_path / "run").exists()


ADDRESS = {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "0"}


@pytest.mark.parametrize(
    ("given", "missing"),
    [((), "s MASTER_ADDR, MASTER_PORT, NODE_RANK"), (("MASTER_ADDR", "MASTER_PORT"), " NODE_RANK")],
    ids=["none", "but the number"],
)
def test_machines_that_would_wait_for_each_other_for_ever_are_refused(split, tmp_path, monkeypatch, given, missing):
    for name, value in ADDRESS.items():
        monkeypatch.setenv(name, value) if name in given else monkeypatch.delenv(name, raising=False)
    words = rf"^2 machines cannot find each other without the environment variable{missing}: set .* SLURM's srun\.$"
    with pytest.raises(CommandError, match=words):
        run_training(TrainingConfig(split=str(split)), RunSite(split.parent, tmp_path / "run", "cpu", nodes=2))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "told", [ADDRESS, {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1"}], ids=["by hand", "SLURM"]
)
def test_machines_that_are_told_of_each_other_are_not_refused(tmp_path, monkeypatch, told):
    for name in (*ADDRESS, "SLURM_JOB_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    run_module._check_machines(RunSite(tmp_path, tmp_path, "cpu", nodes=2))


def test_a_file_of_weights_is_no_checkpoint_to_start_from(split, tmp_path):
    save_weights(tmp_path / "mine.pt", NeuralDiffusionNetwork(), {})
    done = run_here("train", "--data", split.parent, "--split", split, "--output", tmp_path / "run",
                    "--init", tmp_path / "mine.pt", "--device", "cpu")  # fmt: skip
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"'{tmp_path / 'mine.pt'}' is no checkpoint, but a file of weights that was exported: give a checkpoint that "
        "'neural-diffusion train' wrote, such as best.ckpt, or this file to a command that has --weights.\n"
    )
    assert not (tmp_path / "run").exists()


def test_ctrl_c_ends_the_command_as_cancelled(split, tmp_path):
    output = tmp_path / "run"
    process = subprocess.Popen(
        command("train", "--data", split.parent, "--split", split, "--output", output, "--config", "smoke",
                "--epochs", 1000, "--device", "cpu"),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    while not (output / "last.ckpt").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "Cancelled."
    assert "Traceback" not in err


def test_weights_of_a_package_within_a_strangers_repository_do_not_name_its_commit(tmp_path, monkeypatch):
    for arguments in (
        ["init", "-q"],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "a"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    installed = tmp_path / "run.py"
    installed.write_text("")
    monkeypatch.setattr(run_module, "__file__", str(installed))
    assert run_module._commit() == "unknown"
    subprocess.run(["git", "add", "run.py"], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
    # Of a tree with changes they are not the commit's alone.
    assert run_module._commit() == f"{head.stdout.strip()}-dirty"
