"""What lies in a folder of slices, before anybody trains on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .slices import BENCHMARK_SIZE, CLASSES, UNREADABLE, list_slices, read_grey

_COLOUR_DIFFERENCE = 30
_EXTENSIONS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}


@dataclass(frozen=True)
class Inventory:
    """What was found.

    Attributes
    ----------
    names
        The readable slices, "class/file", in the order of `list_slices`.
    slices
        Their grey values, (slices, 128, 128), uint8.
    counts
        Readable slices of each class.
    formats, modes
        How many files have each true format ("JPEG", "PNG") and colour mode ("RGB", "L").
    sizes
        (columns, rows) of each readable picture.
    misnamed
        Names of pictures whose extension says another format.
    coloured
        Names of pictures that are not grey: some pixel's channels differ by more than 30 of 255.
    unreadable
        Names of files that cannot be read as pictures of 8 bits a channel.
    """

    names: tuple[str, ...]
    slices: np.ndarray
    counts: dict[str, int]
    formats: Counter[str]
    modes: Counter[str]
    sizes: tuple[tuple[int, int], ...]
    misnamed: tuple[str, ...]
    coloured: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def exact_copies(self) -> int:
        """Slices whose grey values are those of an earlier one."""
        return len(self.slices) - len({picture.tobytes() for picture in self.slices})


def take_inventory(folder: Path, progress: Callable[[int, int], None] | None = None) -> Inventory:
    """Read every slice of a folder.

    Raises
    ------
    CommandError
        If the folder or one of its class folders is missing or empty.
    """
    listed = list_slices(folder)
    names, slices, sizes, misnamed, coloured, unreadable = [], [], [], [], [], []
    formats, modes = Counter(), Counter()
    for number, name in enumerate(listed, start=1):
        try:
            grey, picture = read_grey(folder / name, BENCHMARK_SIZE)
            colour = _is_coloured(picture)
        except UNREADABLE:
            unreadable.append(name)
        else:
            names.append(name)
            slices.append(grey)
            sizes.append(picture.size)
            formats[picture.format] += 1
            modes[picture.mode] += 1
            if _EXTENSIONS[Path(name).suffix.lower()] != picture.format:
                misnamed.append(name)
            if colour:
                coloured.append(name)
        if progress is not None:
            progress(number, len(listed))
    counts = {label: sum(name.startswith(f"{label}/") for name in names) for label in CLASSES}
    stack = np.stack(slices) if slices else np.empty((0, BENCHMARK_SIZE, BENCHMARK_SIZE), np.uint8)
    found = (tuple(part) for part in (sizes, misnamed, coloured, unreadable))
    return Inventory(tuple(names), stack, counts, formats, modes, *found)


def _is_coloured(picture: Image.Image) -> bool:
    channels = np.asarray(picture.convert("RGB"), np.int16)
    return bool((channels.max(axis=2) - channels.min(axis=2)).max() > _COLOUR_DIFFERENCE)
