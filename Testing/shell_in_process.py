"""The command line within the process of the tests, for the many cases that need no process of their own."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from pathlib import Path
from unittest import mock

from NeuralDiffusionTraining.cli import main
from NeuralDiffusionTraining.files.image_files import Scan, read_scan


def run(*arguments: object) -> tuple[int, str, str]:
    """Run `denoise` on the CPU; give its exit status and what it wrote on standard output and standard error."""
    command = ["neural-diffusion", "denoise", *map(str, arguments), "--device", "cpu"]
    stop = signal.getsignal(signal.SIGTERM)
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", command), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue(), err.getvalue()
        finally:
            signal.signal(signal.SIGTERM, stop)
    raise AssertionError("The command did not end.")


def denoised(scan: Path, output: Path, *options: object) -> Scan:
    """Run `denoise`, with one step unless it is told otherwise; it must succeed. Give what it wrote."""
    status, _, said = run(scan, output, *(() if "--iterations" in options else ("--iterations", "1")), *options)
    assert status == 0, said
    return read_scan(output)


def refused(scan: Path, output: Path, *options: object) -> str:
    """Run `denoise`, which must end with status 2, one sentence and no file in the place of the output."""
    before = output.read_bytes() if output.is_file() else None
    status, told, said = run(scan, output, *options)
    assert (status, told) == (2, ""), said
    assert said.endswith((".\n", "?\n")), said
    assert said.count("\n") == 1, said
    assert (output.read_bytes() if output.is_file() else None) == before
    assert not list(output.parent.glob(".unfinished-*"))
    return said.removesuffix("\n")
