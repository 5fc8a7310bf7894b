"""Where the time of a run goes: noise level, guidance, gates, steps, refinement, and what lies around the network."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.slice_run import SliceRun

from .across_whole import diffuse_across
from .timing import wait_for

STEPS = "diffusion steps, conduction map and the rest"
ACROSS = "step across slices"
AROUND = "scaling and transfers"


def where_time_goes(denoiser: Denoiser, volume: np.ndarray, settings: DenoiseSettings) -> dict[str, float]:
    """Seconds of one run by part of the network; their sum is the time of the run.

    `STEPS` is what the other parts leave of the network's time, so projecting the guidance onto the gates is in it.

    On a GPU every part waits for the one before, so that the sum is above the time of an undisturbed run.

    Parameters
    ----------
    volume
        (slices, rows, columns).
    settings
        What to do; the step across slices is timed on its own.
    """
    network, within = denoiser.network, replace(settings, across_slices=False)
    parts = {
        "noise level": [network.noise_level],
        "guidance": [network.guidance],
        "gates": [*network.conduction],
        "bias inversion and noise floor": [network.inversion, network.diffused_floor, network.refined_floor],
        "refinement": [network.refinement],
    }
    seconds: dict[str, float] = defaultdict(float)
    with _watched({"network": [network], **parts}, seconds, denoiser.device):
        start = time.perf_counter()
        result = denoiser(volume, within)
        whole = time.perf_counter() - start
    spent = {name: seconds[name] for name in parts}
    spent[STEPS] = seconds["network"] - sum(spent.values())
    if settings.across_slices:
        run = SliceRun.of(volume, within)
        start = time.perf_counter()
        diffuse_across(result.image, run, result.slice_sigma, torch.device(result.device))
        spent[ACROSS] = time.perf_counter() - start
    spent[AROUND] = whole - seconds["network"]
    return spent


@contextmanager
def _watched(parts: dict[str, list[torch.nn.Module]], seconds: dict[str, float], device: str) -> Iterator[None]:
    """Add up the seconds that each part computes."""
    began: dict[str, float] = {}

    def now() -> float:
        wait_for(device)
        return time.perf_counter()

    def begin(name: str) -> None:
        began[name] = now()

    def end(name: str) -> None:
        seconds[name] += now() - began[name]

    hooks = []
    for name, modules in parts.items():
        for module in modules:
            hooks.append(module.register_forward_pre_hook(lambda *_, name=name: begin(name)))
            hooks.append(module.register_forward_hook(lambda *_, name=name: end(name)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
