"""How the time grows with slices, size of a slice, iterations and threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from NeuralDiffusionLib import Denoiser, DenoiseSettings

from .bench_volume import in_the_middle
from .timing import measure

SLICES = (1, 4, 16, 64, 180, 720)
SIDES = (64, 128, 256, 512, 1024)
ITERATIONS = (1, 2, 4, 8, 16, 32, 64)
THREADS = (1, 2)

_FEW = 16
_REPEATS = 3
_PATIENCE = 20.0

Curve = list[dict[str, float]]


def scaling(
    denoiser: Denoiser,
    noisy: np.ndarray,
    settings: DenoiseSettings,
    slices: Sequence[int] = SLICES,
    sides: Sequence[int] = SIDES,
    iterations: Sequence[int] = ITERATIONS,
    threads: Sequence[int] = THREADS,
    report: Callable[[str], None] = lambda words: None,
) -> Iterator[tuple[str, Curve]]:
    """Time ours along four axes, everything else as in the table.

    Parameters
    ----------
    noisy
        (slices, rows, columns), float32; repeated where more slices are asked for.
    slices, sides, iterations, threads
        What to time: numbers of slices; rows and columns, with 16 slices; diffusion steps, with 16 slices; threads of
        PyTorch, with 16 slices (CPU only).
    report
        Called with words on what is timed next.

    Yields
    ------
    tuple
        "slices", "side", "iterations" or "threads", and one entry a value: "value", "seconds" (median of 3), "voxels".
    """
    few = in_the_middle(noisy, (min(_FEW, len(noisy)), *noisy.shape[1:]))

    def timed(value: int, volume: np.ndarray, settings: DenoiseSettings = settings) -> dict[str, float]:
        denoiser(volume[:1], settings)
        timing = measure(lambda: denoiser(volume, settings), denoiser.device, _REPEATS, _PATIENCE)
        return {"value": value, "seconds": timing.median, "voxels": volume.size}

    report("slices")
    yield "slices", [timed(count, np.resize(noisy, (count, *noisy.shape[1:]))) for count in slices]
    report("size of a slice")
    yield "side", [timed(side, _resized(few, side)) for side in sides]
    report("iterations")
    yield "iterations", [timed(steps, few, replace(settings, iterations=steps)) for steps in iterations]
    if denoiser.device == "cpu":
        report("threads")
        yield "threads", [_with_threads(count, lambda count=count: timed(count, few)) for count in threads]


def _with_threads(count: int, work: Callable[[], dict[str, float]]) -> dict[str, float]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def _resized(volume: np.ndarray, side: int) -> np.ndarray:
    """Cut out the middle of each slice, or repeat the slice beside itself, until it is square with this side."""
    rows, columns = volume.shape[1:]
    if side > min(rows, columns):
        volume = np.tile(volume, (1, -(-side // rows), -(-side // columns)))
    return in_the_middle(volume, (len(volume), side, side))
