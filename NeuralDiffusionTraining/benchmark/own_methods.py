"""Rows for a method of whoever measures: a function in a Python file."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable
from copy import copy
from pathlib import Path

import numpy as np

from ..files.command_error import CommandError
from ..files.result_files import check_is_file
from .methods import OWN_GROUP, Method
from .volume_methods import NoisyVolume, VolumeMethod

# No denoiser brightens a picture so much, but 8-bit grey levels are 255 times as high.
_FAR_ABOVE = 10.0

Denoise = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes noisy pictures and the noise levels that were added, returns pictures of the same shape."""


def own_methods(blind: list[str], told: list[str]) -> list[Method]:
    """Rows of the table of slices.

    Parameters
    ----------
    blind
        As ``"NAME=FILE.py:FUNCTION"``, whose function takes noisy slices, (slices, rows, columns), float32 in [0, 1],
        and returns them denoised.
    told
        The same for functions that take the noise levels, (slices,), too.

    Raises
    ------
    CommandError
        If one is not written like that, or its function cannot be had. While it measures: if the function fails.
    """
    named = [(*_named(text, "--own"), "none") for text in blind]
    named += [(*_named(text, "--own-told"), "true") for text in told]
    return [
        Method(name, OWN_GROUP, level, _guarded(name, path, function, level == "true"))
        for name, path, function, level in named
    ]


def own_volume_methods(blind: list[str], told: list[str]) -> list[VolumeMethod]:
    """Rows of the table of whole scans; as `own_methods`, with the voxels of a scan and one noise level."""
    return [_on_volumes(method) for method in own_methods(blind, told)]


def _on_volumes(method: Method) -> VolumeMethod:
    def denoise(noisy: NoisyVolume) -> tuple[np.ndarray, None]:
        return method.denoise(noisy.voxels, noisy.sigma), None

    return VolumeMethod(method.name, method.told, denoise)


def _named(text: str, option: str) -> tuple[str, Path, Callable[..., np.ndarray]]:
    """Name of the row, file and function."""
    name, equals, place = text.partition("=")
    file, colon, function = place.rpartition(":")
    if not (name.strip() and equals and file and colon and function):
        raise CommandError(
            f"'{option} {text}' names no row and function: write NAME=FILE.py:FUNCTION, such as Mine=mine.py:denoise."
        )
    path = Path(file)
    check_is_file("Python file", path, "give the file that holds your function")
    if path.suffix != ".py":
        raise CommandError(f"'{file}' is no name for a Python file: let it end in .py.")
    found = getattr(_module(path), function, None)
    if not callable(found):
        raise CommandError(f"Python file '{file}' has no function '{function}': name one that it has.")
    return name.strip(), path, found


def _module(path: Path) -> object:
    # Data classes look their module up by its name, which must not be that of another one.
    name = f"own_methods_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    # Its neighbours can be imported, now and when the function runs, but replace nothing that is installed.
    sys.path.append(str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise CommandError(f"Python file '{path}' cannot be imported ({_where(error, path)}): fix it first.") from error
    return module


def _guarded(name: str, path: Path, function: Callable[..., np.ndarray], told: bool) -> Denoise:
    def denoise(noisy: np.ndarray, levels: np.ndarray) -> np.ndarray:
        try:
            # Copies: what a function changes in place is what the next row gets.
            given = (noisy.copy(), copy(levels)) if told else (noisy.copy(),)
            pictures = np.asarray(function(*given), np.float32)
        except (Exception, SystemExit) as error:
            raise CommandError(
                f"Your method '{name}' of '{path}' failed ({_where(error, path)}): fix it first."
            ) from error
        if pictures.shape != noisy.shape or not np.isfinite(pictures).all():
            raise CommandError(f"Your method '{name}' gave no finite pictures of shape {noisy.shape}: fix it first.")
        highest, usual = float(np.abs(pictures).max()), float(np.abs(noisy).max())
        if highest > _FAR_ABOVE * usual:
            raise CommandError(
                f"Your method '{name}' gave values up to {highest:.4g} where the noisy ones end at {usual:.4g}: return "
                "them on the scale that they came in."
            )
        return pictures

    return denoise


def _where(error: BaseException, path: Path) -> str:
    """What went wrong, and in which line of the file, if in any; in one line."""
    words = " ".join(str(error).split())
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{said}; line {lines[-1]}" if lines else said
