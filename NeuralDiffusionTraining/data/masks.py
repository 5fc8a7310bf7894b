"""Lesion masks that belong to slices: found by name, checked against their pictures, brought to the same size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from NeuralDiffusionLib.file_names import WRITTEN_AS

from ..files.command_error import CommandError
from .slices import BENCHMARK_SIZE, UNREADABLE

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
_VOLUMES = tuple(WRITTEN_AS)
_LOSSY = (".jpg", ".jpeg")


def pair_masks(data: Path, masks: Path) -> tuple[dict[str, Path], int]:
    """The mask of every slice that has one, and how many have none.

    Parameters
    ----------
    data
        Folder of pictures, at any depth.
    masks
        Folder of masks with the same relative names; the suffix may differ (a JPEG's mask had better be a PNG).

    Returns
    -------
    tuple
        Paths of masks by the slice's name ("yes/y0.jpg"), in the order of the names; number of slices without a mask.

    Raises
    ------
    CommandError
        If a folder is missing or both are one, no slice has a mask, a mask has no slice or several, or two files claim
        to be the mask of one.
    """
    slices = _pictures(data, masks)
    paired: dict[str, Path] = {}
    for path in _files(masks, (*PICTURES, *_VOLUMES)):
        names = slices.get(_stem(path, masks), [])
        if not names:
            raise CommandError(f"Mask '{path}' belongs to no picture in '{data}': give it the name of its picture.")
        if len(names) > 1:
            raise CommandError(f"Mask '{path}' may be of picture '{names[0]}' or '{names[1]}': rename one of them.")
        name = names[0]
        if name in paired:
            raise CommandError(f"Masks '{paired[name]}' and '{path}' are both of picture '{name}': remove one.")
        paired[name] = path
    if not paired:
        raise CommandError(f"Folder '{masks}' holds no masks: give a folder of masks named like the pictures.")
    return dict(sorted(paired.items())), sum(map(len, slices.values())) - len(paired)


def load_masks(data: Path, masks: dict[str, Path], names: Sequence[str], size: int = BENCHMARK_SIZE) -> np.ndarray:
    """Read masks; what is not zero is lesion.

    JPEG leaves faint ripples around what was drawn, so there only the upper half of the grey values is lesion. Resizing
    keeps a pixel whose area is at least half lesion.

    Returns
    -------
    np.ndarray
        (slices, size, size), boolean.

    Raises
    ------
    CommandError
        If a mask cannot be read or has not the size of its picture.
    """
    loaded = np.empty((len(names), size, size), bool)
    for place, name in enumerate(names):
        mask = _read(masks[name])
        try:
            with Image.open(data / name) as picture:
                columns, rows = picture.size
        except UNREADABLE as error:
            raise CommandError(f"Picture '{data / name}' cannot be read ({error}): replace or remove it.") from error
        if mask.shape != (rows, columns):
            raise CommandError(
                f"Mask '{masks[name]}' has {mask.shape[1]} x {mask.shape[0]} pixels, its picture '{name}' has "
                f"{columns} x {rows}: draw it on the picture as it is."
            )
        resized = Image.fromarray(mask.astype(np.uint8) * 255).resize((size, size), Image.Resampling.BOX)
        loaded[place] = np.asarray(resized) >= 128
    return loaded


def _pictures(data: Path, masks: Path) -> dict[str, list[str]]:
    """Names of the slices by their stems; a folder of masks inside that of the slices holds none."""
    found = _files(data, PICTURES)
    if masks.resolve() == data.resolve():
        raise CommandError(f"Folder '{masks}' is given for pictures and masks: give the masks a folder of their own.")
    slices: dict[str, list[str]] = {}
    for path in found:
        if masks.resolve() not in path.resolve().parents:
            slices.setdefault(_stem(path, data), []).append(path.relative_to(data).as_posix())
    return slices


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise CommandError(f"Folder '{folder}' does not exist: give a folder of pictures.")
    return sorted(path for path in folder.rglob("*") if path.name.lower().endswith(suffixes) and path.is_file())


def _stem(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    for suffix in (*PICTURES, *_VOLUMES):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _read(path: Path) -> np.ndarray:
    """The mask in its own size, boolean (rows, columns)."""
    if path.name.lower().endswith(_VOLUMES):
        from ..files.image_files import read_scan

        voxels = read_scan(path, may_be_labels=True).voxels
        if len(voxels) != 1:
            raise CommandError(f"Mask '{path}' has {len(voxels)} slices: give one slice for each picture.")
        return voxels[0] != 0
    try:
        with Image.open(path) as picture:
            # Palette entries and 16-bit values count as they are stored; transparency is no lesion.
            values = np.asarray(picture.convert("RGB") if picture.mode in ("RGBA", "LA", "CMYK", "YCbCr") else picture)
    except UNREADABLE as error:
        raise CommandError(f"Mask '{path}' cannot be read as a picture: replace or remove it.") from error
    values = values.max(axis=2) if values.ndim == 3 else values
    return values > (127 if path.suffix.lower() in _LOSSY else 0)
