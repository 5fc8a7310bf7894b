"""The Br35H slices: which there are, and their pixels."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from ..files.command_error import CommandError

CLASSES = ("no", "yes")
BENCHMARK_SIZE = 128
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises for files that are no pictures, are damaged, or would fill the memory."""


def check_data_folder(folder: Path) -> None:
    """Refuse a folder of slices that is not there.

    Raises
    ------
    CommandError
        If it does not exist.
    """
    if not folder.is_dir():
        raise CommandError(f"Data folder '{folder}' does not exist: give the folder that holds 'no' and 'yes'.")


def list_slices(folder: Path) -> list[str]:
    """Names of all slices, as "class/file", class `no` first, each class by the number in the name.

    Raises
    ------
    CommandError
        If the folder or one of its class folders is missing or empty.
    """
    check_data_folder(folder)
    names = []
    for label in CLASSES:
        files = [path.name for path in (folder / label).glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
        if not files:
            raise CommandError(
                f"Data folder '{folder}' has no pictures in '{label}': give the folder that holds 'no' and 'yes'."
            )
        names += [f"{label}/{name}" for name in sorted(files, key=_number)]
    return names


def read_grey(path: Path, size: int) -> tuple[np.ndarray, Image.Image]:
    """Grey values of a picture, (size, size), uint8, resized with an antialiased bilinear filter; and the picture.

    Raises
    ------
    OSError, SyntaxError, ValueError
        If the file is not a picture, is damaged, or has more than 8 bits a channel, which would be cut off.
    """
    with Image.open(path) as picture:
        if picture.mode.startswith(("I", "F")):
            raise ValueError("it has more than 8 bits a pixel")
        grey = picture.convert("L").resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(grey), picture


def load_slices(folder: Path, names: list[str], size: int = BENCHMARK_SIZE) -> np.ndarray:
    """Read slices as grey pictures, resized with an antialiased bilinear filter.

    Returns
    -------
    np.ndarray
        (slices, size, size), uint8.

    Raises
    ------
    CommandError
        If a picture cannot be read.
    """

    def read(name: str) -> np.ndarray:
        try:
            return read_grey(folder / name, size)[0]
        except UNREADABLE as error:
            raise CommandError(f"Picture '{folder / name}' cannot be read ({error}): replace or remove it.") from error

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(read, names)))


def _number(name: str) -> tuple[int, str]:
    digits = re.search(r"\d+", name)
    return (int(digits.group()) if digits else -1, name)
