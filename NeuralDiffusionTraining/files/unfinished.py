"""What a program that was killed while it wrote leaves beside its files."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

# As `write_whole` names the folders of what it has not finished.
_UNFINISHED = ".unfinished-*"


def remove_unfinished(folder: Path, names: Collection[str]) -> None:
    """Remove unfinished files of these names from a folder; nobody may be writing one.

    Those of other files, that some other program may be writing, are left alone.
    """
    for unfinished in folder.glob(_UNFINISHED):
        if {path.name for path in unfinished.glob("*/*")} <= set(names):
            shutil.rmtree(unfinished, ignore_errors=True)
