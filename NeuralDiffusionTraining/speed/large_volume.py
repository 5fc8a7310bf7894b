"""A volume that is larger than most, in a process of its own: does it go through, and in how much memory?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.devices import out_of_memory
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS

from .bench_volume import add_noise, clean_volume
from .timing import peak, reset_peak

SHAPE = (600, 1024, 1024)
"""Slices, rows, columns."""

_BLOCK = 16
_FULL = 75
_KILLED = -9
"""As Linux ends the process that needs most where the memory runs out."""


def large_volume(shape: Sequence[int] = SHAPE, iterations: int = 1, weights: Path = BUNDLED_WEIGHTS) -> dict[str, Any]:
    """Denoise a volume of 16-bit integers on the CPU, in a new process.

    Parameters
    ----------
    shape
        Slices, rows and columns.
    iterations
        Diffusion steps; they take time, not memory.
    weights
        File of weights.

    Returns
    -------
    dict
        "shape", "iterations", "seconds", "input_bytes", "output_bytes" (the image and the conduction map, float32),
        and "peak_bytes" of the whole process, Python and PyTorch included; ``None`` where the system does not tell.

    Raises
    ------
    MemoryError
        If there is not enough for it.
    """
    arguments = [str(one) for one in (weights, *shape, iterations)]
    done = subprocess.run([sys.executable, "-m", __name__, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode in (_FULL, _KILLED):
        raise MemoryError
    done.check_returncode()
    return json.loads(done.stdout)


def _run(weights: Path, shape: Sequence[int], iterations: int) -> dict[str, Any]:
    noisy = add_noise(clean_volume((_BLOCK, *shape[1:])).voxels)
    volume = np.resize((1000 * noisy).astype(np.int16), shape)
    # What it took to make the volume does not count.
    reset_peak("cpu")
    start = time.perf_counter()
    result = Denoiser("cpu", weights)(volume, DenoiseSettings(iterations=iterations, across_slices=True))
    return {
        "shape": list(shape),
        "iterations": iterations,
        "seconds": time.perf_counter() - start,
        "input_bytes": volume.nbytes,
        "output_bytes": result.image.nbytes + result.conduction.nbytes,
        "peak_bytes": peak("cpu"),
    }


if __name__ == "__main__":
    *measures, steps = map(int, sys.argv[2:])
    try:
        print(json.dumps(_run(Path(sys.argv[1]), measures, steps)))
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        sys.exit(_FULL)
