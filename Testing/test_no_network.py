"""Denoising reaches for no network, and writes nothing but its output."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from shell import ROOT, command, environment, head, write

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import Denoiser, DenoiseSettings

WATCH = """
import os, sys
LOG = os.environ["WATCH_LOG"]
def watch(event, arguments):
    local = {"127.0.0.1", "::1"} & {part for one in arguments for part in (one if isinstance(one, tuple) else [one])
                                    if isinstance(part, str)} or event == "socket.__new__"
    if event.startswith("socket.") and not (local and "WATCH_LOCAL" in os.environ):
        # Whoever asked may catch the error.
        note(f"network: {event}")
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
        note(os.path.abspath(path))
def note(line):
    descriptor = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (line + "\\n").encode())
    os.close(descriptor)
sys.addaudithook(watch)
"""
"""Put as sitecustomize.py on the path, it watches a process of Python from its first line on, and its children."""

IN_A_SCENE = """
import sys
from pathlib import Path
import slicer, slicer_host
slicer_host.install()
from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.mrml.nodes.volume_files import read_volume_file
logic, settings = NeuralDiffusionLogic(), DenoiseSettings(iterations=1)
volume = read_volume_file(Path("scans/scan.nrrd"), slicer.mrmlScene)
output, conduction = (logic.addOutputVolume(volume) for _ in range(2))
logic.process(volume, output, conduction, settings, device="cpu")
assert output.GetImageData() is not None
logic.denoiseAll("scans", "clean", settings=settings, device="cpu")
"""


@pytest.fixture
def no_sockets(monkeypatch):
    asked = []

    def refuse(*arguments, **_):
        # Whoever asked may catch the error.
        asked.append(arguments)
        raise AssertionError("The network was asked for.")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    yield
    assert asked == []


@pytest.fixture
def watched(tmp_path):
    """Run a command in an environment of its own; give its result, and every path that it opened for writing and every
    time that it asked for the network."""
    for name in ("home", "temporary", "work", "watch"):
        (tmp_path / name).mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    log = tmp_path / "watch" / "log"

    def run(*arguments, **variables):
        base = environment()
        own = {
            "HOME": tmp_path / "home",
            "TMPDIR": tmp_path / "temporary",
            "WATCH_LOG": log,
            "PYTHONPATH": os.pathsep.join([str(tmp_path / "watch"), str(ROOT / "Testing"), base["PYTHONPATH"]]),
        }
        kept = {name: text for name, text in base.items() if not name.startswith("XDG_")}
        done = subprocess.run(
            arguments,
            cwd=tmp_path / "work",
            env={**kept, **{name: str(value) for name, value in {**own, **variables}.items()}},
            capture_output=True,
            text=True,
        )
        return done, log.read_text().splitlines() if log.exists() else []

    return run


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


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
    quiet = "import contextlib, socket\nwith contextlib.suppress(Exception): socket.getaddrinfo('192.0.2.1', 80)"
    done, written = watched(sys.executable, "-c", quiet)
    assert (done.returncode, written[-1]) == (0, "network: socket.getaddrinfo")
    far = "import socket; socket.socket(); socket.getaddrinfo('192.0.2.1', 80)"
    done, _ = watched(sys.executable, "-c", far, WATCH_LOCAL=1)
    assert "The network was asked for: socket.getaddrinfo" in done.stderr
    done, written = watched(sys.executable, "-c", "open('a', 'w'); import tempfile; tempfile.mkdtemp()")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "work" / "a") in written
    assert any(path.startswith(str(tmp_path / "temporary")) for path in written)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_the_command_line_asks_for_no_network_and_writes_nothing_but_its_output(watched, tmp_path, suffix):
    scan = write(tmp_path / "work" / f"scan{suffix}", head(np.int16))
    before = scan.read_bytes()
    arguments = ("denoise", scan.name, f"clean{suffix}", "--conduction", f"map{suffix}", "--device", "cpu")
    # Where pydicom is installed nibabel loads it, and with it urllib3, which looks whether the computer has IPv6.
    done, written = watched(*command(*arguments), WATCH_LOCAL=1)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        f"{name}{suffix}" for name in ("scan", "clean", "map")
    }
    assert scan.read_bytes() == before
    assert list((tmp_path / "home").rglob("*")) == []
    assert list((tmp_path / "temporary").rglob("*")) == []
    outside = [path for path in written if not path.startswith((str(tmp_path / "work"), "/dev/"))]
    assert outside == []


def test_the_module_opens_no_socket_and_writes_nothing_but_its_output(watched, tmp_path):
    (tmp_path / "work" / "scans").mkdir()
    write(tmp_path / "work" / "scans" / "scan.nrrd", head(np.int16))
    done, written = watched(sys.executable, "-c", IN_A_SCENE)
    assert done.returncode == 0, done.stderr
    found = {
        str(path.relative_to(tmp_path)) for name in ("home", "temporary", "work") for path in files(tmp_path / name)
    }
    assert found == {"work/scans/scan.nrrd", "work/clean/scan.nrrd"}
    assert [path for path in written if not path.startswith((str(tmp_path / "work" / "clean"), "/dev/"))] == []


def test_a_batch_talks_to_this_computer_alone_and_leaves_nothing_but_its_output(watched, tmp_path):
    (tmp_path / "work" / "scans").mkdir()
    write(tmp_path / "work" / "scans" / "scan.nii.gz", head(np.int16))
    done, written = watched(*command("batch", "scans/*", "clean", "--workers", 1, "--device", "cpu"), WATCH_LOCAL=1)
    assert done.returncode == 0, done.stderr
    found = {
        str(path.relative_to(tmp_path)) for name in ("home", "temporary", "work") for path in files(tmp_path / name)
    }
    assert found == {"work/scans/scan.nii.gz", "work/clean/scan.nii.gz", "work/clean/scan.json"}
    allowed = (str(tmp_path / "work" / "clean"), str(tmp_path / "temporary"), "/dev/")
    assert [path for path in written if not path.startswith(allowed)] == []
    assert list((tmp_path / "temporary").iterdir()) == []
