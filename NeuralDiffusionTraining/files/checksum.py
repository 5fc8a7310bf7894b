"""The content of files in 64 digits."""

from __future__ import annotations

import hashlib
from pathlib import Path

from NeuralDiffusionLib.file_names import check_no_pipe

_CHUNK = 1 << 20


def sha256_of(*files: Path) -> str:
    """SHA-256 of the content of files, one after the other; raises OSError if one cannot be read, or is a pipe."""
    digest = hashlib.sha256()
    for path in files:
        # Whoever reads a pipe that nobody writes into waits for ever.
        check_no_pipe(path)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
