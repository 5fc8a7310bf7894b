"""A training run in a process that is killed at a chosen moment: when it writes a checkpoint, or within a step."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from unittest import mock

_SLOW_IMPORTS = ("lightning.pytorch", "matplotlib.figure", "pandas", "skimage", "sklearn.model_selection")
"""What training needs of others: each run is a fork of one process that has imported them."""


def killed_run(moment: str, number: int, arguments: list[str]) -> int | None:
    """Run a command until it is killed, and give its exit status.

    Parameters
    ----------
    moment
        "write": when it writes a checkpoint for the `number`-th time, all of it written, but not in its place.
        "step": in the step after so many.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_SLOW_IMPORTS))
    process = context.Process(target=_run, args=(moment, number, arguments))
    process.start()
    process.join()
    return process.exitcode


def _run(moment: str, number: int, arguments: list[str]) -> None:
    from NeuralDiffusionLib import whole_files
    from NeuralDiffusionTraining.cli import main
    from NeuralDiffusionTraining.training.denoising_task import DenoisingTask

    if moment == "write":
        whole_files._flush_to_disk = _killed_in_write(whole_files._flush_to_disk, number)
    else:
        DenoisingTask.training_step = _killed_in_step(DenoisingTask.training_step, number)
    with mock.patch("sys.argv", ["neural-diffusion", *arguments]):
        main()


def _killed_in_write(flush: Callable[[Path], None], number: int) -> Callable[[Path], None]:
    left = number

    def killed(path: Path) -> None:
        nonlocal left
        left -= path.suffix == ".ckpt"
        return flush(path) if left else _die()

    return killed


def _killed_in_step(step: Callable, number: int) -> Callable:
    return lambda task, *batch: _die() if task.global_step == number else step(task, *batch)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
