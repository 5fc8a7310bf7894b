"""Pipes in the place of scans: whoever reads one waits for ever for somebody to write."""

from __future__ import annotations

from pathlib import Path

from NeuralDiffusionLib.image_headers import pipe_fault

from .command_error import CommandError

PIPE_SENTENCES = {
    "pipe": "{scan} is no file but a pipe or a device: name a file.",
    "named pipe": ("{scan} names '{other}' for its voxels, which is no file but a pipe or a device: put a file there."),
}


def refuse_pipes(scan: Path) -> None:
    """Refuse a scan that is a pipe or a device, or whose header names one for its voxels, before it is opened.

    Raises
    ------
    CommandError
        If it is or does.
    """
    if (fault := pipe_fault(scan)) is not None:
        raise CommandError(PIPE_SENTENCES[fault.kind].format(scan=scan, other=fault.other))
