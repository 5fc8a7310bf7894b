"""The frames of one DICOM file, put where its header says that they lie: ITK takes them as they are stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from .command_error import CommandError
from .dicom_stack import are_turned, even_stack

if TYPE_CHECKING:
    from .image_files import Scan


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
    each, shared = _functional_groups(source, file, len(scan.voxels))

    def of_frames(sequence: str, element: str) -> np.ndarray:
        values = [_value((frame, shared), sequence, element) for frame in each]
        if any(value is None for value in values):
            raise _placeless(source, len(each))
        return np.array(values, np.float64)

    positions = of_frames("PlanePositionSequence", "ImagePositionPatient")
    orientations = of_frames("PlaneOrientationSequence", "ImageOrientationPatient")
    rows, columns = of_frames("PixelMeasuresSequence", "PixelSpacing")[0]
    if are_turned(orientations):
        raise CommandError(f"{source} mixes frames of several orientations: it is not one volume.")
    if len({_scaling((frame, shared)) for frame in each}) > 1:
        raise CommandError(
            f"{source} scales its frames by different factors: convert it to NIfTI, for instance with dcm2niix, first."
        )
    across, down = orientations[0].reshape(2, 3)
    normal = np.cross(across, down)
    order, distance = even_stack(str(source), positions, normal)
    return replace(
        scan,
        voxels=scan.voxels[order],
        origin=positions[order[0]].tolist(),
        spacing=(float(columns), float(rows), distance),
        direction=np.stack([across, down, normal], axis=1).ravel().tolist(),
    )


def _functional_groups(source: Path, file: Path, count: int) -> tuple[list[Any], Any]:
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        each, shared = list(header.PerFrameFunctionalGroupsSequence), header.SharedFunctionalGroupsSequence[0]
    except (InvalidDicomError, AttributeError, IndexError) as error:
        raise _placeless(source, count) from error
    except OSError as error:
        raise CommandError(f"{source} cannot be read ({error.strerror}): name a scan that can be read.") from error
    if len(each) != count:
        raise _placeless(source, count)
    return each, shared


def _value(groups: tuple[Any, Any], sequence: str, element: str) -> list[float] | None:
    """What a frame states by itself, or else shares with the others; None where neither does."""
    for group in groups:
        if sequence in group and len(group[sequence].value) and element in group[sequence].value[0]:
            value = group[sequence].value[0][element].value
            return [float(number) for number in value] if isinstance(value, pydicom.multival.MultiValue) else [value]
    return None


def _scaling(groups: tuple[Any, Any]) -> tuple[float, float]:
    slope, intercept = (
        _value(groups, "PixelValueTransformationSequence", element) for element in ("RescaleSlope", "RescaleIntercept")
    )
    return float((slope or [1])[0]), float((intercept or [0])[0])


def _placeless(source: Path, count: int) -> CommandError:
    return CommandError(
        f"{source} holds {count} frames and does not say where each of them lies: convert it to NIfTI, for instance "
        "with dcm2niix, first."
    )
