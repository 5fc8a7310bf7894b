"""The step across slices, taken in a whole volume after all of its slices are denoised."""

from __future__ import annotations

import numpy as np
import torch

from NeuralDiffusionLib.engine.across_slices import StepAcross
from NeuralDiffusionLib.engine.scalar_types import cast_into
from NeuralDiffusionLib.engine.slice_run import SliceRun
from NeuralDiffusionLib.engine.transfers import upload

_PART_VOXELS = 1_000_000


def diffuse_across(images: np.ndarray, run: SliceRun, sigma: np.ndarray, device: torch.device) -> None:
    """Take the step in place.

    Parameters
    ----------
    images
        Denoised slices, (slices, rows, columns), in the scan's units, float32 or float64.
    run
        As for `StepAcross`.
    sigma
        Noise level of each slice, (slices,), as in `DenoiseResult.slice_sigma`.
    device
        Where to compute.
    """
    step, batch = StepAcross(run), max(1, _PART_VOXELS // images[0].size)
    levels = torch.from_numpy(np.array(sigma, np.float32) / np.float32(run.sigma_unit))
    for first in range(0, len(images), batch):
        part = slice(first, min(first + batch, len(images)))
        place, stepped = step(part, upload(images[part], device), levels[part])
        cast_into(images[place], stepped.cpu().numpy())
        step.forget(part.stop)
