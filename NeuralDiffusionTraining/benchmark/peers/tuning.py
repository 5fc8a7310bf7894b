"""The search for the parameters with which the classical filters do best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from .bias_correction import correct_bias
from .slice_noise import SliceNoise, judge_noise
from .tunable_filters import FILTERS, Parameters, TunableFilter

# Perona-Malik, for one, has two good settings far apart: few strong steps, and many weak ones.
_STARTS = 3

GridIndex = tuple[int, ...]
"""Index of a value in the grid of each parameter."""


@dataclass(frozen=True)
class TunedFilter:
    """Outcome for one filter.

    Attributes
    ----------
    parameters
        The best ones.
    psnr_db
        Mean PSNR with them, bias inverted, on the slices they were chosen on.
    tried
        Settings that were measured.
    at_end
        Parameters whose best value is the first or last of a grid that could go on; empty for a search to be trusted.
    """

    parameters: Parameters
    psnr_db: float
    tried: int
    at_end: tuple[str, ...]


def tune(
    clean: np.ndarray,
    noisy: np.ndarray,
    noise: str,
    progress: Callable[[str], None] | None = None,
) -> dict[str, TunedFilter]:
    """Choose the parameters of every filter.

    Parameters
    ----------
    clean
        (slices, rows, columns), float32 in [0, 1]; never slices of the test part.
    noisy
        The same slices with noise.
    noise
        Noise type. The noise level is estimated, as it is when the filters are measured.
    progress
        Called with the name of each filter after its search.
    """
    estimate = judge_noise(noisy, noise)
    outcome = {}
    for name, tunable in FILTERS.items():
        outcome[name] = _climb(tunable, clean, noisy, estimate)
        if progress is not None:
            progress(name)
    return outcome


def _climb(tunable: TunableFilter, clean: np.ndarray, noisy: np.ndarray, estimate: SliceNoise) -> TunedFilter:
    """Uphill from the best places of a coarse scan until no step along one axis, or diagonally two, leads higher."""
    grid = tunable.grid
    known: dict[GridIndex, float] = {}

    def score(place: GridIndex) -> float:
        if place not in known:
            known[place] = _mean_psnr(tunable, _at(grid, place), clean, noisy, estimate)
        return known[place]

    coarse = sorted(product(*map(_coarse, grid.values())), key=score)
    best = max((_top(list(grid.values()), start, score) for start in coarse[-_STARTS:]), key=score)
    at_end = tuple(
        name
        for (name, values), index in zip(grid.items(), best, strict=True)
        if _is_ordered(values) and index in (0, len(values) - 1) and (name, values[index]) not in tunable.natural_ends
    )
    return TunedFilter(_at(grid, best), score(best), len(known), at_end)


def _top(grid: list[tuple], place: GridIndex, score: Callable[[GridIndex], float]) -> GridIndex:
    start = None
    while place != start:
        start = place
        for axis, values in enumerate(grid):
            place = _best_along(axis, values, place, score)
        if place == start:
            place = max([place, *_diagonal(grid, place)], key=score)
    return place


def _coarse(values: tuple) -> range:
    """Every third of a parameter's numbers, all of its choices."""
    return range(1, len(values), 3) if _is_ordered(values) and len(values) > 1 else range(len(values))


def _best_along(axis: int, values: tuple, best: GridIndex, score: Callable[[GridIndex], float]) -> GridIndex:
    """The best place along one axis: all values of a choice, uphill from where it stands for numbers."""

    def at(index: int) -> GridIndex:
        return (*best[:axis], index, *best[axis + 1 :])

    if not _is_ordered(values):
        return max(map(at, range(len(values))), key=score)
    index = best[axis]
    for direction in (1, -1):
        while 0 <= index + direction < len(values) and score(at(index + direction)) > score(at(index)):
            index += direction
    return at(index)


def _diagonal(grid: list[tuple], place: GridIndex) -> Iterator[GridIndex]:
    """The places one step away along two axes of numbers: ridges are climbed so."""
    ordered = [axis for axis, values in enumerate(grid) if _is_ordered(values)]
    for first, second in combinations(ordered, 2):
        for up, along in product((-1, 1), repeat=2):
            moved = list(place)
            moved[first] += up
            moved[second] += along
            if all(0 <= moved[axis] < len(grid[axis]) for axis in (first, second)):
                yield tuple(moved)


def _mean_psnr(
    tunable: TunableFilter, parameters: Parameters, clean: np.ndarray, noisy: np.ndarray, estimate: SliceNoise
) -> float:
    smooth = np.stack(
        [tunable(picture, sigma, parameters) for picture, sigma in zip(noisy, estimate.sigma, strict=True)]
    )
    pictures = np.clip(correct_bias(smooth, estimate), 0, 1)
    pairs = zip(clean, pictures, strict=True)
    return float(np.mean([peak_signal_noise_ratio(truth, picture, data_range=1) for truth, picture in pairs]))


def _at(grid: dict[str, tuple], place: GridIndex) -> Parameters:
    return {name: values[index] for (name, values), index in zip(grid.items(), place, strict=True)}


def _is_ordered(values: tuple) -> bool:
    return not isinstance(values[0], str)
