"""The diffusion as it unfolds: a volume, or one slice of it, after each stage or each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import InvalidVolumeError
from ..network.diffusion import diffuse
from ..network.neural_diffusion import NeuralDiffusionNetwork
from ..translation import translator
from .denoiser import Denoiser
from .settings import DenoiseSettings
from .slice_run import SliceRun

_ = translator(__name__)

DEFAULT_MEMORY_LIMIT = 4_000_000_000
_BYTES_PER_VOXEL = 4


@dataclass(frozen=True)
class DiffusionTrace:
    """What a trace gives.

    Attributes
    ----------
    iterations
        Number of steps after which each image was taken: 0, which is the input, then 4, 8, 12, 16 ...
    images
        One volume for each, float32, in the units of the input and with its axes. They are states of the diffusion
        within the slices: the inversion of the noise bias, the refinement and the step across the slices, which follow
        it, are not in them.
    slice_axis
        Axis of the volume along which the slices are stacked.
    slice_index
        Place along that axis of the one slice that was traced; ``None`` where all were.
    """

    iterations: tuple[int, ...]
    images: tuple[np.ndarray, ...]
    slice_axis: int
    slice_index: int | None


def trace_diffusion(
    denoiser: Denoiser,
    volume: np.ndarray,
    settings: DenoiseSettings | None = None,
    slice_index: int | None = None,
    every_step: bool = False,
    memory_limit: int = DEFAULT_MEMORY_LIMIT,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> DiffusionTrace:
    """Follow the diffusion of a volume, or of one slice of it.

    Parameters
    ----------
    denoiser
        Weights, device and precision.
    volume, settings, progress, cancelled
        As for `Denoiser`; the refinement and the step across slices play no part.
    slice_index
        Place of one slice along the slice axis, 0 or more; it diffuses as it does within the volume. ``None`` traces
        all slices.
    every_step
        Whether to keep the image after every step, instead of after every stage (the steps that share their gates).
    memory_limit
        Largest size of all images together, in bytes.

    Raises
    ------
    InvalidVolumeError
        If the volume cannot be denoised, or its trace exceeds the limit.
    ValueError
        If there is no such slice.
    DenoiseCancelled
        If the run was cancelled.
    """
    settings = settings or DenoiseSettings()
    run = SliceRun.of(volume, settings)
    if slice_index is not None:
        run = _one_slice(run, slice_index)
    ends = _ends(denoiser.network, settings, every_step)
    _check_memory(run, 1 + len(ends), memory_limit)
    images = [np.empty(run.slices.shape, np.float32) for _ in range(1 + len(ends))]

    def follow(network: NeuralDiffusionNetwork, part: slice, inputs: torch.Tensor) -> None:
        states = _states(network, inputs, run, every_step)
        for image, state in zip(images, (inputs, *states), strict=True):
            image[part] = run.in_scan_units(part, inputs, state).cpu().numpy()

    denoiser.each_batch(run, follow, progress, cancelled)
    return DiffusionTrace(
        (0, *ends), tuple(run.in_place(image) for image in images), run.settings.slice_axis, slice_index
    )


def _one_slice(run: SliceRun, index: int) -> SliceRun:
    count = len(run.slices)
    if not 0 <= index < count:
        raise ValueError(f"Slice {index} is not there: choose one from 0 to {count - 1}.")
    return replace(run, slices=run.slices[index : index + 1])


def _ends(network: NeuralDiffusionNetwork, settings: DenoiseSettings, every_step: bool) -> tuple[int, ...]:
    """Number of steps done after each image but the first."""
    if every_step:
        return tuple(range(1, settings.iterations + 1))
    # The network alone knows its stages: it is asked with a slice of one pixel.
    pixel = next(network.parameters()).new_zeros(1, 1, 1, 1)
    with torch.inference_mode():
        stages = network.stages(pixel, settings.noise, settings.iterations, settings.neighbours)
        return tuple(int(end) for end in np.cumsum([stage.steps for stage in stages]))


def _check_memory(run: SliceRun, items: int, limit: int) -> None:
    each = run.slices.size * _BYTES_PER_VOXEL
    if items * each <= limit:
        return
    message = _(
        "The trace would take {needed:.3g} GB ({items} images of {each:.3g} GB), more than the limit of {limit:.3g} GB"
        ": trace one slice instead, or fewer iterations."
    )
    raise InvalidVolumeError(message.format(needed=items * each / 1e9, items=items, each=each / 1e9, limit=limit / 1e9))


def _states(
    network: NeuralDiffusionNetwork, inputs: torch.Tensor, run: SliceRun, every_step: bool
) -> list[torch.Tensor]:
    """The slices after each stage or step, without the input itself."""
    settings = run.settings
    stages = network.stages(inputs, settings.noise, settings.iterations, settings.neighbours, run.given_sigma(inputs))
    if not every_step:
        return [stage.state for stage in stages]
    sizes = network.step_sizes(settings.iterations, settings.neighbours)
    states = [inputs]
    for stage in stages:
        for _ in range(stage.steps):
            step = len(states) - 1
            states.append(diffuse(states[-1], stage.gates, sizes[step : step + 1], stage.reach))
    return states[1:]
