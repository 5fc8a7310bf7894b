"""Two checks that a radiologist would ask for: lesions kept or invented, and new extrema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.corruption import benchmark_corruption
from ..bootstrap import GroupBootstrap
from ..evaluation import corrupt_all, run_method
from ..methods import Method, reference_of, told_in_name
from ..metrics import head_masks
from .envelope import WINDOWS, envelope_shares
from .lesions import CNRS, RADII, Lesion, false_lesions, place_lesions, recovered_contrast, with_lesions

_SEED = 43
RUNS = 1 + len(CNRS)
"""Times that every method denoises every slice."""


@dataclass(frozen=True)
class _Row:
    """What a row of a table is of, as JSON shall say it, and its figures of every slice, (slices,) each."""

    of: dict[str, Any]
    figures: dict[str, np.ndarray]


def check_fidelity(
    methods: Sequence[Method],
    clean: np.ndarray,
    noise: str,
    sigma: float | None,
    groups: np.ndarray,
    progress: Callable[[str, int], None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Run both checks on the benchmark's noisy slices.

    Parameters
    ----------
    methods
        What to check. The first one of the group "ours", if any, is the reference of the others.
    clean
        (slices, rows, columns), float32 in [0, 1].
    noise
        ``"rician"`` or ``"gaussian"``: contrast-to-noise needs a level that is the same at every pixel.
    sigma
        Noise level, above 0; ``None`` draws it per slice from U[0.05, 0.20].
    groups
        Near-duplicate group of each slice, (slices,), for the intervals.
    progress
        Called with a method's name and the number of slices it has just done, `RUNS` times the slices in all.

    Returns
    -------
    dict
        Lists of rows for JSON; figures are {"mean", "low", "high"} over slices. With a reference each of them has a
        "difference_<figure>" beside it, the same for this row minus the reference's, slice by slice.

        "lesions": "recovered" share of the contrast by "method", "radius_px" and "cnr"; "lesions" counts them.
        "false_lesions": blobs "per_slice" at least as strong as a lesion of that contrast, by the same three.
        "envelope": share of pixels "above", "below" and "outside" the envelope, by "method" and "window_px". The names
        of methods that are told the noise level say so.
    """
    noisy, levels = corrupt_all(clean, noise, sigma)
    heads = head_masks(clean)
    lesions = [
        place_lesions(picture, head, max(CNRS) * level, np.random.default_rng((_SEED, position)))
        for position, (picture, head, level) in enumerate(zip(clean, heads, levels, strict=True))
    ]
    with_each_contrast = [_corrupt_with_lesions(clean, lesions, noise, levels, cnr) for cnr in CNRS]
    measured = []
    for method in methods:
        without = run_method(method, noisy, levels, progress)
        kept = []
        for cnr, noisy_lesions in zip(CNRS, with_each_contrast, strict=True):
            responses = run_method(method, noisy_lesions, levels, progress) - without
            kept += _lesion_rows(responses, lesions, levels, cnr)
        invented = _false_rows(without, clean, heads, levels)
        measured.append({"lesions": kept, "false_lesions": invented, "envelope": _envelope_rows(without, noisy)})
    return _tables(methods, measured, GroupBootstrap(groups))


def _tables(
    methods: Sequence[Method], measured: Sequence[dict[str, list[_Row]]], bootstrap: GroupBootstrap
) -> dict[str, list[dict[str, Any]]]:
    reference = reference_of(methods, measured)
    tables: dict[str, list[dict[str, Any]]] = {"lesions": [], "false_lesions": [], "envelope": []}
    for method, of_method in zip(methods, measured, strict=True):
        for name, rows in of_method.items():
            compared = [None] * len(rows) if reference is None else [row.figures for row in reference[name]]
            tables[name] += [
                {
                    "method": told_in_name(method.name, method.told),
                    **row.of,
                    **bootstrap.intervals(row.figures, of_reference),
                }
                for row, of_reference in zip(rows, compared, strict=True)
            ]
    return tables


def _corrupt_with_lesions(
    clean: np.ndarray, lesions: list[list[Lesion]], noise: str, levels: np.ndarray, cnr: float
) -> np.ndarray:
    """Noisy slices with lesions; their noise is that of the slices without."""
    return np.stack(
        [
            benchmark_corruption(with_lesions(picture, inside, cnr * level), noise, position, level)[0]
            for position, (picture, inside, level) in enumerate(zip(clean, lesions, levels, strict=True))
        ]
    )


def _lesion_rows(responses: np.ndarray, lesions: list[list[Lesion]], levels: np.ndarray, cnr: float) -> list[_Row]:
    shares = np.full((len(responses), len(RADII)), np.nan)
    for number, inside in enumerate(lesions):
        for lesion in inside:
            share = recovered_contrast(responses[number], lesion, cnr * levels[number])
            shares[number, RADII.index(lesion.radius)] = share
    counts = np.sum(~np.isnan(shares), axis=0).tolist()
    return [
        _Row({"radius_px": radius, "cnr": cnr, "lesions": count}, {"recovered": of_radius})
        for radius, count, of_radius in zip(RADII, counts, shares.T, strict=True)
    ]


def _false_rows(pictures: np.ndarray, clean: np.ndarray, heads: np.ndarray, levels: np.ndarray) -> list[_Row]:
    found = [
        false_lesions(np.clip(picture, 0, 1), truth, head)
        for picture, truth, head in zip(pictures, clean, heads, strict=True)
    ]
    rows = []
    for radius in RADII:
        for cnr in CNRS:
            counts = [
                np.sum((strengths >= cnr * level) & (radii == radius))
                for (strengths, radii), level in zip(found, levels, strict=True)
            ]
            rows.append(_Row({"radius_px": radius, "cnr": cnr}, {"per_slice": np.array(counts)}))
    return rows


def _envelope_rows(pictures: np.ndarray, noisy: np.ndarray) -> list[_Row]:
    rows = []
    for window in WINDOWS:
        shares = np.array([envelope_shares(*pair, window) for pair in zip(pictures, noisy, strict=True)])
        figures = {"above": shares[:, 0], "below": shares[:, 1], "outside": shares.sum(axis=1)}
        rows.append(_Row({"window_px": window}, figures))
    return rows
