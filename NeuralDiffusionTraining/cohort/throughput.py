"""How long a cohort takes on more and more cores or GPUs, and what limits it: a model of few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

CORES = (1, 4, 16, 64, 256, 1024, 4096)
GPUS = (1, 2, 4, 8, 16, 32, 64)


class Quantity(NamedTuple):
    """A number that goes into the model, and whether it was measured, given or assumed."""

    value: float
    origin: str


@dataclass(frozen=True)
class ScanCost:
    """What one scan costs.

    Attributes
    ----------
    core_seconds
        Seconds of one CPU core that does everything; None if not known.
    host_seconds
        Seconds of one CPU core for reading, checking and writing alone.
    gpu_seconds
        Seconds of one GPU for the denoising alone.
    megabytes
        Read and written, 10^6 bytes.
    """

    core_seconds: Quantity | None
    host_seconds: Quantity
    gpu_seconds: Quantity
    megabytes: Quantity


@dataclass(frozen=True)
class Site:
    """What all workers share.

    Attributes
    ----------
    start_up
        Seconds until a worker has everything loaded; workers start at the same time.
    storage
        Megabytes a second that all workers together can read and write.
    tasks
        Tasks a second that the scheduler can hand out.
    """

    start_up: Quantity
    storage: Quantity
    tasks: Quantity


class Speed(NamedTuple):
    """Scans a second on so many units, hours for the cohort, and what limits it."""

    units: int
    rate: float
    hours: float
    limit: str


def speed(units: int, seconds: float, limit: str, cost: ScanCost, site: Site, scans: int) -> Speed:
    """Speed of a number of units, cores or GPUs, each of which takes some seconds for a scan.

    Parameters
    ----------
    units
        Cores or GPUs, 1 or more.
    seconds
        What one of them takes for one scan.
    limit
        What the units are called where they are the limit.
    cost, site
        The other limits.
    scans
        Scans of the cohort.
    """
    rates = {
        limit: units / seconds,
        "storage": site.storage.value / cost.megabytes.value,
        "scheduler": site.tasks.value,
    }
    slowest = min(rates, key=rates.__getitem__)
    # No unit does part of a scan: the last ones may leave others idle.
    run = max(scans / rates[slowest], math.ceil(scans / units) * seconds)
    return Speed(units, rates[slowest], (site.start_up.value + run) / 3600, slowest)


def saturation(seconds: float, cost: ScanCost, site: Site) -> tuple[int, str]:
    """How many units are as fast as what they share, and what that is: more are of no use."""
    storage = site.storage.value / cost.megabytes.value
    rate, limit = min((storage, "storage"), (site.tasks.value, "scheduler"))
    return max(1, math.ceil(seconds * rate)), limit


def host_cores(cost: ScanCost) -> int:
    """CPU cores that keep one GPU busy: while it denoises one scan, others are read and written."""
    return math.ceil(1 + cost.host_seconds.value / cost.gpu_seconds.value)
