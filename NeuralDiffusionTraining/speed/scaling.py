"""How the time grows with slices, size of a slice, iterations, threads and slices in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.devices import precision_on

from .bench_volume import in_the_middle
from .timing import in_turns

SLICES = (1, 4, 16, 64, 180, 720)
SIDES = (64, 128, 256, 512, 1024)
ITERATIONS = (1, 2, 4, 8, 16, 32, 64)
THREADS = (1, 2)
BATCHES = (1, 2, 4, 8, 16)

_FEW = 16
_REPEATS = 5
_PATIENCE = 20.0

Curve = list[dict[str, float]]
Work = tuple[Callable[[], object], int]
"""What is timed, and its voxels."""


def scaling(
    denoiser: Denoiser,
    noisy: np.ndarray,
    settings: DenoiseSettings,
    slices: Sequence[int] = SLICES,
    sides: Sequence[int] = SIDES,
    iterations: Sequence[int] = ITERATIONS,
    threads: Sequence[int] = THREADS,
    batches: Sequence[int] = BATCHES,
    report: Callable[[str], None] = lambda words: None,
) -> Iterator[tuple[str, Curve]]:
    """Time ours along five axes, everything else as in the table.

    Parameters
    ----------
    noisy
        (slices, rows, columns), float32; repeated where more slices are asked for.
    slices, sides, iterations, threads, batches
        What to time: numbers of slices; rows and columns, with 16 slices; diffusion steps, with 16 slices; threads of
        PyTorch, with 16 slices (CPU only); slices in a batch, of 16 slices (the network alone).
    report
        Called with words on what is timed next.

    Yields
    ------
    tuple
        "slices", "side", "iterations", "threads" or "batch", and one entry a value: "value", "seconds" (median of 5,
        or of as many as end within 20 seconds), "voxels".
    """
    few = in_the_middle(noisy, (min(_FEW, len(noisy)), *noisy.shape[1:]))

    def run(volume: np.ndarray, settings: DenoiseSettings = settings) -> Work:
        return lambda: denoiser(volume, settings), volume.size

    report("slices")
    volumes = [np.resize(noisy, (count, *noisy.shape[1:])) for count in slices]
    yield "slices", _curve(denoiser, slices, [run(volume) for volume in volumes])
    report("size of a slice")
    yield "side", _curve(denoiser, sides, [run(_resized(few, side)) for side in sides])
    report("iterations")
    steps = [replace(settings, iterations=count) for count in iterations]
    yield "iterations", _curve(denoiser, iterations, [run(few, chosen) for chosen in steps])
    if denoiser.device == "cpu":
        report("threads")
        yield "threads", _curve(denoiser, threads, [_with_threads(count, run(few)) for count in threads])
    report("slices in a batch")
    yield "batch", _curve(denoiser, batches, [_in_batches(denoiser, few, count) for count in batches])


def _curve(denoiser: Denoiser, values: Sequence[int], works: Sequence[Work]) -> Curve:
    doings = [doing for doing, _ in works]
    for doing in doings:
        doing()
    timings = dict(in_turns(doings, denoiser.device, _REPEATS, _PATIENCE))
    return [
        {"value": value, "seconds": timings[number].median, "voxels": voxels}
        for number, (value, (_, voxels)) in enumerate(zip(values, works, strict=True))
    ]


def _in_batches(denoiser: Denoiser, volume: np.ndarray, count: int) -> Work:
    device = torch.device(denoiser.device)
    batches = torch.from_numpy(volume).unsqueeze(1).to(device).split(count)

    @torch.inference_mode()
    def run() -> None:
        with precision_on(device, denoiser.precision):
            for batch in batches:
                denoiser.network(batch).image.cpu()

    return run, volume.size


def _with_threads(count: int, work: Work) -> Work:
    def run() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            work[0]()
        finally:
            torch.set_num_threads(before)

    return run, work[1]


def _resized(volume: np.ndarray, side: int) -> np.ndarray:
    """Cut out the middle of each slice, or repeat the slice beside itself, until it is square with this side."""
    rows, columns = volume.shape[1:]
    if side > min(rows, columns):
        volume = np.tile(volume, (1, -(-side // rows), -(-side // columns)))
    return in_the_middle(volume, (len(volume), side, side))
