"""The rows of the table that are networks: the one that ships, and those that were trained here to compete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.devices import precision_on, resolve_device

from ..networks.checkpoints import load_trained
from .cost import count_parameters, macs_per_pixel
from .methods import NO_REFINEMENT, OUR_GROUP, TRAINED_GROUP, Method
from .network_pass import NetworkPass

UNIT_RANGE = (0.0, 1.0)
TABLE_NEIGHBOURHOODS = (8, 4)
"""Those of the rows of the table, in their order."""


def ours(
    denoiser: Denoiser, settings: DenoiseSettings, neighbourhoods: Sequence[int] = TABLE_NEIGHBOURHOODS
) -> list[Method]:
    """Neural Diffusion as the user runs it, blind: with and without refinement, for each neighbourhood.

    Parameters
    ----------
    denoiser
        With the weights to measure.
    settings
        Noise type and iterations; neighbourhood, refinement and range are set here.
    neighbourhoods
        4, 8 or both; the first one with refinement is the row that all others are compared with.
    """
    settings = replace(settings, intensity_range=UNIT_RANGE, sigma=None)

    # One function for all rows: the level does not depend on what follows the estimate, so it is estimated once.
    def estimate(noisy: np.ndarray) -> np.ndarray:
        return denoiser(noisy, replace(settings, iterations=1, refine=False)).slice_sigma

    return [
        _our_row(denoiser, replace(settings, neighbours=neighbours, refine=refine), estimate)
        for neighbours in neighbourhoods
        for refine in (True, False)
    ]


def diffusion_alone(denoiser: Denoiser, settings: DenoiseSettings) -> Method:
    """The diffusion steps of Neural Diffusion and nothing after them: no bias inversion, no refinement."""
    device = torch.device(denoiser.device)

    @torch.inference_mode()
    def denoise(noisy: np.ndarray, _: np.ndarray) -> np.ndarray:
        inputs = torch.from_numpy(noisy).unsqueeze(1).to(device)
        with precision_on(device, denoiser.precision):
            for stage in denoiser.network.stages(inputs, settings.noise, settings.iterations, settings.neighbours):
                state = stage.state
        return state[:, 0].float().cpu().numpy()

    name = f"Neural Diffusion, {settings.neighbours} neighbours, diffusion alone, bias kept"
    return Method(name, OUR_GROUP, "estimated", denoise, device=denoiser.device)


def trained(
    name: str,
    checkpoint: Path,
    settings: DenoiseSettings | None = None,
    device: str = "auto",
    precision: str = "fast",
) -> Method:
    """A network that `neural-diffusion train` trained.

    Parameters
    ----------
    name
        What the table shall call it.
    checkpoint
        File written by `neural-diffusion train`.
    settings
        Noise type, iterations, neighbourhood and refinement, as far as the network uses them; the defaults if left out.
    device, precision
        As for `Denoiser`.

    Raises
    ------
    CommandError
        If the file is no checkpoint of this program.
    """
    settings = settings or DenoiseSettings()
    place = resolve_device(device)
    network = load_trained(checkpoint).network.eval().to(place)
    run = NetworkPass(network, place, precision)
    estimates_level = hasattr(network, "noise_level")
    return Method(
        name,
        TRAINED_GROUP,
        "estimated" if estimates_level else "none",
        lambda noisy, _: run(noisy, settings).image,
        count_parameters(network, settings.refine),
        macs_per_pixel(network, settings),
        (lambda noisy: run(noisy, replace(settings, iterations=1)).sigma) if estimates_level else None,
        device=str(place),
    )


def _our_row(denoiser: Denoiser, settings: DenoiseSettings, estimate: Callable[[np.ndarray], np.ndarray]) -> Method:
    return Method(
        f"Neural Diffusion, {settings.neighbours} neighbours{'' if settings.refine else NO_REFINEMENT}",
        OUR_GROUP,
        "estimated",
        lambda noisy, _: denoiser(noisy, settings).image,
        count_parameters(denoiser.network, settings.refine),
        macs_per_pixel(denoiser.network, settings),
        estimate,
        device=denoiser.device,
    )
