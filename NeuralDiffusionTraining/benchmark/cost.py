"""What a method costs: parameters, multiply-adds per pixel, seconds per slice."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork

from .methods import Method

SIDE = 128
TIMED_SLICES = 32
TIMED_PASSES = 3


def count_parameters(network: nn.Module, refine: bool = True) -> int:
    """Trainable numbers of a network; without those of its `refinement` if that is switched off."""
    total = sum(weights.numel() for weights in network.parameters())
    if not refine and hasattr(network, "refinement"):
        total -= sum(weights.numel() for weights in network.refinement.parameters())
    return total


def macs_per_pixel(network: nn.Module, settings: DenoiseSettings) -> float:
    """Multiply-adds per pixel of a 128 x 128 slice: convolutions, matrix products and diffusion steps.

    Activations, normalisations and the look-up of the bias are left out, as is usual. The diffusion of a
    `NeuralDiffusionNetwork` is added by `diffusion_macs_per_pixel`; that of other networks is left out (it is below
    1 % of their convolutions).
    """
    device = next(network.parameters()).device
    slices = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(
            slices,
            settings.noise,
            iterations=settings.iterations,
            neighbours=settings.neighbours,
            refine=settings.refine,
        )
    # The counter takes a multiply-add for two operations.
    macs = counter.get_total_flops() / 2 / SIDE**2
    if isinstance(network, NeuralDiffusionNetwork):
        macs += diffusion_macs_per_pixel(settings.iterations, settings.neighbours)
    return macs


def diffusion_macs_per_pixel(iterations: int, neighbours: int) -> int:
    """Multiply-adds of the diffusion steps of one pixel.

    Half of a pixel's edges are its own. A step multiplies the difference along each of them by gate and by weight and
    adds the result at both ends, then adds the sum, times the step size, to the pixel.
    """
    return iterations * (neighbours + 1)


def seconds_per_slice(method: Method, noisy: np.ndarray, levels: np.ndarray) -> float:
    """Median time over `TIMED_PASSES` passes over the first `TIMED_SLICES` slices, divided by their number.

    The method must have run before, so that nothing is loaded, compiled or allocated while the clock runs.
    """
    noisy, levels = noisy[:TIMED_SLICES], levels[:TIMED_SLICES]
    passes = []
    for _ in range(TIMED_PASSES):
        start = time.perf_counter()
        # The pictures come back as numpy arrays, so a GPU has finished when the call returns.
        method.denoise(noisy, levels)
        passes.append(time.perf_counter() - start)
    return statistics.median(passes) / len(noisy)
