"""How a cohort scales, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ..files.markdown import markdown_table
from ..files.words import counted
from .throughput import CORES, GPUS, Quantity, ScanCost, Site, Speed, host_cores, saturation, speed


def to_markdown(cost: ScanCost, site: Site, scans: int) -> str:
    """What goes in and where it is from, a table for CPU cores, one for GPUs, and where each saturates."""
    parts = [_inputs(cost, site)]
    if cost.core_seconds is not None:
        seconds = cost.core_seconds.value
        parts += _units("CPU cores", "core", "cores", CORES, seconds, cost, site, scans)
    seconds = cost.gpu_seconds.value
    parts += _units("GPUs", "GPU", "GPUs", GPUS, seconds, cost, site, scans)
    if cost.gpu_seconds.origin.startswith("measured"):
        parts.append(
            "If workers of the batch shared a GPU, the seconds of a GPU count their waiting for each other: a batch "
            "with one worker for each GPU tells what a scan takes."
        )
    else:
        parts.append("No GPU was measured here: this table follows from the seconds of a GPU above.")
    cores = host_cores(cost)
    parts.append(f"Each GPU needs {counted(cores, 'CPU core')} beside it, with one worker each, to be kept busy.")
    parts.append("The model leaves out that cores of one computer slow each other through the memory that they share.")
    return "\n\n".join(parts) + "\n"


def _units(
    heading: str, one: str, limit: str, counts: Sequence[int], seconds: float, cost: ScanCost, site: Site, scans: int
) -> list[str]:
    speeds = [speed(count, seconds, limit, cost, site, scans) for count in counts]
    most, shared = saturation(seconds, cost, site)
    top = speed(most, seconds, limit, cost, site, scans)
    return [
        markdown_table(
            [heading, "Scans an hour", f"Scans an hour per {one}", f"Hours for {scans:,} scans", "Limited by"],
            [_row(one_speed) for one_speed in speeds],
            words_at_end=1,
        ),
        f"{heading} saturate at {most:,}, where the {shared} is full, at {3600 * top.rate:,.0f} scans an hour.",
    ]


def _row(found: Speed) -> list[str]:
    hourly = 3600 * found.rate
    return [
        f"{found.units:,}",
        _number(hourly),
        _number(hourly / found.units),
        _number(found.hours),
        found.limit,
    ]


def _inputs(cost: ScanCost, site: Site) -> str:
    quantities: list[tuple[str, Quantity | None]] = [
        ("Seconds a scan on one CPU core", cost.core_seconds),
        ("Seconds of a core to read, check and write a scan", cost.host_seconds),
        ("Seconds of a GPU to denoise a scan", cost.gpu_seconds),
        ("MB read and written for a scan", cost.megabytes),
        ("Seconds until a worker is ready", site.start_up),
        ("MB a second of the shared storage", site.storage),
        ("Tasks a second of the scheduler", site.tasks),
    ]
    lines = [[name, _number(known.value), known.origin] for name, known in quantities if known is not None]
    return markdown_table(["What goes in", "Value", "Where from"], lines, words_at_end=1)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
