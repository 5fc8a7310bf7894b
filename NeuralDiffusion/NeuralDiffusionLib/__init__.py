"""Learned Perona-Malik denoising of MR volumes, independent of 3D Slicer.

Whatever needs torch is imported on first use, so that the settings can be shown before torch is installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .engine.settings import MAX_ITERATIONS, NEIGHBOURHOODS, NOISE_TYPES, DenoiseSettings
from .errors import DenoiseCancelled, DeviceError, InvalidVolumeError, WeightsError
from .version import __version__

if TYPE_CHECKING:
    from .engine.denoiser import Denoiser, DenoiseResult

__all__ = [
    "MAX_ITERATIONS",
    "NEIGHBOURHOODS",
    "NOISE_TYPES",
    "DenoiseCancelled",
    "DenoiseResult",
    "DenoiseSettings",
    "Denoiser",
    "DeviceError",
    "InvalidVolumeError",
    "WeightsError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name in ("Denoiser", "DenoiseResult"):
        return getattr(import_module(f"{__name__}.engine.denoiser"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
