"""What a scan costs, from the sidecars of a batch that was run, and what Dask costs, measured here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from ..files.command_error import CommandError
from .cluster import connected
from .record import read_record
from .scaling import Quantity

_EMPTY_TASKS = 1000
_NEEDED = {"Device", "Seconds", "Bytes", "Voxels"}


def read_records(folder: Path) -> list[dict[str, Any]]:
    """The records of a batch that was written into a folder.

    Raises
    ------
    CommandError
        If there is none.
    """
    found = [read_record(path) for path in sorted(folder.rglob("*.json"))]
    records = [record for record in found if record is not None and record.keys() >= _NEEDED]
    if not records:
        raise CommandError(f"{folder} holds no scan that 'neural-diffusion batch' wrote: run it on some scans first.")
    return records


def on_cpu(record: dict[str, Any]) -> bool:
    """Whether a scan was denoised on the CPU."""
    return record["Device"] == "cpu"


def seconds_of(records: Iterable[dict[str, Any]], parts: tuple[str, ...]) -> Quantity:
    """Median seconds of parts of the work on a scan: of ``"Read"``, ``"Denoise"`` and ``"Write"``."""
    return _median([sum(record["Seconds"][part] for part in parts) for record in records])


def megabytes_of(records: Iterable[dict[str, Any]]) -> Quantity:
    """Median of the megabytes read and written for a scan."""
    return _median([sum(record["Bytes"].values()) / 1e6 for record in records])


def voxels_of(records: Iterable[dict[str, Any]]) -> float:
    """Median of the voxels of a scan."""
    return median(record["Voxels"] for record in records)


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


def _load() -> None:
    from NeuralDiffusionLib import Denoiser

    Denoiser()


def _nothing(number: int) -> int:
    return number


def _median(values: list[float]) -> Quantity:
    return Quantity(median(values), f"measured: median of {len(values):,} scan{'s' if len(values) > 1 else ''}")
