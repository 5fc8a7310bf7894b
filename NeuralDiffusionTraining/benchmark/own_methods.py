"""Rows for a method of whoever measures: a function in a Python file."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from ..files.command_error import CommandError
from ..files.result_files import check_is_file
from .methods import OWN_GROUP, Method, told_in_name
from .own_folder import OwnFolder
from .volumes.methods import NoisyVolume, VolumeMethod

# No denoiser brightens a picture so much, but 8-bit grey levels are 255 times as high.
_FAR_ABOVE = 10.0

Denoise = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes noisy pictures and the noise levels that were added, returns pictures of the same shape."""


@dataclass(frozen=True)
class _Function:
    """A function, the file that it is from, as it was named, and where its code runs."""

    call: Callable[..., np.ndarray]
    file: str
    folder: OwnFolder


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
    folders: dict[Path, OwnFolder] = {}
    named = [(*_named(text, "--own", folders), "none") for text in blind]
    named += [(*_named(text, "--own-told", folders), "true") for text in told]
    return [
        Method(name, OWN_GROUP, level, _guarded(name, function, level == "true")) for name, function, level in named
    ]


def with_told_in_name(methods: Iterable[Method]) -> list[Method]:
    """The methods under names that say so if they are told the noise level, for tables that say it nowhere else."""
    return [replace(method, name=told_in_name(method.name, method.told)) for method in methods]


def own_files(rows: Iterable[str]) -> list[Path]:
    """The Python files that rows name, so that no output is written over them.

    Parameters
    ----------
    rows
        As of `own_methods`; of those that are not written like that it gives none.
    """
    return [Path(parts[1]) for parts in map(_parts, rows) if parts is not None]


def own_volume_methods(blind: list[str], told: list[str]) -> list[VolumeMethod]:
    """Rows of the table of whole scans; as `own_methods`, with the voxels of a scan and one noise level."""
    return [_on_volumes(method) for method in own_methods(blind, told)]


def _on_volumes(method: Method) -> VolumeMethod:
    def denoise(noisy: NoisyVolume) -> tuple[np.ndarray, None]:
        return method.denoise(noisy.voxels, noisy.sigma), None

    return VolumeMethod(method.name, method.told, denoise)


def _parts(text: str) -> tuple[str, str, str] | None:
    """Name of the row, file and function; ``None`` if one is missing."""
    name, _, place = text.partition("=")
    file, _, function = place.rpartition(":")
    return (name.strip(), file, function) if name.strip() and file and function else None


def _named(text: str, option: str, folders: dict[Path, OwnFolder]) -> tuple[str, _Function]:
    """Name of the row, and its function; `folders` are those that are known by now."""
    parts = _parts(text)
    if parts is None:
        raise CommandError(
            f"'{option} {text}' names no row and function: write NAME=FILE.py:FUNCTION, such as Mine=mine.py:denoise."
        )
    name, file, function = parts
    path = Path(file)
    check_is_file("Python file", path, "give the file that holds your function")
    if path.suffix != ".py":
        raise CommandError(f"'{file}' is no name for a Python file: let it end in .py.")
    place = path.resolve().parent
    folder = folders.setdefault(place, OwnFolder(place))
    found = getattr(_module(path, folder), function, None)
    if not callable(found):
        raise CommandError(f"Python file '{file}' has no function '{function}': name one that it has.")
    return name, _Function(found, file, folder)


def _module(path: Path, folder: OwnFolder) -> ModuleType:
    # Data classes look their module up by its name, which must not be that of another one.
    name = f"own_methods_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, os.path.abspath(path))
    module = importlib.util.module_from_spec(spec)
    try:
        with folder:
            sys.modules[name] = module
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        words = _where(error, str(path))
        raise CommandError(f"Python file '{path}' cannot be imported ({words}): fix it first.") from error
    return module


def _guarded(name: str, function: _Function, told: bool) -> Denoise:
    def denoise(noisy: np.ndarray, levels: np.ndarray) -> np.ndarray:
        try:
            # Copies: what a function changes in place is what the next row gets.
            given = (noisy.copy(), copy(levels)) if told else (noisy.copy(),)
            with function.folder:
                pictures = np.asarray(function.call(*given), np.float32)
        except (Exception, SystemExit) as error:
            words = _where(error, function.file)
            raise CommandError(f"Your method '{name}' of '{function.file}' failed ({words}): fix it first.") from error
        highest, usual = _farthest(pictures), _farthest(noisy)
        if pictures.shape != noisy.shape or not math.isfinite(highest):
            raise CommandError(f"Your method '{name}' gave no finite pictures of shape {noisy.shape}: fix it first.")
        if highest > _FAR_ABOVE * usual:
            raise CommandError(
                f"Your method '{name}' gave values up to {highest:.4g} where the noisy ones end at {usual:.4g}: return "
                "them on the scale that they came in."
            )
        return pictures

    return denoise


def _farthest(pictures: np.ndarray) -> float:
    """The largest distance of a value from 0; NaN if one is."""
    # Without arrays of their size, as it lies within what is timed.
    return float(np.maximum(pictures.max(initial=0), -pictures.min(initial=0)))


def _where(error: BaseException, file: str) -> str:
    """What went wrong, and in which line of the file, if in any; in one line."""
    words = " ".join(str(error).split())
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    place = os.path.abspath(file)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == place]
    return f"{said}; line {lines[-1]}" if lines else said
