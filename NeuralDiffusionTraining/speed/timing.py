"""Seconds and memory of pieces of work."""

from __future__ import annotations

import ctypes
import gc
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Timing:
    """What some repetitions took.

    Attributes
    ----------
    seconds
        Wall time of each.
    peak_bytes
        Memory that the work needed beyond what was held before: main memory for the CPU (Linux alone tells), the
        memory that PyTorch allocated for a GPU; ``None`` where nobody tells.
    """

    seconds: tuple[float, ...]
    peak_bytes: int | None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def in_turns(
    works: Sequence[Callable[[], object]], device: str | Sequence[str], repeats: int, patience: float
) -> Iterator[tuple[int, Timing]]:
    """Do several pieces of work again and again, and look at the clock.

    They take turns: what slows the machine for a while slows them all, and their ratios stay.

    Parameters
    ----------
    works
        Each must have run once before, so that nothing is loaded or compiled while the clock runs. On a GPU it must
        end with its results in main memory.
    device
        Where they compute, or where each of them does.
    repeats
        Number of repetitions of each, 1 or more.
    patience
        Seconds of a work after which it is not repeated again.

    Yields
    ------
    tuple
        After each run the place of the work in the sequence, and what all its runs took so far.
    """
    places = [device] * len(works) if isinstance(device, str) else device
    so_far: list[Timing] = [Timing((), None)] * len(works)
    for turn in range(repeats):
        for number, (work, place) in enumerate(zip(works, places, strict=True)):
            before = so_far[number]
            if turn > 0 and sum(before.seconds) >= patience:
                continue
            seconds, peak_bytes = _once(work, place)
            if turn > 0 and before.peak_bytes is not None and peak_bytes is not None:
                peak_bytes = max(before.peak_bytes, peak_bytes)
            so_far[number] = Timing((*before.seconds, seconds), peak_bytes)
            yield number, so_far[number]


def _once(work: Callable[[], object], device: str) -> tuple[float, int | None]:
    gc.collect()
    before = reset_peak(device)
    begin = time.perf_counter()
    work()
    seconds = time.perf_counter() - begin
    after = peak(device)
    return seconds, None if before is None or after is None else max(0, after - before)


def reset_peak(device: str) -> int | None:
    """Let the peak be what is held now, and return that."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if sys.platform == "linux":
        # What the allocator keeps for later would hide what the work needs.
        ctypes.CDLL(None).malloc_trim(0)
    try:
        # Documented in proc(5): 5 sets the peak of resident memory to the present one.
        _CLEAR.write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def peak(device: str) -> int | None:
    """Largest memory in bytes since `reset_peak`."""
    return torch.cuda.max_memory_allocated(device) if device.startswith("cuda") else _status("VmHWM")


def wait_for(device: str) -> None:
    """Let a GPU finish what it was given: it is left to work while the clock goes on."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def _status(name: str) -> int | None:
    try:
        status = _STATUS.read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(rf"^{name}:\s*(\d+) kB$", status, flags=re.MULTILINE)
    return int(found[1]) * 1024 if found else None
