"""How sure a mean over slices is, when some of the slices are copies of each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

RESAMPLES = 4000
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over slices and the ends of its 95 % confidence interval.

    The ends are NaN where the slices are of one group only: nothing is known then about how they scatter. `infinite`
    slices (equal pictures have an infinite PSNR) make the mean infinite; `finite_mean` is the mean of the others.
    """

    mean: float
    low: float
    high: float
    infinite: int = 0
    finite_mean: float = float("nan")

    def as_dict(self) -> dict[str, float | int]:
        """For JSON, where infinity and NaN both become null: infinite slices are stated if there are any."""
        ends: dict[str, float | int] = {"mean": self.mean, "low": self.low, "high": self.high}
        if self.infinite:
            ends |= {"infinite_slices": self.infinite, "mean_of_finite": self.finite_mean}
        return ends


class GroupBootstrap:
    """Percentile bootstrap that draws whole groups of slices (Efron and Tibshirani, 1993, sections 8 and 13).

    Near-duplicates share a group, so a picture that occurs ten times is one piece of evidence. All calls of one object
    use the same draws; the interval of a difference of two rows is therefore paired.

    Parameters
    ----------
    groups
        (slices,), the group of each slice.
    resamples
        Number of draws.
    seed
        Of the draws.
    """

    def __init__(self, groups: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> None:
        _, self._member_of = np.unique(np.asarray(groups), return_inverse=True)
        self.groups = int(self._member_of.max()) + 1
        chances = np.full(self.groups, 1 / self.groups)
        drawn = np.random.default_rng(seed).multinomial(self.groups, chances, size=resamples)
        self._weights = drawn[:, self._member_of].astype(np.float64)

    def interval(self, values: np.ndarray) -> Interval:
        """Interval of the mean of (slices,) values; NaN entries do not count, all of them NaN gives NaN."""
        values = np.asarray(values, np.float64)
        known = ~np.isnan(values)
        infinite = np.isinf(values)
        finite = values[known & ~infinite]
        finite_mean = float(finite.mean()) if len(finite) else float("nan")
        mean = float(values[known].mean()) if known.any() else float("nan")
        low = high = float("nan")
        if len(set(self._member_of[known])) > 1:
            means = self._resampled_means(values, known, infinite)
            tail = (1 - _CONFIDENCE) / 2
            # A quantile that is one of the values: between two infinities nothing can be interpolated.
            low, high = map(float, np.quantile(means, (tail, 1 - tail), method="inverted_cdf"))
        return Interval(mean, low, high, int(infinite.sum()), finite_mean)

    def intervals(
        self, figures: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, dict[str, float | int]]:
        """Intervals of several figures and of their paired differences, for JSON.

        Parameters
        ----------
        figures
            The values of each, (slices,).
        reference
            The same figures of the row to compare with; ``None`` if there is none.

        Returns
        -------
        dict
            `Interval.as_dict` by the name of the figure and, where there is a reference, by "difference_<name>".
        """
        stated = {name: self.interval(values).as_dict() for name, values in figures.items()}
        if reference is not None:
            for name, values in figures.items():
                difference = paired_difference(values, reference[name])
                stated[f"difference_{name}"] = self.interval(difference).as_dict()
        return stated

    def _resampled_means(self, values: np.ndarray, known: np.ndarray, infinite: np.ndarray) -> np.ndarray:
        sums = self._weights @ np.where(known & ~infinite, values, 0)
        counts = self._weights @ known
        # 0 times infinity is no number, so infinite slices are looked for apart.
        sums[self._weights @ (values == np.inf) > 0] = np.inf
        sums[self._weights @ (values == -np.inf) > 0] = -np.inf
        drawn = counts > 0
        return sums[drawn] / counts[drawn]


def paired_difference(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """`values` minus `reference`, slice by slice; 0 where both are infinite."""
    with np.errstate(invalid="ignore"):
        difference = np.asarray(values, np.float64) - np.asarray(reference, np.float64)
    return np.where(np.isinf(values) & (values == reference), 0.0, difference)
