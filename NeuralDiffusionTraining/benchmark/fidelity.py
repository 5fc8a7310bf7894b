"""Two checks that a radiologist would ask for: lesions kept or invented, and new extrema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..data.corruption import benchmark_corruption
from .bootstrap import GroupBootstrap
from .envelope import WINDOWS, envelope_shares
from .evaluation import corrupt_all, run_method
from .lesions import CNRS, RADII, Lesion, false_lesions, place_lesions, recovered_contrast, with_lesions
from .methods import Method
from .metrics import head_masks

_SEED = 43
RUNS = 1 + len(CNRS)
"""Times that every method denoises every slice."""


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
        What to check.
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
        Lists of rows for JSON; figures are {"mean", "low", "high"} over slices.

        "lesions": recovered share of the contrast by "method", "radius_px" and "cnr"; "lesions" counts them.
        "false_lesions": blobs "per_slice" at least as strong as a lesion of that contrast, by the same three.
        "envelope": share of pixels "above", "below" and "outside" the envelope, by "method" and "window_px".
    """
    noisy, levels = corrupt_all(clean, noise, sigma)
    heads = head_masks(clean)
    lesions = [
        place_lesions(picture, head, max(CNRS) * level, np.random.default_rng((_SEED, position)))
        for position, (picture, head, level) in enumerate(zip(clean, heads, levels, strict=True))
    ]
    with_each_contrast = [_corrupt_with_lesions(clean, lesions, noise, levels, cnr) for cnr in CNRS]
    tables: dict[str, list[dict[str, Any]]] = {"lesions": [], "false_lesions": [], "envelope": []}
    for method in methods:
        without = run_method(method, noisy, levels, progress)
        tables["envelope"] += _envelope_rows(method, without, noisy, groups)
        tables["false_lesions"] += _false_rows(method, without, clean, heads, levels, groups)
        for cnr, noisy_lesions in zip(CNRS, with_each_contrast, strict=True):
            responses = run_method(method, noisy_lesions, levels, progress) - without
            tables["lesions"] += _lesion_rows(method, responses, lesions, levels, cnr, groups)
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


def _lesion_rows(
    method: Method,
    responses: np.ndarray,
    lesions: list[list[Lesion]],
    levels: np.ndarray,
    cnr: float,
    groups: np.ndarray,
) -> list[dict[str, Any]]:
    shares = np.full((len(responses), len(RADII)), np.nan)
    for number, inside in enumerate(lesions):
        for lesion in inside:
            share = recovered_contrast(responses[number], lesion, cnr * levels[number])
            shares[number, RADII.index(lesion.radius)] = share
    bootstrap = GroupBootstrap(groups)
    return [
        {
            "method": method.name,
            "radius_px": radius,
            "cnr": cnr,
            "recovered": bootstrap.interval(shares[:, column]).as_dict(),
            "lesions": int(np.sum(~np.isnan(shares[:, column]))),
        }
        for column, radius in enumerate(RADII)
    ]


def _false_rows(
    method: Method,
    pictures: np.ndarray,
    clean: np.ndarray,
    heads: np.ndarray,
    levels: np.ndarray,
    groups: np.ndarray,
) -> list[dict[str, Any]]:
    found = [
        false_lesions(np.clip(picture, 0, 1), truth, head)
        for picture, truth, head in zip(pictures, clean, heads, strict=True)
    ]
    bootstrap = GroupBootstrap(groups)
    rows = []
    for radius in RADII:
        for cnr in CNRS:
            counts = [
                np.sum((strengths >= cnr * level) & (radii == radius))
                for (strengths, radii), level in zip(found, levels, strict=True)
            ]
            interval = bootstrap.interval(np.array(counts))
            rows.append({"method": method.name, "radius_px": radius, "cnr": cnr, "per_slice": interval.as_dict()})
    return rows


def _envelope_rows(method: Method, pictures: np.ndarray, noisy: np.ndarray, groups: np.ndarray) -> list[dict[str, Any]]:
    bootstrap = GroupBootstrap(groups)
    rows = []
    for window in WINDOWS:
        shares = np.array([envelope_shares(*pair, window) for pair in zip(pictures, noisy, strict=True)])
        figures = {"above": shares[:, 0], "below": shares[:, 1], "outside": shares.sum(axis=1)}
        row = {name: bootstrap.interval(values).as_dict() for name, values in figures.items()}
        rows.append({"method": method.name, "window_px": window, **row})
    return rows
