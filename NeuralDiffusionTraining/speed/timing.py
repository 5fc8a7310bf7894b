"""Seconds and memory of one piece of work."""

from __future__ import annotations

import ctypes
import gc
import re
import statistics
import sys
import time
from collections.abc import Callable
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


def measure(work: Callable[[], object], device: str, repeats: int, patience: float) -> Timing:
    """Do some work again and again, and look at the clock.

    Parameters
    ----------
    work
        Must have run once before, so that nothing is loaded or compiled while the clock runs. On a GPU it must end
        with its results in main memory.
    device
        Where it computes.
    repeats
        Number of repetitions, 1 or more.
    patience
        Seconds after which no further repetition begins.
    """
    seconds, peaks = [], []
    start = time.perf_counter()
    while not seconds or (len(seconds) < repeats and time.perf_counter() - start < patience):
        gc.collect()
        before = reset_peak(device)
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
        after = peak(device)
        peaks.append(None if before is None or after is None else max(0, after - before))
    return Timing(tuple(seconds), None if None in peaks else max(peaks))


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


def _status(name: str) -> int | None:
    found = re.search(rf"^{name}:\s*(\d+) kB$", _STATUS.read_text(encoding="ascii"), flags=re.MULTILINE)
    return int(found[1]) * 1024 if found else None
