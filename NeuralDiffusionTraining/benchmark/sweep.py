"""The network over every noise type, noise level, neighbourhood and number of iterations, and others beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from NeuralDiffusionLib import NOISE_TYPES, DenoiseSettings
from NeuralDiffusionLib.engine.settings import NEIGHBOURHOODS

from .bootstrap import GroupBootstrap, paired_difference
from .evaluation import corrupt_all, run_method
from .methods import Method
from .metrics import FIGURES, head_masks, measure_all
from .network_pass import NetworkPass

SIGMAS = (0.0, 0.01, 0.02, 0.05, 0.10, 0.15, 0.20)
ITERATIONS = (1, 4, 8, 16, 32, 64)
SWEPT_FIGURES = ("psnr_db", "ssim", "edge_mse")


def sweep(
    network: NetworkPass,
    clean: np.ndarray,
    groups: np.ndarray,
    noises: Sequence[str] = NOISE_TYPES,
    sigmas: Sequence[float] = SIGMAS,
    neighbourhoods: Sequence[int] = NEIGHBOURHOODS,
    iterations: Sequence[int] = ITERATIONS,
    progress: Callable[[str], None] | None = None,
    own: Sequence[Method] = (),
) -> list[dict[str, Any]]:
    """Measure every combination on the benchmark's noisy version of the slices.

    Parameters
    ----------
    network
        Blind: it is told the noise type (for "mixed" not even that), never the level.
    clean
        (slices, rows, columns), float32 in [0, 1].
    groups
        Near-duplicate group of each slice, (slices,), for the intervals.
    progress
        Called with a few words about each combination once it is measured.
    own
        Methods to measure beside it, once for each noise type and level.

    Returns
    -------
    list of dict
        For JSON, one for each combination: "noise", "sigma", "neighbours", "iterations" and, for the pictures "noisy",
        "diffused" (without refinement) and "full", the figures of `SWEPT_FIGURES` as {"mean", "low", "high"}. One pass
        of the network gives both pictures. For "diffused" and "full" also what a mean hides: "lowest_psnr_db" of all
        slices and, where noise was added, "worse_slices", the number of those with a PSNR below that of the noisy
        slice, and "largest_loss_db", 0 or more. "own" has the same by the name of each method; as the noisy slices,
        they know no neighbourhood and no iterations, so all combinations of a noise type and level share them.
    """
    heads = head_masks(clean)
    bootstrap = GroupBootstrap(groups)

    def figures(pictures: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
        columns = measure_all(pictures, clean, heads)
        means = {name: bootstrap.interval(columns[:, FIGURES.index(name)]).as_dict() for name in SWEPT_FIGURES}
        return means, columns[:, FIGURES.index("psnr_db")]

    def denoised(pictures: np.ndarray, before: np.ndarray, sigma: float) -> dict[str, Any]:
        means, psnr = figures(pictures)
        return {**means, "lowest_psnr_db": float(psnr.min()), **(_harm(psnr, before) if sigma else {})}

    cells = []
    for noise, sigma in product(noises, sigmas):
        noisy, levels = corrupt_all(clean, noise, sigma)
        of_noisy, before = figures(noisy)
        of_own = {method.name: denoised(run_method(method, noisy, levels), before, sigma) for method in own}
        for neighbours, steps in product(neighbourhoods, iterations):
            settings = DenoiseSettings(noise=noise, neighbours=neighbours, iterations=steps)
            pictures = network(noisy, settings)
            cells.append(
                {
                    "noise": noise,
                    "sigma": sigma,
                    "neighbours": neighbours,
                    "iterations": steps,
                    "noisy": of_noisy,
                    "diffused": denoised(pictures.diffused, before, sigma),
                    "full": denoised(pictures.image, before, sigma),
                    "own": of_own,
                }
            )
            if progress is not None:
                progress(f"{noise}, sigma {sigma:g}")
    return cells


def _harm(psnr: np.ndarray, before: np.ndarray) -> dict[str, Any]:
    lost = -paired_difference(psnr, before)
    return {"worse_slices": int((lost > 0).sum()), "largest_loss_db": max(0.0, float(lost.max()))}
