"""What a worker that was killed while it wrote leaves beside the scans."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from .scans import CohortScan, sidecar_of

# As `write_whole` names the folders of what it has not finished.
_UNFINISHED = ".unfinished-*"


def remove_leftovers(scans: Iterable[CohortScan]) -> None:
    """Remove unfinished files of these scans' outputs; no worker may be writing one.

    Those of other files, that some other program may be writing, are left alone.
    """
    ours: dict[Path, set[str]] = {}
    for scan in scans:
        ours.setdefault(scan.output.parent, set()).update((scan.output.name, sidecar_of(scan.output).name))
    for folder, names in ours.items():
        for unfinished in folder.glob(_UNFINISHED):
            if {path.name for path in unfinished.glob("*/*")} <= names:
                shutil.rmtree(unfinished, ignore_errors=True)
