"""One diffusion step across the slices, as each is denoised on its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..network.noise_level import sliding_sum
from .slice_run import FARTHEST, LEAST_SIGMA, SliceRun

_STEP = 1 / 3
"""Of a gate of 1: a voxel becomes the mean of itself and its neighbours in the two next slices."""

_WINDOW = 5


@dataclass(frozen=True)
class _Border:
    """Between two batches: the last slice of the first before the step, its noise level, and what it gave away."""

    image: Tensor
    level: Tensor
    given: Tensor


class StepAcross:
    """One diffusion step across the slices of a run, which come in batches, from the first to the last.

    The noise of neighbouring slices is independent, so what is left of it is, too: views across the slices show it as
    faint lines. The step lets flow what two neighbours have in common. It is that of Perona and Malik (IEEE Trans.
    Pattern Anal. Mach. Intell. 12, 1990) with their gate exp(-d^2 / s^2), where s is the noise level of the two slices
    and d^2 the mean over 5 x 5 pixels of their squared difference: anatomy that changes by more than the noise from one
    slice to the next stays as it is. It conserves the mean of the volume but for rounding, creates no new extrema, and
    vanishes with the noise level.

    Parameters
    ----------
    run
        Where the slices come from: their number and range, and what kind of noise they have.
    """

    def __init__(self, run: SliceRun) -> None:
        self._run = run
        self._borders: dict[int, _Border] = {}

    @torch.inference_mode()
    def __call__(self, part: slice, images: Tensor, level: Tensor) -> tuple[slice, Tensor]:
        """Take a batch, and give the slices that have by now received from both neighbours.

        A batch may come again, also another one from the same slice on, until `forget` is called.

        Parameters
        ----------
        part
            Place of the batch among the slices. The one before must have come already.
        images
            The denoised slices, (batch, rows, columns), in the scan's units, float32 or float64.
        level
            Noise level of each, (batch,), in the network's units.

        Returns
        -------
        tuple
            The place of the finished slices, and these, (finished, rows, columns), in the type of `images`: one slice
            later than the batch and, but for the last batch, without its last slice.
        """
        border, count = self._borders.get(part.start), len(self._run.slices)
        exact, level = images.double(), level.to(images.device)
        if border is not None:
            exact = torch.cat([border.image.to(images.device), exact])
            level = torch.cat([border.level.to(images.device), level])
        flux = self._flux(exact, torch.where(level < LEAST_SIGMA, 0, level))
        stepped = exact.clone()
        stepped[:-1] += flux
        stepped[1:] -= flux
        if border is not None:
            stepped[0] -= border.given.to(images.device)
        if part.stop < count:
            given = flux[-1] if len(flux) else torch.zeros_like(exact[0])
            self._borders[part.stop] = _Border(exact[-1:].clone(), level[-1:], given.clone())
            stepped = stepped[:-1]
        first = part.start - (border is not None)
        return slice(first, first + len(stepped)), stepped.to(images.dtype)

    def forget(self, end: int) -> None:
        """Let go what is kept for batches that begin before slice number `end`: none of them comes again."""
        self._borders = {start: border for start, border in self._borders.items() if start >= end}

    def _flux(self, images: Tensor, level: Tensor) -> Tensor:
        """What flows into each slice from the next one, (slices - 1, rows, columns), float64, in the scan's units."""
        run = self._run
        unit = ((images - run.low) / run.scale).clamp_(-FARTHEST, FARTHEST).float()
        before, after = unit[:-1], unit[1:]
        difference = after - before
        distance = _local_mean(difference.square())
        squared_level = (level[:-1] * level[1:]).view(-1, 1, 1)
        if run.settings.noise in ("speckle", "mixed"):
            # Of mixed noise a part may grow with the signal, and all of it may: the smaller level of both is taken.
            squared_level = squared_level * _local_mean(((before + after) / 2).square())
        gate = torch.where(squared_level > 0, torch.exp(-distance / squared_level), 0)
        return (_STEP * gate * difference).double() * run.scale


def _local_mean(images: Tensor) -> Tensor:
    if images.shape[0] == 0:
        return images
    share = (1 / _WINDOW,) * _WINDOW
    images = images.unsqueeze(1)
    return sliding_sum(sliding_sum(images, share, 2), share, 3).squeeze(1)
