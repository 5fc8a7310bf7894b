"""What a worker that was killed while it wrote leaves beside the scans."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..files.unfinished import remove_unfinished
from .scans import CohortScan, sidecar_of


def remove_leftovers(scans: Iterable[CohortScan]) -> None:
    """Remove unfinished files of these scans' outputs; no worker may be writing one."""
    ours: dict[Path, set[str]] = {}
    for scan in scans:
        ours.setdefault(scan.output.parent, set()).update((scan.output.name, sidecar_of(scan.output).name))
    for folder, names in ours.items():
        remove_unfinished(folder, names)
