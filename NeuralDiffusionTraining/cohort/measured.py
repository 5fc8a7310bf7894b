"""What a scan costs, from the sidecars of a batch that was run, and what Dask costs, measured here."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from ..files.command_error import CommandError
from ..files.words import counted
from .cluster import connected
from .record import read_record
from .throughput import Quantity

_EMPTY_TASKS = 1000
_NEEDED = {"Device", "Seconds", "Bytes", "Voxels"}
_MOST = 1e15


def read_records(folder: Path) -> list[dict[str, Any]]:
    """The records of a batch that was written into a folder.

    Raises
    ------
    CommandError
        If there is no such folder or none in it, or one cannot be read or has numbers that are missing or impossible.
    """
    if not os.path.isdir(folder):
        raise CommandError(f"Folder '{folder}' does not exist: give one that 'neural-diffusion batch' wrote into.")
    records = []
    for path in sorted(folder.rglob("*.json")):
        record = _record_in(path)
        if record is not None and record.keys() >= _NEEDED:
            if not _is_sound(record):
                raise CommandError(f"{path} does not tell what its scan took: remove it, or run the batch again.")
            records.append(record)
    if not records:
        raise CommandError(f"{folder} holds no scan that 'neural-diffusion batch' wrote: run it on some scans first.")
    return records


def on_cpu(record: dict[str, Any]) -> bool:
    """Whether a scan was denoised on the CPU."""
    return record["Device"] == "cpu"


def seconds_of(records: Sequence[dict[str, Any]], parts: tuple[str, ...]) -> Quantity:
    """Mean seconds of parts of the work on a scan: of ``"Read"``, ``"Denoise"`` and ``"Write"``.

    The median is that of the seconds per voxel: the first scan of a worker takes longer than those that follow, and a
    median of scans of several sizes would be the seconds of one of the sizes.
    """
    for_a_voxel = median(sum(record["Seconds"][part] for part in parts) / record["Voxels"] for record in records)
    return Quantity(for_a_voxel * voxels_of(records), f"measured: median per voxel of {counted(len(records), 'scan')}")


def megabytes_of(records: Sequence[dict[str, Any]]) -> Quantity:
    """Mean of the megabytes read and written for a scan."""
    megabytes = mean(sum(record["Bytes"].values()) / 1e6 for record in records)
    return Quantity(megabytes, f"measured: mean of {counted(len(records), 'scan')}")


def voxels_of(records: Sequence[dict[str, Any]]) -> float:
    """Mean of the voxels of a scan."""
    return mean(record["Voxels"] for record in records)


def measure_dask() -> tuple[Quantity, Quantity]:
    """Seconds until a worker is ready, and the tasks a second that would keep a scheduler busy."""
    started = time.perf_counter()
    with connected(None, 1) as client:
        client.submit(_load).result()
        ready = time.perf_counter() - started
        # The scheduler runs in this process, so its work can be told from waiting for the one worker.
        began = time.process_time()
        client.gather(client.map(_nothing, range(_EMPTY_TASKS), pure=False))
        busy = time.process_time() - began
    return (
        Quantity(ready, "measured here, with the start of the scheduler"),
        Quantity(_EMPTY_TASKS / busy, f"measured here: its share of the work on {_EMPTY_TASKS:,} empty tasks"),
    )


def _record_in(path: Path) -> dict[str, Any] | None:
    if path.is_dir():
        return None
    try:
        return read_record(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}): make it readable, or move it away.") from error


def _is_sound(record: dict[str, Any]) -> bool:
    seconds, sizes = record["Seconds"], record["Bytes"]
    if not (isinstance(record["Device"], str) and isinstance(seconds, dict) and isinstance(sizes, dict)):
        return False
    numbers = [*(seconds.get(part) for part in ("Read", "Denoise", "Write")), record["Voxels"], *sizes.values()]
    if not all(isinstance(one, (int, float)) and 0 <= one < _MOST for one in numbers):
        return False
    return seconds["Denoise"] > 0 and record["Voxels"] > 0 and sum(sizes.values()) > 0


def _load() -> None:
    from NeuralDiffusionLib import Denoiser

    Denoiser()


def _nothing(number: int) -> int:
    return number
