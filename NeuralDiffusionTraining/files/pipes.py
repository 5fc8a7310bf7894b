"""Pipes in the place of scans: whoever reads one waits for ever for somebody to write."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from NeuralDiffusionLib.file_names import is_pipe

from .command_error import CommandError

_TEXT_HEADERS = (".mha", ".mhd", ".nrrd", ".nhdr")
_LONGEST_HEADER = 2**16
# How MetaImage and NRRD state the files with the voxels: a name, a pattern of names, or a list of names that follows.
_VOXEL_FILES = re.compile(rb"^(?:ElementDataFile *=|data ?file:) *([^\r\n]*)", re.MULTILINE)
_NUMBER = re.compile(r"%[0-9]*d")


def refuse_pipes(scan: Path) -> None:
    """Refuse a scan that is a pipe or a device, or whose header names one for its voxels, before it is opened.

    Raises
    ------
    CommandError
        If it is or does.
    """
    if is_pipe(scan):
        raise CommandError(f"{scan} is no file but a pipe or a device: name a file.")
    for voxels in _named_by(scan):
        if is_pipe(voxels):
            raise CommandError(
                f"{scan} names '{voxels}' for its voxels, which is no file but a pipe or a device: put a file there."
            )


def _named_by(scan: Path) -> Iterator[Path]:
    """The files that a header names for its voxels, whether they are there or not."""
    if not scan.name.lower().endswith(_TEXT_HEADERS):
        return
    try:
        with scan.open("rb") as file:
            header = file.read(_LONGEST_HEADER)
    except OSError:
        # Whoever reads the scan says why.
        return
    found = _VOXEL_FILES.search(header)
    if found is None:
        return
    first = os.fsdecode(found[1]).strip()
    names = os.fsdecode(header[found.end() :]).splitlines() if first.startswith("LIST") else [first]
    for name in names:
        yield scan.parent / name.strip()
    if _NUMBER.search(first):
        pattern = _NUMBER.sub("*", glob.escape(first.split()[0]))
        yield from map(Path, glob.iglob(os.path.join(glob.escape(str(scan.parent)), pattern)))
