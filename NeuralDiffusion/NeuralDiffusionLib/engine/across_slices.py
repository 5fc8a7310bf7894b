"""One diffusion step across the slices, after each was denoised on its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..network.noise_level import sliding_sum
from .devices import out_of_memory
from .scalar_types import cast_into
from .slice_run import FARTHEST, SliceRun
from .transfers import upload

_STEP = 1 / 3
"""Of a gate of 1: a voxel becomes the mean of itself and its neighbours in the two next slices."""

_WINDOW = 5
_PART_VOXELS = 1_000_000


@torch.inference_mode()
def diffuse_across(
    images: np.ndarray, run: SliceRun, sigma: np.ndarray, device: torch.device, check: Callable[[], None]
) -> bool:
    """Let what two neighbouring slices have in common flow between them, in place.

    The noise of neighbouring slices is independent, so what is left of it is, too: views across the slices show it as
    faint lines. The step is that of Perona and Malik (IEEE Trans. Pattern Anal. Mach. Intell. 12, 1990) with their
    gate exp(-d^2 / s^2), where s is the noise level of the two slices and d^2 the mean over 5 x 5 pixels of their
    squared difference: anatomy that changes by more than the noise from one slice to the next stays as it is. It
    conserves the mean of the volume but for rounding, creates no new extrema, and vanishes with the noise level.

    Parameters
    ----------
    images
        Denoised slices, (slices, rows, columns), in the scan's units, any scalar type.
    run
        Where the slices come from: their range, and what kind of noise they have.
    sigma
        Noise level of each slice, (slices,), as in `DenoiseResult.slice_sigma`.
    device
        Where to compute.
    check
        Called before each part of the volume; it may raise, to cancel.

    Returns
    -------
    bool
        Whether the memory of the device sufficed: where it did not, the rest was computed on the CPU.
    """
    # There are no numbers of 64 bits on Apple's cards.
    device = torch.device("cpu") if device.type == "mps" else device
    end, step = len(images) - 1, max(1, _PART_VOXELS // images[0].size)
    levels, sufficed = sigma.astype(np.float64) / run.sigma_unit, True
    lost = torch.zeros(1)
    for first in range(0, end, step):
        check()
        last = min(first + step, end)
        part, level = images[first : last + 1], levels[first : last + 1]
        try:
            stepped, lost = _stepped(part, run, level, lost, device)
        except (RuntimeError, MemoryError) as error:
            if device.type == "cpu" or not out_of_memory(error):
                raise
            device, sufficed = torch.device("cpu"), False
            stepped, lost = _stepped(part, run, level, lost, device)
        # The last slice is still to receive from the next: it is written with the next part.
        done = len(part) if last == end else len(part) - 1
        cast_into(part[:done], stepped[:done])
    return sufficed


def _stepped(
    images: np.ndarray, run: SliceRun, levels: np.ndarray, lost: Tensor, device: torch.device
) -> tuple[np.ndarray, Tensor]:
    """Some slices after the step, the first less what it `lost` to the one before, and what the last one loses."""
    exact = upload(images, device).double()
    unit = ((exact - run.low) / run.scale).clamp_(-FARTHEST, FARTHEST).float()
    squared = torch.from_numpy((levels[:-1] * levels[1:]).astype(np.float32)).to(device).view(-1, 1, 1)
    flux = _flux(unit, squared, run.settings.noise in ("speckle", "mixed")).double() * run.scale
    exact[0] -= lost.to(device)
    exact[:-1] += flux
    exact[1:] -= flux
    return exact.cpu().numpy(), flux[-1]


def _flux(slices: Tensor, squared_level: Tensor, of_signal: bool) -> Tensor:
    """What flows into each slice from the next one, (slices - 1, rows, columns), in units of the range."""
    before, after = slices[:-1], slices[1:]
    difference = after - before
    distance = _local_mean(difference.square())
    if of_signal:
        # Of mixed noise that may be all there is to a part, so the smaller level of both kinds is taken.
        squared_level = squared_level * _local_mean(((before + after) / 2).square())
    gate = torch.where(squared_level > 0, torch.exp(-distance / squared_level), 0)
    return _STEP * gate * difference


def _local_mean(images: Tensor) -> Tensor:
    share = (1 / _WINDOW,) * _WINDOW
    images = images.unsqueeze(1)
    return sliding_sum(sliding_sum(images, share, 2), share, 3).squeeze(1)
