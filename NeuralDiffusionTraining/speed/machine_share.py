"""What share of the machine's arithmetic and memory bandwidth a run achieves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.devices import compute_dtype

from .timing import wait_for

_SIDES = {"cpu": 2048, "cuda": 8192}
"""Side of the square matrices that are multiplied and copied."""

_TRIES = 5


class _Traffic(TorchDispatchMode):
    """Adds up the bytes that operations read and write; views move none."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple = (), options: dict[str, Any] | None = None
    ) -> Any:
        made = function(*arguments, **(options or {}))
        if not function.is_view:
            tensors = [one for one in tree_leaves((arguments, made)) if isinstance(one, torch.Tensor)]
            self.bytes += sum(one.numel() * one.element_size() for one in tensors)
        return made


def machine_share(
    denoiser: Denoiser, volume: np.ndarray, settings: DenoiseSettings, seconds: float
) -> dict[str, float]:
    """Arithmetic and memory traffic of a run beside what the same device reaches in a product and a copy of matrices.

    Parameters
    ----------
    volume
        (slices, rows, columns).
    seconds
        What the run took, transfers included.

    Returns
    -------
    dict
        "operations_per_second" (multiplications and additions) and "bytes_per_second" that operations of the network
        read and write, caches not considered, each with the "peak_..." that was measured here and the "share_of_...".
    """
    one, device = volume[:1], torch.device(denoiser.device)
    counter, traffic = FlopCounterMode(display=False), _Traffic()
    with counter:
        denoiser(one, settings)
    with traffic:
        denoiser(one, settings)
    dtype = compute_dtype(device, denoiser.precision)
    side = _SIDES["cuda" if device.type == "cuda" else "cpu"]
    first, second = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    # Far larger than any cache.
    source = torch.rand(4 * side, 4 * side, device=device)
    target = torch.empty_like(source)
    found: dict[str, float] = {}
    for name, done, peak in (
        ("operations", counter.get_total_flops(), 2 * side**3 / _fastest(lambda: first @ second, device)),
        ("bytes", traffic.bytes, 2 * source.numel() * 4 / _fastest(lambda: target.copy_(source), device)),
    ):
        rate = done * len(volume) / seconds
        found |= {f"{name}_per_second": rate, f"peak_{name}": peak, f"share_of_{name}": rate / peak}
    return found


def _fastest(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of some runs, after one that does not count."""
    taken = []
    for _ in range(_TRIES + 1):
        begin = time.perf_counter()
        work()
        wait_for(str(device))
        taken.append(time.perf_counter() - begin)
    return min(taken[1:])
