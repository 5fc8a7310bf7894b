"""Denoising reaches for no network, and writes nothing but its output."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from shell import command, environment, head, write

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import Denoiser, DenoiseSettings

WATCH = """
import os, sys
LOG = os.environ["WATCH_LOG"]
def watch(event, arguments):
    if event.startswith("socket."):
        raise RuntimeError(f"The network was asked for: {event} {arguments}")
    if event == "open" and arguments[1] != "r":
        path, mode, flags = arguments
        if isinstance(path, (str, bytes)) and (mode or flags & (os.O_WRONLY | os.O_RDWR)):
            if not mode or set(mode) & set("wax+"):
                told(path)
    if event in ("os.mkdir", "os.link", "os.symlink"):
        told(arguments[0])
    if event == "os.rename":
        told(arguments[1])
def told(path):
    path = os.fsdecode(path)
    if path != LOG:
        descriptor = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, (os.path.abspath(path) + "\\n").encode())
        os.close(descriptor)
sys.addaudithook(watch)
"""
"""Put as sitecustomize.py on the path, it watches a process of Python from its first line on."""


@pytest.fixture
def no_sockets(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("The network was asked for.")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.fixture
def watched(tmp_path):
    """Run a command in an environment of its own; give its result and every path that it opened for writing."""
    for name in ("home", "temporary", "work", "watch"):
        (tmp_path / name).mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    log = tmp_path / "watch" / "log"

    def run(*arguments):
        base = environment()
        own = {
            "HOME": tmp_path / "home",
            "TMPDIR": tmp_path / "temporary",
            "WATCH_LOG": log,
            "PYTHONPATH": os.pathsep.join([str(tmp_path / "watch"), base["PYTHONPATH"]]),
        }
        kept = {name: text for name, text in base.items() if not name.startswith("XDG_")}
        done = subprocess.run(
            arguments,
            cwd=tmp_path / "work",
            env={**kept, **{name: str(value) for name, value in own.items()}},
            capture_output=True,
            text=True,
        )
        return done, log.read_text().splitlines() if log.exists() else []

    return run


def test_the_engine_opens_no_socket(no_sockets):
    denoiser = Denoiser("cpu")
    assert denoiser(head(), DenoiseSettings(iterations=2)).image.shape == head().shape


def test_the_module_opens_no_socket(no_sockets, add_volume):
    logic, volume = NeuralDiffusionLogic(), add_volume()
    output = logic.addOutputVolume(volume)
    logic.process(volume, output, None, DenoiseSettings(iterations=2))
    assert output.GetImageData() is not None
    logic.close()


def test_the_watch_sees_sockets_and_files(watched, tmp_path):
    done, _ = watched(sys.executable, "-c", "import socket; socket.socket()")
    assert "The network was asked for" in done.stderr
    done, written = watched(sys.executable, "-c", "open('a', 'w'); import tempfile; tempfile.mkdtemp()")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "work" / "a") in written
    assert any(path.startswith(str(tmp_path / "temporary")) for path in written)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_the_command_line_opens_no_socket_and_writes_nothing_but_its_output(watched, tmp_path, suffix):
    scan = write(tmp_path / "work" / f"scan{suffix}", head(np.int16))
    before = scan.read_bytes()
    done, written = watched(
        *command("denoise", scan.name, f"clean{suffix}", "--conduction", f"map{suffix}", "--device", "cpu")
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        f"{name}{suffix}" for name in ("scan", "clean", "map")
    }
    assert scan.read_bytes() == before
    assert list((tmp_path / "home").rglob("*")) == []
    assert list((tmp_path / "temporary").rglob("*")) == []
    outside = [path for path in written if not path.startswith((str(tmp_path / "work"), "/dev/"))]
    assert outside == []
