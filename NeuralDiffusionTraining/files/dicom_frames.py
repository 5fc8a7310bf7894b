"""The frames of one DICOM file, put where its header says that they lie: ITK takes them as they are stored."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError

from .command_error import CommandError
from .dicom_stack import are_turned, even_stack

if TYPE_CHECKING:
    from .image_files import Scan

# What pydicom raises over a header that is damaged, some of it only when an element is asked for.
_DAMAGED = (
    InvalidDicomError,
    BytesLengthException,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    NotImplementedError,
    EOFError,
    struct.error,
)
# Largest difference of pixels between frames of one volume, in mm.
_RESIZED = 1e-3


def frames_in_place(source: Path, file: Path, scan: Scan) -> Scan:
    """Give the frames of a file the order and the geometry that each of them states.

    Parameters
    ----------
    source
        What the user named.
    file
        The DICOM file.
    scan
        As ITK read it: two frames or more, along the first axis.

    Raises
    ------
    CommandError
        If the frames do not say where they lie, form no evenly spaced stack, or are scaled differently.
    """
    try:
        positions, orientations, sizes, scalings = _stated(file, len(scan.voxels))
    except OSError as error:
        raise CommandError(f"{source} cannot be read ({error.strerror}): name a scan that can be read.") from error
    except _DAMAGED as error:
        raise CommandError(
            f"{source} holds {len(scan.voxels)} frames and does not say of each where it lies and how it is scaled: "
            "convert it to NIfTI, for instance with dcm2niix, first."
        ) from error
    if are_turned(orientations) or np.ptp(sizes, axis=0).max() > _RESIZED:
        raise CommandError(f"{source} mixes frames of several orientations or pixel sizes: it is not one volume.")
    if np.ptp(scalings, axis=0).any():
        raise CommandError(
            f"{source} scales its frames by different factors: convert it to NIfTI, for instance with dcm2niix, first."
        )
    across, down = orientations[0].reshape(2, 3)
    normal = np.cross(across, down)
    order, distance = even_stack(str(source), positions, normal)
    rows, columns = sizes[0]
    return replace(
        scan,
        voxels=scan.voxels[order],
        origin=positions[order[0]].tolist(),
        spacing=(float(columns), float(rows), distance),
        direction=np.stack([across, down, normal], axis=1).ravel().tolist(),
    )


def _stated(file: Path, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Position (frames, 3), orientation (frames, 6), row and column spacing, and slope and intercept (frames, 2)."""
    header = pydicom.dcmread(file, stop_before_pixels=True)
    shared = next(iter(header.get("SharedFunctionalGroupsSequence") or ()), pydicom.Dataset())
    each = list(header.PerFrameFunctionalGroupsSequence)
    if len(each) != count:
        raise ValueError(f"{len(each)} groups for {count} frames")

    def of_frames(sequence: str, element: str, size: int, missing: float | None = None) -> np.ndarray:
        return np.stack([_numbers((frame, shared), sequence, element, size, missing) for frame in each])

    scaling = "PixelValueTransformationSequence"
    return (
        of_frames("PlanePositionSequence", "ImagePositionPatient", 3),
        of_frames("PlaneOrientationSequence", "ImageOrientationPatient", 6),
        of_frames("PixelMeasuresSequence", "PixelSpacing", 2),
        np.hstack([of_frames(scaling, "RescaleSlope", 1, 1.0), of_frames(scaling, "RescaleIntercept", 1, 0.0)]),
    )


def _numbers(
    groups: tuple[pydicom.Dataset, ...], sequence: str, element: str, size: int, missing: float | None
) -> np.ndarray:
    """What a frame states by itself, or else shares with the others; ValueError if that is not `size` numbers."""
    stated = (group[sequence][0] for group in groups if group.get(sequence))
    value = next((one[element].value for one in stated if element in one), missing)
    numbers = np.atleast_1d(np.array(value, np.float64))
    if numbers.shape != (size,) or not np.isfinite(numbers).all():
        raise ValueError(f"no {size} numbers as {element}")
    return numbers
