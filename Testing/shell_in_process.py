"""The command line within the process of the tests, for the many cases that need no process of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from unittest import mock

from NeuralDiffusionTraining.cli import main
from NeuralDiffusionTraining.files.image_files import Scan, read_scan


def run(*arguments: object) -> tuple[int, str, str]:
    """Run `denoise` on the CPU; give its exit status and what it wrote on standard output and standard error."""
    command = ["neural-diffusion", "denoise", "--device", "cpu", *map(str, arguments)]
    stop = signal.getsignal(signal.SIGTERM)
    with (
        mock.patch.object(sys, "argv", command),
        mock.patch.dict(os.environ, {"COLUMNS": "200"}),
        _caught(1, contextlib.redirect_stdout) as out,
        _caught(2, contextlib.redirect_stderr) as err,
    ):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), _text(out), _text(err)
        finally:
            signal.signal(signal.SIGTERM, stop)
    raise AssertionError("The command did not end.")


def denoise(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `denoise` as it is, as `shell.denoise` does in a process of its own; it must succeed."""
    status, told, said = run(*arguments)
    assert status == 0, said
    return subprocess.CompletedProcess(["denoise", *map(str, arguments)], status, told, said)


def denoised(scan: Path, output: Path, *options: object) -> Scan:
    """Run `denoise`, with one step unless it is told otherwise; it must succeed. Give what it wrote."""
    status, _, said = run(scan, output, *(() if "--iterations" in options else ("--iterations", "1")), *options)
    assert status == 0, said
    return read_scan(output)


def refused(scan: Path, output: Path, *options: object) -> str:
    """Run `denoise`, which must end with status 2, one sentence and no file in the place of the output."""
    before = output.read_bytes() if output.is_file() else None
    said = sentence(scan, output, *options)
    assert (output.read_bytes() if output.is_file() else None) == before
    assert not list(output.parent.glob(".unfinished-*"))
    return said


def sentence(*arguments: object) -> str:
    """Run `denoise`, which must end with status 2 and one sentence; give the sentence."""
    status, told, said = run(*arguments)
    assert (status, told) == (2, ""), said
    assert said.endswith((".\n", "?\n")), said
    assert said.count("\n") == 1, said
    return said.removesuffix("\n")


@contextlib.contextmanager
def _caught(descriptor: int, redirect: type) -> Iterator[IO[str]]:
    """What is written to a descriptor, also by libraries in C++ that know nothing of `sys`."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        kept = os.dup(descriptor)
        os.dup2(file.fileno(), descriptor)
        try:
            with redirect(file):
                yield file
        finally:
            file.flush()
            os.dup2(kept, descriptor)
            os.close(kept)


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
