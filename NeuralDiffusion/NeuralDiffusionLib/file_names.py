"""File names that are no text: on Linux a name is any bytes, and old ones are not always UTF-8."""

from __future__ import annotations

import os
from pathlib import Path


def is_text(path: Path) -> bool:
    """Whether a path can be written as UTF-8; libraries in C++ may end the process over one that cannot."""
    return shown(path) == str(path)


def shown(path: Path) -> str:
    """A path as text that can be shown anywhere, with ``\\xe4`` in the place of a byte that is not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
