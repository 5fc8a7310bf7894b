"""DICOM folders: which series they hold, and one of them as a volume with a sound geometry."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NeuralDiffusionLib.file_names import shown

from .command_error import CommandError
from .dicom_stack import are_turned, even_stack
from .image_files import Scan, check_name, read_with_itk
from .silent_libraries import silent_libraries

_SERIES_NUMBER = "0020|0011"
_SERIES_DESCRIPTION = "0008|103e"
_DICOM_SUFFIXES = (".dcm", ".ima")
_SOP_CLASS = "0008|0016"
# Element (0002,0002) of the file meta information, which is always written in this way, and not far from the start.
_MEDIA_CLASS = re.compile(rb"\x02\x00\x02\x00UI[\x01-\x40]\x00([0-9.]+)")
_LONGEST_START = 2048
_CUT = "cut"
# Slope and intercept of the stored values.
_SCALING = ("0028|1053", "0028|1052")


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
        If there is no such series or more than one, if its images do not form one evenly spaced stack, or if the folder
        has a damaged image that may belong to it.
    """
    found = find_series(folder)
    series = _choose(folder, found, wanted)
    _check_left_out(folder, series, {file for one in found for file in one.files})
    files, scaled_alike = _sorted_stack(folder, series)
    return read_with_itk(folder, files, as_float=not scaled_alike)


def find_series(folder: Path) -> list[Series]:
    """Every series in a folder and its sub-folders, sorted by number.

    Raises
    ------
    CommandError
        If a file there is so damaged that the library gives up on the whole folder, or is none.
    """
    files: dict[str, list[Path]] = {}
    with _naming(folder), silent_libraries:
        for place, _, names in os.walk(folder):
            for name in names:
                _check_is_file(Path(place, name))
            if names:
                check_name(Path(place))
                for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(place):
                    found = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(place, uid)
                    files.setdefault(uid, []).extend(map(Path, found))
        return sorted((_describe(uid, found) for uid, found in files.items()), key=_order)


def _check_is_file(path: Path) -> None:
    """Refuse what is none: the library would list no file after it."""
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        is_file = False
    except OSError as error:
        message = f"{shown(path)} cannot be read ({error.strerror}): ask for the permission to read it."
        raise CommandError(message) from error
    if not is_file:
        raise CommandError(f"{shown(path)} is not a regular file but a broken link or a pipe: remove it.")


def _check_left_out(folder: Path, series: Series, taken: set[Path]) -> None:
    """Refuse a folder with an image that the library passed over without a word, as it does if the file was cut."""
    with _naming(folder), silent_libraries:
        header = _read_header(series.files[0])
    wanted = header.GetMetaData(_SOP_CLASS).strip("\0 ") if header.HasMetaDataKey(_SOP_CLASS) else None
    names_of_series = {_pattern(file.name) for file in series.files}
    for place, _, names in os.walk(folder):
        # The library passes over hidden files on purpose, which some systems put beside each file.
        for file in sorted({Path(place, name) for name in names if not name.startswith(".")} - taken):
            try:
                kind = _media_class(file)
            except OSError as error:
                raise CommandError(
                    f"{shown(file)} cannot be read ({error.strerror}), and may belong to the series: ask for the "
                    "permission to read it, or move it elsewhere."
                ) from error
            named_alike = file.suffix.lower() in _DICOM_SUFFIXES or _pattern(file.name) in names_of_series
            if named_alike if kind is None else kind in (wanted, _CUT):
                raise CommandError(
                    f"{shown(file)} is a damaged DICOM image, and may belong to the series: copy it anew, or move it "
                    "elsewhere."
                )


def _pattern(name: str) -> str:
    """A file's name with every number alike."""
    return re.sub(r"\d+", "0", name)


def _media_class(file: Path) -> str | None:
    """What a DICOM file says at its very beginning that it holds, `_CUT` if that is cut off; ``None`` if it is none."""
    with file.open("rb") as content:
        start = content.read(_LONGEST_START)
    if start[128:132] != b"DICM":
        return None
    found = _MEDIA_CLASS.search(start, 132)
    if found is None:
        return _CUT if len(start) < _LONGEST_START else ""
    return found[1].decode("ascii")


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
    check_name(file)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    return reader


def _sorted_stack(folder: Path, series: Series) -> tuple[list[Path], bool]:
    """The files in the order of their places, and whether one slope and intercept scale the values of them all."""
    if len(series.files) == 1:
        return list(series.files), True
    with _naming(folder), silent_libraries:
        headers = [_read_header(file) for file in series.files]
    name = f"Series {series.number or series.uid} in {folder}"
    directions = np.array([header.GetDirection() for header in headers])
    if len({header.GetSize() for header in headers}) > 1 or are_turned(directions):
        raise CommandError(f"{name} mixes images of several sizes or orientations: it is not one volume.")
    normal = directions[0].reshape(3, 3)[:, 2]
    origins = np.array([header.GetOrigin() for header in headers])
    order, _ = even_stack(name, origins, normal)
    return [series.files[index] for index in order], len({_scaling(header) for header in headers}) == 1


def _scaling(header: sitk.ImageFileReader) -> tuple[float | str, ...]:
    return tuple(_number(header.GetMetaData(tag)) if header.HasMetaDataKey(tag) else "" for tag in _SCALING)


def _number(text: str) -> float | str:
    try:
        return float(text.strip("\0 "))
    except ValueError:
        return text
