"""What the tests of `neural-diffusion batch` share: small scans, the command in this process, work that kills."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import nibabel as nib
import numpy as np
from shell import head

from NeuralDiffusionTraining.cli import main
from NeuralDiffusionTraining.cohort.outcome import Outcome

SHAPE = (4, 32, 32)


def write_scan(path: Path, number: int = 0) -> Path:
    """A small scan, for each number another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.roll(head(np.int16, SHAPE), number, axis=2)
    nib.save(nib.Nifti1Image(voxels.T, np.diag([0.9, 0.9, 3.0, 1.0])), path)
    return path


def voxels(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def record(sidecar: Path) -> dict[str, Any]:
    """What a sidecar tells of the run."""
    return json.loads(sidecar.read_text(encoding="utf-8"))["NeuralDiffusion"]


@dataclass
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


def run_here(*arguments: object) -> Done:
    """Run a command in this process, as a shell would."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    argv = ["neural-diffusion", *map(str, arguments)]
    try:
        with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        return Done(int(end.code or 0), out.getvalue(), err.getvalue())
    finally:
        signal.signal(signal.SIGTERM, handler)
    raise AssertionError("the command did not exit")


@dataclass(frozen=True)
class NamedTask:
    """A task that is nothing but its name."""

    name: str


def die() -> None:
    """End this process without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_if_poisoned(task: NamedTask) -> Outcome:
    """End the worker's process without a word, as the system does where memory runs out."""
    if task.name == "poisoned":
        die()
    if task.name == "faulty":
        raise RuntimeError("a fault")
    return Outcome(task.name, "denoised")
