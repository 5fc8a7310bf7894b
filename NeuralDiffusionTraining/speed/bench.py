"""The whole measurement: every subject on one volume, in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from ..benchmark.volumes.evaluation import CleanVolume, head_psnr
from .subjects import Subject
from .timing import Timing, in_turns


def bench(
    subjects: Sequence[Subject],
    clean: CleanVolume,
    noisy: np.ndarray,
    repeats: int,
    patience: float,
    report: Callable[[str], None] = lambda words: None,
) -> Iterator[list[dict[str, Any]]]:
    """Time the subjects on a volume, in turns, and compare what they make of it with the clean one.

    Parameters
    ----------
    subjects
        The first one is ours: the others' times are divided by its, those of levers by that of the first lever.
    clean, noisy
        The volume without and with noise, (slices, rows, columns).
    repeats, patience
        As in `in_turns`.
    report
        Called with words on what is timed next.

    Yields
    ------
    list of dict
        After each run, one row a subject that has run so far, for JSON: "method", "group", "device", "seconds" (all
        repetitions), "median", "slices" (that were timed; of fewer than all, the seconds are those of all by
        extrapolation), "voxels_per_second", "peak_bytes", "psnr_db" over the voxels of these slices, "psnr_head_db"
        over those of the head, "above_ours_db" and "above_ours_head_db" these minus those of the first row on the same
        slices (all four ``None`` for networks that were not trained), "ratio" of the time to that of the first row.
        Levers are compared with the first of them, which is ours on the same slices.
    """
    places = [_places(subject, len(noisy)) for subject in subjects]
    images: dict[int, np.ndarray] = {}
    first_lever = next((number for number, subject in enumerate(subjects) if subject.group == "lever"), 0)

    def work(number: int) -> Callable[[], None]:
        subject, here = subjects[number], places[number]
        timed = noisy if len(here) == len(noisy) else noisy[here]
        report(f"{subject.name}, getting ready")
        subject.run(timed[: subject.warm_up or len(timed)])

        def run() -> None:
            images[number] = subject.run(timed)

        return run

    works = [work(number) for number in range(len(subjects))]
    fidelity: list[dict[str, float | None]] = []
    rows: list[dict[str, Any]] = []
    for number, timing in in_turns(works, [subject.device for subject in subjects], repeats, patience):
        if number == len(rows):
            lever = subjects[number].group == "lever"
            ours = images[first_lever] if lever else images[0][places[number]]
            fidelity.append(_fidelity(subjects[number], images[number], ours, clean, places[number]))
            rows.append({})
        # What the others are compared with.
        images = {kept: images[kept] for kept in (0, first_lever) if kept in images}
        rows[number] = _row(subjects[number], timing, len(places[number]), len(noisy), noisy[0].size) | fidelity[number]
        first: dict[bool, float] = {}
        for row in rows:
            row["ratio"] = row["median"] / first.setdefault(row["group"] == "lever", row["median"])
        report(f"{subjects[number].name}, run {len(timing.seconds)}")
        yield rows


def _row(subject: Subject, timing: Timing, slices: int, all_slices: int, pixels: int) -> dict[str, Any]:
    share = slices / all_slices
    return {
        "method": subject.name,
        "group": subject.group,
        "device": subject.device,
        "seconds": [seconds / share for seconds in timing.seconds],
        "median": timing.median / share,
        "slices": slices,
        "voxels_per_second": slices * pixels / timing.median,
        "peak_bytes": timing.peak_bytes,
    }


def _fidelity(
    subject: Subject, image: np.ndarray, ours: np.ndarray, clean: CleanVolume, places: np.ndarray
) -> dict[str, float | None]:
    """Decibels of an image of some slices, and above those of ours, which are the same ones."""
    if not subject.measured:
        return dict.fromkeys(("psnr_db", "psnr_head_db", "above_ours_db", "above_ours_head_db"))
    same = replace(clean, voxels=clean.voxels[places], inside=clean.inside[places])
    whole, whole_of_ours = (_psnr(one, same.voxels) for one in (image, ours))
    head, head_of_ours = (head_psnr(one, same) for one in (image, ours))
    return {
        "psnr_db": whole,
        "psnr_head_db": head,
        "above_ours_db": whole - whole_of_ours,
        "above_ours_head_db": head - head_of_ours,
    }


def _places(subject: Subject, total: int) -> np.ndarray:
    """Which slices are timed."""
    count = min(subject.slices or total, total)
    if subject.slab:
        return (total - count) // 2 + np.arange(count)
    # The middle of each of as many equal parts: together they are as hard as the whole volume.
    return (2 * np.arange(count) + 1) * total // (2 * count)


def _psnr(image: np.ndarray, clean: np.ndarray) -> float:
    return float(peak_signal_noise_ratio(clean, image, data_range=1))
