"""Pipes in the place of files: refused in one sentence, as a reader would wait for ever for somebody to write."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import test_command_line_module as module
from shell import ROOT, write
from shell_in_process import refused
from typer.testing import CliRunner

from NeuralDiffusionLib import Denoiser, WeightsError
from NeuralDiffusionLib.image_headers import files_of, is_sound
from NeuralDiffusionTraining.cli import app
from NeuralDiffusionTraining.files.command_error import CommandError

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders.")


@pytest.fixture(autouse=True)
def patience():
    """Without the refusal a test would hang."""

    def end(*_):
        raise AssertionError("The pipe was waited for.")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.nrrd", "scan.mha", "scan.hdr", "scan.tif", "scan"])
def test_a_scan_that_is_a_pipe_is_refused(tmp_path, name):
    scan = pipe(tmp_path / name)
    said = refused(scan, tmp_path / "clean.nrrd")
    assert said == f"{scan} is no file but a pipe or a device: name a file."


@pytest.mark.parametrize("name", ["scan.nii", "scan"])
def test_the_command_line_module_refuses_a_pipe(tmp_path, name):
    pipe(tmp_path / name)
    said = module.refused(tmp_path, name, "clean.nrrd")
    assert said == f"{name} is no file but a pipe or a device: name a file.\n"


def test_weights_that_are_a_pipe_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot be read \(it is no file but a pipe or a device\): name a file"):
        Denoiser("cpu", weights=pipe(tmp_path / "weights.pt"))
    said = refused(write(tmp_path / "scan.nrrd"), tmp_path / "clean.nrrd", "--weights", tmp_path / "weights.pt")
    assert "no file but a pipe" in said


@pytest.mark.parametrize(
    "command",
    [
        ("adapt", "PIPE", "--output", "weights.pt"),
        ("evaluate-volumes", "PIPE", "--device", "cpu"),
        ("report", str(ROOT / "Resources" / "Results"), "report.html", "--example", "PIPE"),
        ("export", "PIPE", "weights.pt"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_reads_a_file_refuses_a_pipe(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    pipe(tmp_path / "scan.nii")
    done = CliRunner().invoke(app, [("scan.nii" if word == "PIPE" else word) for word in command])
    assert isinstance(done.exception, CommandError)
    assert "is no file but a pipe or a device" in str(done.exception)
    assert os.listdir(tmp_path) == ["scan.nii"]


def test_a_pipe_beside_the_half_of_a_pair_is_not_waited_for(tmp_path):
    pipe(tmp_path / "scan.hdr")
    (tmp_path / "scan.img").write_bytes(bytes(200))
    for look in (is_sound, files_of):
        with pytest.raises(OSError, match="pipe"):
            look(tmp_path / "scan.hdr")
    with pytest.raises(OSError, match="pipe"):
        is_sound(tmp_path / "scan.img")
