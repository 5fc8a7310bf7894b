"""The classical rows at their best: tuned on validation slices, told an estimated noise level, bias inverted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...files.command_error import CommandError
from ...files.result_files import read_json
from ..methods import TUNED_GROUP, Method
from .bias_correction import correct_bias
from .classical import each_slice
from .slice_noise import judge_noise
from .tunable_filters import FILTERS, Parameters, TunableFilter

PARAMETERS = Path(__file__).with_name("tuned_parameters.json")


def tuned(noise: str, file: Path = PARAMETERS) -> list[Method]:
    """The filters of `tunable_filters.FILTERS` with parameters that `neural-diffusion tune` found.

    All are as blind as ours: the noise level, and for mixed noise the type, come from `judge_noise`.

    Parameters
    ----------
    noise, file
        As of `read_parameters`.

    Raises
    ------
    CommandError
        If the file cannot be read or has no parameters for the noise type.
    """
    chosen = read_parameters(noise, file)

    # One function for all rows, so that the error of the estimate is measured once.
    def estimate(noisy: np.ndarray) -> np.ndarray:
        return judge_noise(noisy, noise).sigma

    return [_row(name, FILTERS[name], parameters, noise, estimate) for name, parameters in chosen.items()]


def read_parameters(noise: str, file: Path = PARAMETERS) -> dict[str, Parameters]:
    """Parameters of each filter, by its name.

    Parameters
    ----------
    noise
        ``"rician"``, ``"gaussian"``, ``"speckle"`` or ``"mixed"``; each has parameters of its own.
    file
        Written by `neural-diffusion tune`; the one that comes with the package by default.

    Raises
    ------
    CommandError
        If the file cannot be read, or has no parameters for the noise type or other ones than `tune` may choose.
    """
    try:
        filters = read_json(file)["noise"][noise]
        return {name: _of_grid(tunable, filters[name]["parameters"]) for name, tunable in FILTERS.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"'{file}' has no tuned parameters for {noise} noise: write it with 'neural-diffusion tune'."
        ) from error


def _of_grid(tunable: TunableFilter, given: Parameters) -> Parameters:
    # The grid's own values, as 1.0 in a file may stand for a count.
    return {name: values[values.index(given[name])] for name, values in tunable.grid.items()}


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
