"""The classical rows at their best: tuned on validation slices, told an estimated noise level, bias inverted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..files.command_error import CommandError
from ..files.result_files import read_json
from .bias_correction import correct_bias
from .classical import each_slice
from .methods import TUNED_GROUP, Method
from .slice_noise import judge_noise
from .tunable_filters import FILTERS, Parameters, TunableFilter

PARAMETERS = Path(__file__).with_name("tuned_parameters.json")


def tuned(noise: str, file: Path = PARAMETERS) -> list[Method]:
    """The filters of `tunable_filters.FILTERS` with the parameters that `neural-diffusion tune` found.

    All are as blind as ours: the noise level, and for mixed noise the type, come from `judge_noise`.

    Parameters
    ----------
    noise
        ``"rician"``, ``"gaussian"``, ``"speckle"`` or ``"mixed"``; each has parameters of its own.
    file
        Written by `neural-diffusion tune`; the one that comes with the package by default.

    Raises
    ------
    CommandError
        If the file cannot be read or has no parameters for the noise type.
    """
    try:
        filters = read_json(file)["noise"][noise]
        chosen = {name: dict(filters[name]["parameters"]) for name in FILTERS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"'{file}' has no tuned parameters for {noise} noise: write it with 'neural-diffusion tune'."
        ) from error

    # One function for all rows, so that the error of the estimate is measured once.
    def estimate(noisy: np.ndarray) -> np.ndarray:
        return judge_noise(noisy, noise).sigma

    return [_row(name, FILTERS[name], parameters, noise, estimate) for name, parameters in chosen.items()]


def _row(
    name: str,
    tunable: TunableFilter,
    parameters: Parameters,
    noise: str,
    estimate: Callable[[np.ndarray], np.ndarray],
) -> Method:
    def denoise(noisy: np.ndarray, _: np.ndarray) -> np.ndarray:
        found = judge_noise(noisy, noise)
        smooth = each_slice(lambda picture, sigma: tunable(picture, sigma, parameters), noisy, found.sigma)
        return correct_bias(smooth, found)

    return Method(f"{name} (tuned, bias-corrected)", TUNED_GROUP, "estimated", denoise, estimate=estimate)
