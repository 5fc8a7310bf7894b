"""What headers of image files promise, looked at before native readers trust them: ITK does not notice all of it."""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np

from .file_names import check_no_pipe, is_label_map_by_name, is_nifti, is_pipe

_GZIP = b"\x1f\x8b"
_DICOM_MARK = slice(128, 132)
_TEXT_HEADERS = (".mha", ".mhd", ".nrrd", ".nhdr")
_PAIR_END = re.compile(r"\.(hdr|img)(?:\.gz)?$", re.IGNORECASE)
_LONGEST_TEXT_HEADER = 2**16
_MOST_DEFLATED = 1100
"""Deflate makes nothing shorter than by a factor of 1032."""

# How MetaImage and NRRD state their sizes, that voxels are not stored as they are, and the file that these are in.
_SIZES = re.compile(rb"^(?:\s*DimSize\s*[=:]|sizes:)((?: +[0-9]{1,18})+)[ \r]*$", re.MULTILINE)
_COMPRESSED = re.compile(rb"^(?:CompressedData *= *True|encoding:(?! *raw\b))", re.MULTILINE | re.IGNORECASE)
_VOXEL_FILE = re.compile(rb"^(?:[ \t]*ElementDataFile[ \t]*[=:]|(?i:data ?file):)[ \t]*([^\r\n]*\S)", re.MULTILINE)
# Both readers give the pattern to C's printf.
_PATTERN = re.compile(
    r"((?:[^%\s]|%%)*%[-+0]*[0-9]{0,2}(?:\.[0-9]{0,2})?[hlL]?[diuoxX](?:[^%\s]|%%)*)"
    r"(?:\s+(-?[0-9]{1,9})\s+(-?[0-9]{1,9})(?:\s+(-?[1-9][0-9]{0,8}))?\b.*)?",
    re.ASCII,
)
_MOST_FILES = 2**16
_RIGHT_ANGLE = 1e-4
"""Largest cosine between axes that ITK takes for orthogonal, about."""
# By the length that a header states first: where its magic stands, its axes, its voxel type and where voxels begin.
_NIFTI = {
    348: (344, b"n+1\0", "8h", 40, 70, "f", 108),
    540: (4, b"n+2\0", "8q", 16, 12, "q", 168),
}
# The content of a file by NIfTI's numbers, where that stands by the length that a header states, and its magic.
_LABEL_INTENT = 1002
_INTENT = {348: ("h", 68, 344, (b"n+1\0", b"ni1\0")), 540: ("i", 504, 4, (b"n+2\0", b"ni2\0"))}
# How ITK passes it on when it writes another format.
_INTENT_FIELD = re.compile(rb"^intent_code *:?= *([0-9]+)[ \r]*$", re.MULTILINE)
# What Slicer puts into the header of a segmentation, and ITK passes on.
_SEGMENT_FIELD = re.compile(rb"^Segment(?:[0-9]+_ID|ation_[A-Za-z]+) *:?=", re.MULTILINE)
# Bytes of a voxel by NIfTI's numbers of the types.
_VOXEL_BYTES = {
    **{2: 1, 4: 2, 8: 4, 16: 4, 32: 8, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8},
    **{1536: 16, 1792: 16, 2048: 32, 2304: 4},
}


class Fault(NamedTuple):
    """Why a file is not read as a scan, and the other file that is the reason, where it is one."""

    kind: Literal["pipe", "named pipe", "label name", "taken for", "damaged", "label header"]
    other: Path | None = None


def fault_of(path: Path, *, by_itk: bool = True, may_be_labels: bool = False) -> Fault | None:
    """Find out why a file must not be read as a scan, before any reader opens it; nothing if it may be.

    Parameters
    ----------
    path
        The file.
    by_itk
        Whether ITK reads it, if it is NIfTI: see `taken_for`.
    may_be_labels
        Whether it may be a label map, by its name or its header.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if (pipe := pipe_fault(path)) is not None:
        return pipe
    if is_label_map_by_name(path) and not may_be_labels:
        return Fault("label name")
    if by_itk and (other := taken_for(path)) is not None:
        return Fault("taken for", other)
    if not is_sound(path):
        return Fault("damaged")
    return None if may_be_labels or not _is_label_map_by_header(path) else Fault("label header")


def pipe_fault(path: Path) -> Fault | None:
    """Find out whether a file is a pipe or a device, or names one for its voxels: whoever reads it waits for ever."""
    if is_pipe(path):
        return Fault("pipe")
    try:
        named = _voxel_files_named_in(path)
    except OSError:
        # Whoever reads the file says why.
        return None
    return next((Fault("named pipe", one) for one in named if is_pipe(one)), None)


def is_sound(path: Path) -> bool:
    """Whether a file may be given to a reader that trusts its header.

    A NIfTI file that was cut is read as if what is missing were zeros, one that promises more than it holds fills the
    memory, also one of another format, and a MetaImage file with an impossible size ends the process. Only MetaImage,
    NRRD and pairs of files (Analyze, NIfTI) are looked at beside NIfTI.

    Parameters
    ----------
    path
        The file; the end of its name tells the format.

    Raises
    ------
    OSError
        If it cannot be read, or is no file but a pipe.
    """
    check_no_pipe(path)
    name = path.name.lower()
    if is_nifti(path):
        return _holds_its_voxels(path)
    if _PAIR_END.search(name):
        return not _is_pair(path) or _is_sound_pair(path)
    if name.endswith(_TEXT_HEADERS):
        header = _text_header(path)
        meta = name.endswith((".mha", ".mhd"))
        return (not meta or _has_possible_size(header)) and _may_hold_its_voxels(path, header)
    return True


def files_of(path: Path) -> tuple[Path, ...]:
    """The file itself, and those beside it that hold its voxels, as far as its header names some that are there.

    Raises
    ------
    OSError
        If the header cannot be read.
    """
    if _PAIR_END.search(path.name) and _is_pair(path):
        return _pair(path)
    return (path, *(one for one in _voxel_files_named_in(path) if one.is_file()))


def _voxel_files_named_in(path: Path) -> Iterable[Path]:
    """The files that a header of MetaImage or NRRD names for its voxels, whether they are there or not."""
    if not path.name.lower().endswith(_TEXT_HEADERS):
        return ()
    header = _text_header(path)
    found = _VOXEL_FILE.search(header)
    if found is None or found[1].upper() == b"LOCAL":
        return ()
    named = os.fsdecode(found[1])
    names: Iterable[str] = [named]
    if named.startswith("LIST"):
        names = os.fsdecode(header[found.end() :]).splitlines()
    elif pattern := _PATTERN.fullmatch(named):
        # Without numbers they are those of the slices, from 1.
        slices = _SIZES.search(header)
        last = slices[1].split()[-1] if slices else b"0"
        first, last, step = (int(one) for one in (pattern[2] or 1, pattern[3] or last, pattern[4] or 1))
        names = (pattern[1] % number for number in range(first, last + (1 if step > 0 else -1), step)[:_MOST_FILES])
    return (path.parent / name.strip() for name in names if name.strip() and "\0" not in name)


def has_sheared_axes(path: Path) -> bool:
    """Whether a NIfTI file has axes that are not at right angles, which ITK refuses; raises OSError if it is gone."""
    with _opened(path) as file:
        header = file.read(348)
    for order in "<>":
        if len(header) < 348 or struct.unpack_from(f"{order}i", header)[0] != 348:
            continue
        (code,) = struct.unpack_from(f"{order}h", header, 254)
        axes = np.array(struct.unpack_from(f"{order}12f", header, 280)).reshape(3, 4)[:, :3]
        return code > 0 and are_sheared(axes)
    return False


def are_sheared(axes: np.ndarray) -> bool:
    """Whether axes, the columns of (3, 3), are not at right angles, as far as ITK minds; one without length is not."""
    lengths = np.linalg.norm(axes, axis=0)
    if not lengths.all():
        return False
    return bool(np.abs((axes.T @ axes) / np.outer(lengths, lengths) - np.eye(3)).max() > _RIGHT_ANGLE)


def taken_for(path: Path) -> Path | None:
    """The uncompressed NIfTI file beside a compressed one, if there is one: ITK reads its voxels for those of both."""
    other = path.with_suffix("")
    return other if path.name.lower().endswith(".nii.gz") and other.exists() else None


def _text_header(path: Path) -> bytes:
    with _open(path) as file:
        return file.read(_LONGEST_TEXT_HEADER)


def _pair(path: Path) -> tuple[Path, Path]:
    """Header and voxels of a pair, given either; each may be compressed."""
    stem, end = _PAIR_END.split(path.name)[:2]
    capital = end.isupper()
    names = ((f".{kind.upper() if capital else kind}{packed}" for packed in ("", ".gz")) for kind in ("hdr", "img"))
    header, voxels = ([path.with_name(stem + name) for name in of_kind] for of_kind in names)
    return next(filter(Path.exists, header), header[0]), next(filter(Path.exists, voxels), voxels[0])


def _is_pair(path: Path) -> bool:
    """Whether the file has its other half beside it; images of other formats, such as DICOM, may be called ".img"."""
    with _open(path) as file:
        start = file.read(_DICOM_MARK.stop)
    return all(half.exists() for half in _pair(path)) and start[_DICOM_MARK] != b"DICM"


def _is_sound_pair(path: Path) -> bool:
    header, voxels = _pair(path)
    try:
        with _opened(header) as file:
            stated = _stated_length(file.read(max(_NIFTI)), pair=True)
        with _opened(voxels) as file:
            return stated is not None and stated <= file.seek(0, os.SEEK_END)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False


def _is_label_map_by_header(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(_TEXT_HEADERS):
        header = _text_header(path)
        found = _INTENT_FIELD.search(header)
        return _SEGMENT_FIELD.search(header) is not None or (found is not None and int(found[1]) == _LABEL_INTENT)
    if not is_nifti(path) and not (_PAIR_END.search(name) and _is_pair(path)):
        return False
    with _opened(path if is_nifti(path) else _pair(path)[0]) as file:
        header = file.read(max(_NIFTI))
    for order in "<>":
        length = struct.unpack_from(f"{order}i", header)[0]
        if length in _INTENT:
            kind, at, place, magic = _INTENT[length]
            intent = struct.unpack_from(order + kind, header, at)[0]
            # Analyze, which has no magic, has no intent either.
            return intent == _LABEL_INTENT and header[place : place + 4] in magic
    return False


def _open(path: Path) -> IO[bytes]:
    check_no_pipe(path)
    return path.open("rb")


def _opened(path: Path) -> IO[bytes]:
    """The content of a file that may be compressed, whatever its name says."""
    with _open(path) as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return gzip.open(path) if packed else path.open("rb")


def _holds_its_voxels(path: Path) -> bool:
    try:
        with _opened(path) as file:
            stated = _stated_length(file.read(max(_NIFTI)))
            # A compressed file is read to its end for this, and its checksum compared.
            return stated is not None and stated <= file.seek(0, os.SEEK_END)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False


def _stated_length(header: bytes, pair: bool = False) -> float | None:
    """Length of a NIfTI file, or of the file with the voxels of a pair, in bytes by the header; None if it is none."""
    for order in "<>":
        length = struct.unpack_from(f"{order}i", header)[0] if len(header) >= 4 else 0
        if length not in _NIFTI or len(header) < length:
            continue
        place, magic, axes, axes_at, type_at, offset, offset_at = _NIFTI[length]
        count, *sizes = struct.unpack_from(order + axes, header, axes_at)
        voxel_bytes = _VOXEL_BYTES.get(struct.unpack_from(order + "h", header, type_at)[0])
        # Analyze, which is a pair, has no magic.
        known = pair or header[place : place + len(magic)] == magic
        if not known or not 1 <= count <= len(sizes) or voxel_bytes is None:
            return None
        (begin,) = struct.unpack_from(order + offset, header, offset_at)
        return begin + math.prod(max(1, size) for size in sizes[:count]) * voxel_bytes
    return None


def _has_possible_size(header: bytes) -> bool:
    stated = re.findall(rb"(NDims|DimSize)\s*[=:]([^\r\n]*)", header)
    possible = {b"NDims": rb"\s*[1-9]\s*", b"DimSize": rb"\s*[1-9][0-9]{0,8}(\s+[1-9][0-9]{0,8})*\s*"}
    return all(re.fullmatch(possible[name], text) for name, text in stated)


def _may_hold_its_voxels(path: Path, header: bytes) -> bool:
    """Whether a byte for each voxel could be in the file, or in the one file that its header names."""
    sizes, voxel_file = _SIZES.search(header), _VOXEL_FILE.search(header)
    if sizes is None:
        return True
    named = b"LOCAL" if voxel_file is None else voxel_file[1]
    try:
        held = (path if named == b"LOCAL" else path.parent / os.fsdecode(named)).stat().st_size
    except (OSError, ValueError):
        # A list or a pattern of names; the reader refuses a file that is missing.
        return True
    return math.prod(map(int, sizes[1].split())) <= held * (_MOST_DEFLATED if _COMPRESSED.search(header) else 1)
