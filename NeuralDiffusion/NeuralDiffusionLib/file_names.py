"""File names: the formats and contents they tell, which are one file, and those that are no text.

On Linux a name is any bytes.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from .translation import translator

_ = translator(__name__)

WRITTEN_AS = {
    ".nii.gz": ".nii.gz",
    ".nii": ".nii",
    ".nrrd": ".nrrd",
    ".nhdr": ".nrrd",
    ".mha": ".mha",
    ".mhd": ".mha",
}
"""The ends of the names of files that hold volumes, and as what each is written: as one file, so that it can appear
whole, in the place of a header with its voxels beside it."""

NIFTI_SUFFIXES = (".nii.gz", ".nii")

_LABEL_MAP_NAME = re.compile(r"(?<![a-z0-9])(labels?|dseg)(?![a-z0-9])|\.seg\.(nrrd|nhdr)$", re.IGNORECASE)


def volume_suffix(path: Path) -> str:
    """The end of a file's name that tells the format of its volume, one of `WRITTEN_AS`, or nothing if it has none."""
    name = path.name.lower()
    return next((suffix for suffix in WRITTEN_AS if name.endswith(suffix)), "")


def written_name(path: Path) -> str:
    """The name under which the result of a file is written: its own, but for the format; see `WRITTEN_AS`."""
    suffix = volume_suffix(path)
    return path.name[: len(path.name) - len(suffix)] + WRITTEN_AS[suffix]


def is_nifti(path: Path) -> bool:
    """Whether the name is that of a NIfTI file."""
    return path.name.lower().endswith(NIFTI_SUFFIXES)


def is_label_map_by_name(path: Path) -> bool:
    """Whether a file's name says "label", as Slicer takes it, or "dseg", as BIDS does, or is that of a segmentation."""
    return _LABEL_MAP_NAME.search(path.name) is not None


def is_pipe(path: Path) -> bool:
    """Whether a path leads to a pipe or a device, at which a reader may wait for ever."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def check_no_pipe(path: Path) -> None:
    """Refuse a pipe or a device before it is opened.

    Raises
    ------
    OSError
        If the path leads to one.
    """
    if is_pipe(path):
        raise OSError(errno.EINVAL, _("it is no file but a pipe or a device"), str(path))


def is_text(path: Path) -> bool:
    """Whether a path can be written as UTF-8; libraries in C++ may end the process over one that cannot."""
    return shown(path) == str(path)


def are_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, or would once it is written."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    # Names that differ in case alone may be one file.
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def shown(path: Path) -> str:
    """A path as text that can be shown anywhere, with ``\\xe4`` in the place of a byte that is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
