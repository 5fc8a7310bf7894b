"""The table: every method on the same noisy pixels, judged by the same code, timed in the same run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.corruption import benchmark_corruption
from ..files.command_error import CommandError
from .cost import seconds_per_slice
from .methods import INPUT_GROUP, NOISY_INPUT, Method, check_names, reference_of
from .metrics import FIGURES, head_masks, measure_all

_CHUNK = 32


@dataclass(frozen=True)
class Measurement:
    """One row: per-slice figures, (slices, figures) in the order of `FIGURES`, time, and error of the estimated sigma.

    `sigma_error` is the mean absolute difference of the estimated and the added level, if the method tells its own.
    """

    method: Method
    figures: np.ndarray
    seconds_per_slice: float | None
    sigma_error: float | None = None

    def by_name(self) -> dict[str, np.ndarray]:
        """Each of `FIGURES` of every slice, (slices,)."""
        return dict(zip(FIGURES, self.figures.T, strict=True))


@dataclass(frozen=True)
class Results:
    """All rows, in the order of the methods.

    `groups` are the near-duplicate groups of the slices, (slices,), and `levels` the noise levels that were added to
    them, (slices,); `reference` is the row that the others are compared with, ``None`` if there is none of ours.
    """

    rows: tuple[Measurement, ...]
    groups: np.ndarray
    levels: np.ndarray
    reference: Measurement | None


def noisy_input() -> Method:
    """The row that does nothing."""
    return Method(NOISY_INPUT, INPUT_GROUP, "none", lambda noisy, _: noisy)


def corrupt_all(clean: np.ndarray, noise: str, sigma: float | None, draw: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The benchmark's noisy version of all slices, or another `draw`, float32, and their noise levels, (slices,)."""
    pairs = [benchmark_corruption(picture, noise, position, sigma, draw) for position, picture in enumerate(clean)]
    return np.stack([noisy for noisy, _ in pairs]), np.array([level for _, level in pairs])


def evaluate(
    methods: Sequence[Method],
    clean: np.ndarray,
    noise: str,
    sigma: float | None = None,
    groups: np.ndarray | None = None,
    progress: Callable[[str, int], None] | None = None,
    draw: int = 0,
) -> Results:
    """Measure methods on the benchmark's noisy version of clean slices.

    Parameters
    ----------
    methods
        The rows. The first one of the group "ours", if any, is the reference of the others.
    clean
        (slices, rows, columns), float32 in [0, 1]; the noise of each slice is fixed by its place.
    noise
        ``"rician"``, ``"gaussian"``, ``"speckle"`` or ``"mixed"``.
    sigma
        Noise level that is added; ``None`` draws it per slice from U[0.05, 0.20]. Only methods that are marked "true"
        are told, the others get NaN.
    groups
        Near-duplicate group of each slice, (slices,); every slice is its own if left out.
    progress
        Called with a method's name and the number of slices it has just done.
    draw
        Of the noise; 0 is the benchmark's.

    Raises
    ------
    CommandError
        If two methods share a name, or one gives anything but finite pictures of the slices' shape.
    """
    check_names([method.name for method in methods])
    noisy, levels = corrupt_all(clean, noise, sigma, draw)
    heads = head_masks(clean)
    errors: dict[Callable[[np.ndarray], np.ndarray], float] = {}
    rows = []
    for method in methods:
        pictures = run_method(method, noisy, levels, progress)
        if method.estimate is not None and method.estimate not in errors:
            errors[method.estimate] = float(np.mean(np.abs(method.estimate(noisy) - levels)))
        seconds = None if method.group == INPUT_GROUP else seconds_per_slice(method, noisy, _told(method, levels))
        error = errors[method.estimate] if method.estimate is not None else None
        rows.append(Measurement(method, measure_all(pictures, clean, heads), seconds, error))
    groups = np.arange(len(clean)) if groups is None else np.asarray(groups)
    return Results(tuple(rows), groups, levels, reference_of(methods, rows))


def run_method(
    method: Method, noisy: np.ndarray, levels: np.ndarray, progress: Callable[[str, int], None] | None = None
) -> np.ndarray:
    """Denoise (slices, rows, columns) a few at a time and check what comes back.

    Raises
    ------
    CommandError
        If it is not finite or not of the shape of `noisy`.
    """
    told = _told(method, levels)
    parts = []
    for first in range(0, len(noisy), _CHUNK):
        part = slice(first, first + _CHUNK)
        pictures = np.asarray(method.denoise(noisy[part], told[part]))
        if pictures.shape != noisy[part].shape or not np.isfinite(pictures).all():
            raise CommandError(
                f"'{method.name}' gave no finite pictures of the slices' shape: leave this row out, or train it again."
            )
        parts.append(pictures)
        if progress is not None:
            progress(method.name, len(pictures))
    return np.concatenate(parts)


def _told(method: Method, levels: np.ndarray) -> np.ndarray:
    """A copy of the true levels for those that are given them, NaN for the others: none can look, or change them."""
    return levels.copy() if method.told == "true" else np.full_like(levels, np.nan)
