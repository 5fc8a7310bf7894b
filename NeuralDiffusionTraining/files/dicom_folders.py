"""DICOM folders: which series they hold, and one of them as a volume with a sound geometry."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .command_error import CommandError
from .image_files import Scan, read_with_itk, silent_libraries

_SERIES_NUMBER = "0020|0011"
_SERIES_DESCRIPTION = "0008|103e"
# Largest deviation from even slices, as a share of their distance; scanners round positions to about a thousandth.
_UNEVEN = 0.02
# Largest difference between the direction cosines of images in one stack.
_TURNED = 1e-3


@dataclass(frozen=True)
class Series:
    """One DICOM series: its unique identifier, number and description, and its files."""

    uid: str
    number: str
    description: str
    files: tuple[Path, ...]


def read_dicom_folder(folder: Path, wanted: str | None) -> Scan:
    """Read one series of a folder and its sub-folders.

    Parameters
    ----------
    folder
        Where the DICOM files are.
    wanted
        Number or unique identifier of the series; ``None`` if the folder holds only one.

    Raises
    ------
    CommandError
        If there is no such series or more than one, or if its images do not form one evenly spaced stack.
    """
    series = _choose(folder, find_series(folder), wanted)
    return read_with_itk(folder, _sorted_stack(folder, series))


def find_series(folder: Path) -> list[Series]:
    """Every series in a folder and its sub-folders, sorted by number.

    Raises
    ------
    CommandError
        If a file there is so damaged that the library gives up on the whole folder.
    """
    files: dict[str, list[Path]] = {}
    with _naming(folder), silent_libraries():
        for place, _, names in os.walk(folder):
            if names:
                for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(place):
                    found = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(place, uid)
                    files.setdefault(uid, []).extend(map(Path, found))
        return sorted((_describe(uid, found) for uid, found in files.items()), key=_order)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Say in one sentence that the library gave up on a folder; it does not tell on which of its files."""
    try:
        yield
    except RuntimeError as error:
        raise CommandError(
            f"{folder} holds a damaged DICOM file, for which none of its images can be read: copy the folder anew, or "
            "move the images of the series into a folder of their own."
        ) from error


def _describe(uid: str, files: Sequence[Path]) -> Series:
    header = _read_header(files[0])
    number, description = (
        header.GetMetaData(tag).strip() if header.HasMetaDataKey(tag) else ""
        for tag in (_SERIES_NUMBER, _SERIES_DESCRIPTION)
    )
    return Series(uid, number, description, tuple(files))


def _order(series: Series) -> tuple[int, str]:
    return (int(series.number) if series.number.isdecimal() else 0, series.uid)


def _choose(folder: Path, series: list[Series], wanted: str | None) -> Series:
    if not series:
        raise CommandError(f"{folder} holds no DICOM images: name a scan file or a folder with a DICOM series.")
    matching = [one for one in series if wanted in (None, one.number, one.uid)]
    if len(matching) == 1:
        return matching[0]
    numbers = [one.number for one in series]
    by_number = len(set(numbers)) == len(numbers) and all(numbers)
    listing = ", ".join(
        f'{one.number if by_number else one.uid} "{one.description}" ({len(one.files)} images)' for one in series
    )
    if wanted is not None and not matching:
        raise CommandError(f"{folder} holds no series {wanted!r}; choose one with --series: {listing}.")
    raise CommandError(f"{folder} holds {len(series)} DICOM series; choose one with --series: {listing}.")


def _read_header(file: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    return reader


def _sorted_stack(folder: Path, series: Series) -> list[Path]:
    if len(series.files) == 1:
        return list(series.files)
    with _naming(folder), silent_libraries():
        headers = [_read_header(file) for file in series.files]
    name = f"Series {series.number or series.uid} in {folder}"
    directions = np.array([header.GetDirection() for header in headers])
    if len({header.GetSize() for header in headers}) > 1 or np.ptp(directions, axis=0).max() > _TURNED:
        raise CommandError(f"{name} mixes images of several sizes or orientations: it is not one volume.")
    normal = directions[0].reshape(3, 3)[:, 2]
    origins = np.array([header.GetOrigin() for header in headers])
    order = np.argsort(origins @ normal, kind="stable")
    steps = np.diff(origins[order], axis=0)
    distance = np.median(steps @ normal)
    if np.any(steps @ normal <= _UNEVEN * distance):
        raise CommandError(f"{name} holds several images at one position: split it into single volumes first.")
    if np.any(np.abs(steps - distance * normal) > _UNEVEN * distance):
        raise CommandError(f"{name} is not an evenly spaced stack: slices are missing, or the stack is tilted.")
    return [series.files[index] for index in order]
