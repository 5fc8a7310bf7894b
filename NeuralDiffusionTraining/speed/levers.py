"""The same computation without what makes it fast: each lever left out alone, and all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.intensity import estimate_range
from NeuralDiffusionLib.engine.slice_run import SliceRun
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork

from ..benchmark.learned import ours
from ..benchmark.methods import Method
from .across_whole import diffuse_across
from .row_names import STRAIGHTFORWARD, STRAIGHTFORWARD_FULL_RESOLUTION, one_changed
from .slow_forms import (
    FullResolutionGuidance,
    GatesEveryStep,
    NewBuffers,
    StepsPerPixel,
    Straightforward,
    StraightforwardFullResolution,
)
from .subjects import Subject

_SLICES = 45


def without_levers(usual: Denoiser, settings: DenoiseSettings) -> list[Subject]:
    """Ours on the middle slices, without each lever, and straightforward: float32, gates every step, slice by slice.

    Parameters
    ----------
    usual
        Ours, with the weights to measure.
    settings
        What to do. A step across slices follows in every form, where slices are taken one at a time, too.
    """
    float32 = usual.with_network(usual.network, "float32")

    def subject(name: str, denoiser: Denoiser, by_slice: bool = False, measured: bool = True) -> Subject:
        def run(noisy: np.ndarray) -> np.ndarray:
            return _slice_by_slice(denoiser, noisy, settings) if by_slice else denoiser(noisy, settings).image

        return Subject(name, "lever", run, denoiser.device, _SLICES, slab=True, measured=measured)

    usual_format = torch.contiguous_format
    return [
        subject("Nothing changed", usual),
        subject(one_changed("Half precision", "float32"), float32),
        subject(
            one_changed("channels_last", "PyTorch's usual format"), _with(usual, NeuralDiffusionNetwork, usual_format)
        ),
        subject(one_changed("Held gates", "predicted in every step"), _with(usual, GatesEveryStep)),
        subject(one_changed("Steps on edges", "on pixels"), _with(usual, StepsPerPixel)),
        subject(one_changed("In-place buffers", "convolutions into new ones"), _with(usual, NewBuffers)),
        subject(one_changed("Batches", "one slice at a time"), usual, by_slice=True),
        subject(
            "Half-resolution guidance: full instead, untrained", _with(usual, FullResolutionGuidance), measured=False
        ),
        subject("float32, gates in every step, one slice at a time", _with(float32, GatesEveryStep), by_slice=True),
        subject(
            STRAIGHTFORWARD,
            _with(float32, Straightforward, usual_format),
            by_slice=True,
        ),
        subject(
            STRAIGHTFORWARD_FULL_RESOLUTION,
            _with(float32, StraightforwardFullResolution, usual_format),
            by_slice=True,
            measured=False,
        ),
    ]


def compiled(usual: Denoiser, settings: DenoiseSettings) -> Subject:
    """Ours with what PyTorch's compiler takes of it: not in use, as Slicer has no compiler and it takes a minute."""
    denoiser = _with(usual, NeuralDiffusionNetwork)
    for part in (denoiser.network.noise_level, denoiser.network.guidance, denoiser.network.refinement):
        part.compile()
    return Subject(
        "torch.compile on top, not in use",
        "lever",
        lambda noisy: denoiser(noisy, settings).image,
        denoiser.device,
        _SLICES,
        slab=True,
    )


def lever_rows(denoiser: Denoiser, settings: DenoiseSettings) -> list[Method]:
    """Rows of the benchmark's table: ours without the levers that change its figures, alone and together.

    Parameters
    ----------
    denoiser
        With the weights to measure.
    settings
        Noise type, iterations and neighbourhood.
    """
    every_step = "gates in every step"
    rows = [
        ("float32", _with(denoiser, NeuralDiffusionNetwork, precision="float32")),
        (every_step, _with(denoiser, GatesEveryStep)),
        (f"float32 and {every_step}", _with(denoiser, GatesEveryStep, precision="float32")),
    ]
    return [
        replace(row, name=f"{row.name}, {words}")
        for words, changed in rows
        for row in ours(changed, settings, (settings.neighbours,))[:1]
    ]


def _with(
    denoiser: Denoiser,
    kind: type[NeuralDiffusionNetwork],
    memory_format: torch.memory_format = torch.channels_last,
    precision: str | None = None,
) -> Denoiser:
    """Return a denoiser of the same weights, device and precision that computes with another kind of network."""
    network = kind(denoiser.network.architecture)
    network.load_state_dict(denoiser.network.state_dict())
    return denoiser.with_network(network.to(memory_format=memory_format), precision)


def _slice_by_slice(denoiser: Denoiser, noisy: np.ndarray, settings: DenoiseSettings) -> np.ndarray:
    settings = replace(settings, intensity_range=estimate_range(noisy))
    alone = replace(settings, across_slices=False)
    results = [denoiser(picture[None], alone) for picture in noisy]
    images = np.concatenate([result.image for result in results])
    if settings.across_slices:
        levels = np.concatenate([result.slice_sigma for result in results])
        diffuse_across(images, SliceRun.of(noisy, settings), levels, torch.device(denoiser.device))
    return images
