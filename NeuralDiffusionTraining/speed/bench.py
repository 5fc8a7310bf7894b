"""The whole measurement: every subject on one volume, in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..benchmark.volumes import CleanVolume, head_psnr
from .bench_volume import in_the_middle
from .subjects import Subject
from .timing import measure


def bench(
    subjects: Sequence[Subject],
    clean: CleanVolume,
    noisy: np.ndarray,
    repeats: int,
    patience: float,
    report: Callable[[str], None] = lambda words: None,
) -> list[dict[str, Any]]:
    """Time every subject on a volume, and compare what it makes of it with the clean one.

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

    Returns
    -------
    list of dict
        One row a subject, for JSON: "method", "group", "device", "seconds" (all repetitions), "median", "slices" (that
        were timed), "voxels_per_second", "peak_bytes", "psnr_db" over all voxels and "psnr_head_db" (``None`` for
        fewer slices, and for networks that were not trained), "ratio" of the time to that of the first row.
    """
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        report(subject.name)
        rows.append(_row(subject, clean, noisy, repeats, patience))
        rows[-1]["ratio"] = rows[-1]["median"] / rows[0]["median"]
    return rows


def _row(subject: Subject, clean: CleanVolume, noisy: np.ndarray, repeats: int, patience: float) -> dict[str, Any]:
    timed = in_the_middle(noisy, (subject.slices or len(noisy), *noisy.shape[1:]))
    image: list[np.ndarray] = []
    subject.run(timed[:2])
    timing = measure(lambda: image.append(subject.run(timed)), subject.device, repeats, patience)
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
    }
    if subject.measured and share == 1:
        row["psnr_db"] = float(-10 * np.log10(np.mean(np.square((image[-1] - clean.voxels).astype(np.float64)))))
        row["psnr_head_db"] = head_psnr(image[-1], clean)
    return row
