"""How freely intensity flowed along each direction of the neighbourhood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..network.neighbourhood import directions, edges_inside
from ..network.neural_diffusion import NeuralDiffusionNetwork
from .denoiser import Denoiser
from .settings import DenoiseSettings
from .slice_run import SliceRun

DIRECTIONS = ("right", "down", "down right", "down left")
"""Names of the edge directions in the picture of a slice, in the order of `OFFSETS`: rows run down, columns right."""


def direction_maps(
    denoiser: Denoiser,
    volume: np.ndarray,
    settings: DenoiseSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, np.ndarray]:
    """Mean gate over the diffusion steps, for each edge direction on its own.

    Parameters
    ----------
    denoiser
        Weights, device and precision.
    volume, settings, progress, cancelled
        As for `Denoiser`; the refinement plays no part.

    Returns
    -------
    dict
        From the name of each of the 2 or 4 directions of the neighbourhood (`DIRECTIONS`) to its map: float32 in
        [0, 1], shape of the volume, 1 where the equation smoothed freely from a pixel along that direction, 0 where
        it held. Steps in which the edge leaves the slice do not count; a pixel without any such edge has 0.

    Raises
    ------
    InvalidVolumeError
        If the volume cannot be denoised.
    DenoiseCancelled
        If the run was cancelled.
    """
    settings = settings or DenoiseSettings()
    run = SliceRun.of(volume, settings)
    names = DIRECTIONS[: directions(settings.neighbours)]
    maps = np.empty((len(names), *run.slices.shape), np.float32)

    def average(network: NeuralDiffusionNetwork, part: slice, inputs: torch.Tensor) -> None:
        total = torch.zeros(len(inputs), len(names), *inputs.shape[-2:], device=inputs.device)
        count = torch.zeros_like(total[:1])
        stages = network.stages(
            inputs, settings.noise, settings.iterations, settings.neighbours, run.given_sigma(inputs)
        )
        for stage in stages:
            inside = edges_inside(inputs, stage.reach, len(names))
            total += stage.steps * inside * stage.gates
            count += stage.steps * inside
        mean = (total / count.clamp_min(1)).clamp(0, 1)
        maps[:, part] = mean.movedim(1, 0).cpu().numpy()

    denoiser.each_batch(run, average, progress, cancelled)
    return {name: run.in_place(one) for name, one in zip(names, maps, strict=True)}
