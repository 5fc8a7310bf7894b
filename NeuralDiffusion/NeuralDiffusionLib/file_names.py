"""File names: which of them are one file, and those that are no text, as on Linux a name is any bytes."""

from __future__ import annotations

import os
from pathlib import Path


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
