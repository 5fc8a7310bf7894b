"""What the commands denoise with: settings and a denoiser, as the options choose them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError

if TYPE_CHECKING:
    from NeuralDiffusionLib import Denoiser


def settings_of(**options: Any) -> DenoiseSettings:
    """The settings that some options choose, by the names of `DenoiseSettings`.

    Raises
    ------
    CommandError
        If an option is not possible.
    """
    try:
        return DenoiseSettings(**options)
    except ValueError as error:
        raise CommandError(str(error)) from error


def chosen_denoiser(device: str, weights: Path | None, precision: str = "fast") -> Denoiser:
    """A denoiser with a file of weights, the bundled one if there is none.

    Raises
    ------
    DeviceError
        If the device is unknown or absent, or does not work.
    WeightsError
        If the weights cannot be used.
    """
    from NeuralDiffusionLib import Denoiser
    from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS

    return Denoiser(device, weights or BUNDLED_WEIGHTS, precision)
