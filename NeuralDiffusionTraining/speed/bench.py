"""The whole measurement: every subject on one volume, in one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..benchmark.volumes import CleanVolume, head_psnr
from .subjects import Subject
from .timing import Timing, measure


def bench(
    subjects: Sequence[Subject],
    clean: CleanVolume,
    noisy: np.ndarray,
    repeats: int,
    patience: float,
    report: Callable[[str], None] = lambda words: None,
) -> Iterator[dict[str, Any]]:
    """Time every subject on a volume, one after the other, and compare what it makes of it with the clean one.

    Parameters
    ----------
    subjects
        The first one is ours: the others' times are divided by its.
    clean, noisy
        The volume without and with noise, (slices, rows, columns).
    repeats, patience
        As in `measure`.
    report
        Called with the name of the subject that is timed next.

    Yields
    ------
    dict
        One row a subject, for JSON: "method", "group", "device", "seconds" (all repetitions), "median", "slices" (that
        were timed; of fewer than all, the seconds are those of all by extrapolation), "voxels_per_second",
        "peak_bytes", "psnr_db" over the voxels of these slices, "psnr_head_db" over those of the head,
        "above_ours_db" the first of these minus that of the first row on the same slices (all three ``None`` for
        networks that were not trained), "ratio" of the time to that of the first row.
    """
    ours: tuple[float, np.ndarray] | None = None
    for subject in subjects:
        report(subject.name)
        places = _places(subject, len(noisy))
        timed = noisy[places]
        timing, image = _timing(subject, timed, repeats, patience)
        share = len(timed) / len(noisy)
        row = {
            "method": subject.name,
            "group": subject.group,
            "device": subject.device,
            "seconds": [seconds / share for seconds in timing.seconds],
            "median": timing.median / share,
            "slices": len(timed),
            "voxels_per_second": timed.size / timing.median,
            "peak_bytes": timing.peak_bytes,
            "psnr_db": None,
            "psnr_head_db": None,
            "above_ours_db": None,
        }
        ours = ours or (row["median"], image)
        row["ratio"] = row["median"] / ours[0]
        if subject.measured:
            same = replace(clean, voxels=clean.voxels[places], inside=clean.inside[places])
            row["psnr_db"] = _psnr(image, same.voxels)
            row["psnr_head_db"] = head_psnr(image, same)
            row["above_ours_db"] = row["psnr_db"] - _psnr(ours[1][places], same.voxels)
        yield row


def _timing(subject: Subject, noisy: np.ndarray, repeats: int, patience: float) -> tuple[Timing, np.ndarray]:
    """The seconds of some runs, and the last image."""
    image: deque[np.ndarray] = deque(maxlen=1)
    subject.run(noisy[:2])
    return measure(lambda: image.append(subject.run(noisy)), subject.device, repeats, patience), image[0]


def _places(subject: Subject, total: int) -> np.ndarray:
    """Which slices are timed."""
    count = min(subject.slices or total, total)
    if subject.slab:
        return (total - count) // 2 + np.arange(count)
    # The middle of each of as many equal parts: together they are as hard as the whole volume.
    return (2 * np.arange(count) + 1) * total // (2 * count)


def _psnr(image: np.ndarray, clean: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean(np.square((image - clean).astype(np.float64)))))
