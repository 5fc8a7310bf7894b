"""The same computation without what makes it fast: each lever left out alone, and all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.intensity import estimate_range
from NeuralDiffusionLib.network import NeuralDiffusionNetwork

from .subjects import Subject


class GatesEveryStep(NeuralDiffusionNetwork):
    """The network that predicts its gates anew before every step, as an unrolled loop is written first."""

    def schedule(self, iterations: int) -> Iterator[tuple[int, int, int]]:
        for stage, first, last in super().schedule(iterations):
            for step in range(first, last):
                yield stage, step, step + 1


def without_levers(device: str, settings: DenoiseSettings) -> list[Subject]:
    """Ours without each lever, and the straightforward form: float32, gates every step, one slice at a time.

    Parameters
    ----------
    device
        As for `Denoiser`.
    settings
        What to do.
    """
    usual, float32 = Denoiser(device), Denoiser(device, precision="float32")
    every_step, contiguous = _with(usual, GatesEveryStep), _with(usual, NeuralDiffusionNetwork)
    contiguous.network.to(memory_format=torch.contiguous_format)
    straightforward = _with(float32, GatesEveryStep)
    straightforward.network.to(memory_format=torch.contiguous_format)

    def subject(name: str, denoiser: Denoiser, by_slice: bool = False) -> Subject:
        def run(noisy: np.ndarray) -> np.ndarray:
            return _slice_by_slice(denoiser, noisy, settings) if by_slice else denoiser(noisy, settings).image

        return Subject(name, "lever", run, denoiser.device)

    return [
        subject("Without half precision: float32", float32),
        subject("Without channels_last", contiguous),
        subject("Without held gates: predicted every step", every_step),
        subject("Without batches: one slice at a time", usual, by_slice=True),
        subject("Straightforward form: without all four", straightforward, by_slice=True),
    ]


def _with(denoiser: Denoiser, kind: type[NeuralDiffusionNetwork]) -> Denoiser:
    """Return a denoiser of the same weights, device and precision that computes with another kind of network."""
    network = kind(denoiser.network.architecture)
    network.load_state_dict(denoiser.network.state_dict())
    other = Denoiser(denoiser.device, precision=denoiser.precision)
    other.network = network.eval().to(denoiser.device, memory_format=torch.channels_last)
    return other


def _slice_by_slice(denoiser: Denoiser, noisy: np.ndarray, settings: DenoiseSettings) -> np.ndarray:
    settings = replace(settings, intensity_range=estimate_range(noisy))
    return np.concatenate([denoiser(picture[None], settings).image for picture in noisy])
