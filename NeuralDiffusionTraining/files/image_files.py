"""Scans in files: read with the header and geometry that belong to them, and written with both.

NIfTI goes through nibabel, which keeps both transforms, their codes and the stored scaling, and notices a file that
ends too early or a disk that is full (ITK does not); every other format goes through SimpleITK.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from NeuralDiffusionLib.engine.scalar_types import cast_into, cast_to
from NeuralDiffusionLib.engine.slice_planes import acquisition_axis
from NeuralDiffusionLib.file_names import NIFTI_SUFFIXES, is_nifti, is_text, shown
from NeuralDiffusionLib.image_headers import are_sheared, fault_of

from .command_error import CommandError
from .dicom_frames import frames_in_place
from .pipes import PIPE_SENTENCES
from .silent_libraries import silent_libraries

_ITK_WRITERS = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO"}
OUTPUT_SUFFIXES = (*NIFTI_SUFFIXES, *_ITK_WRITERS)

_DICOM_READER = "GDCMImageIO"
_FAULTS = {
    **PIPE_SENTENCES,
    "label name": "{scan} is a label map by its name, whose labels would be blended: rename it if it is a scan.",
    "label header": "{scan} is a label map by its header, whose labels would be blended: name a scan.",
    "damaged": "{scan} cannot be read as an image: it is damaged, incomplete or of an unknown format.",
    "damaged NIfTI": "{scan} cannot be read as NIfTI: it is damaged or incomplete.",
}
# Millimetres in NIfTI's units of length, by their number.
_MILLIMETRES = {1: 1e3, 3: 1e-3}
_LONGEST_NIFTI_AXIS = 2**15 - 1
# So that what is rounded to float32 first is hardly ever rounded to another step.
_PARTS_OF_A_STEP = 8
_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NO_SPACE, _SCANNER_SPACE = 0, 1
_DAMAGED_NIFTI = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    zlib.error,
)
# Fields that ITK derives from the file at hand: they would be wrong, or unreadable, in another one.
_DERIVED_FIELDS = ("ITK_", "NRRD_kinds", "NRRD_space", "NRRD_measurement", "NRRD_thickness", "NRRD_center")

nib.imageglobals.logger.setLevel(logging.CRITICAL)
sitk.ProcessObject.SetGlobalWarningDisplay(False)


@dataclass(frozen=True)
class Scan:
    """One volume and what must be kept of its file.

    Parameters
    ----------
    voxels
        Intensities, (slices, rows, columns), that is (k, j, i), in the scanner's units.
    origin, spacing, direction
        Geometry in ITK's convention: patient LPS, millimetres, direction as 9 numbers by rows.
    format
        Name of ITK's reader of the file, ``"NiftiImageIO"`` for NIfTI.
    fields
        Header fields that ITK does not derive from the voxels and the geometry.
    nifti
        The image as nibabel read it; ``None`` for other formats.
    """

    voxels: np.ndarray
    origin: Sequence[float]
    spacing: Sequence[float]
    direction: Sequence[float]
    format: str
    fields: dict[str, str] = field(default_factory=dict)
    nifti: nib.Nifti1Image | None = None

    @property
    def slice_axis(self) -> int:
        """Axis of the array along which the slices were acquired."""
        return acquisition_axis(self.spacing[::-1], self.voxels.shape)

    @property
    def as_acquired(self) -> tuple[np.ndarray, tuple[float, ...]]:
        """The voxels as (slices, rows, columns) of the acquisition, a view, and the millimetres along each axis."""
        first = self.slice_axis
        axes = (first, *(axis for axis in range(3) if axis != first))
        # The geometry counts axes as (i, j, k), arrays as (k, j, i).
        return self.voxels.transpose(axes), tuple(float(self.spacing[::-1][axis]) for axis in axes)

    @property
    def affine(self) -> np.ndarray:
        """Voxel (i, j, k) to patient RAS in millimetres, (4, 4)."""
        lps = np.eye(4)
        lps[:3, :3] = np.reshape(self.direction, (3, 3)) * self.spacing
        lps[:3, 3] = self.origin
        return _RAS_FROM_LPS @ lps


def read_scan(path: Path, may_be_labels: bool = False) -> Scan:
    """Read a file that holds one scalar volume.

    Parameters
    ----------
    path
        The file.
    may_be_labels
        Whether it may be a label map, by its name or its header.

    Raises
    ------
    CommandError
        If the file cannot be read, or is or names a pipe, or holds labels without leave, a series of volumes, colours,
        vectors or complex numbers.
    """
    try:
        fault = fault_of(path, by_itk=False, may_be_labels=may_be_labels)
    except OSError as error:
        raise _not_readable(path, error) from error
    if fault is not None:
        kind = "damaged NIfTI" if fault.kind == "damaged" and is_nifti(path) else fault.kind
        raise CommandError(_FAULTS[kind].format(scan=path, other=fault.other))
    return _read_nifti(path) if is_nifti(path) else read_with_itk(path, [path])


def read_with_itk(source: Path, files: Sequence[Path], as_float: bool = False) -> Scan:
    """Read one file, or the sorted files of one DICOM series.

    Parameters
    ----------
    source
        What the user named.
    files
        The files.
    as_float
        Whether to read 32-bit floats; otherwise the voxels have the type of the first file.

    Raises
    ------
    CommandError
        If it cannot be read, or is no single scalar volume.
    """
    for file in files:
        check_name(file)
    names = [str(file) for file in files]
    with silent_libraries:
        try:
            pixel_type = sitk.sitkFloat32 if as_float else sitk.sitkUnknown
            image = sitk.ReadImage(names[0] if len(names) == 1 else names, pixel_type)
        except RuntimeError as error:
            raise CommandError(_FAULTS["damaged"].format(scan=source)) from error
        reader = sitk.ImageFileReader.GetImageIOFromFileName(names[0])
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise _not_scalar(source, f"{image.GetNumberOfComponentsPerPixel()} values per voxel (colours or vectors)")
    if "complex" in image.GetPixelIDTypeAsString():
        raise _not_scalar(source, "complex numbers")
    if image.GetDimension() == 2:
        image = sitk.JoinSeries(image)
    while image.GetDimension() > 3:
        if image.GetSize()[-1] > 1:
            raise _not_one_volume(source, image.GetSize())
        image = image[..., 0]
    scan = Scan(
        sitk.GetArrayFromImage(image),
        image.GetOrigin(),
        image.GetSpacing(),
        image.GetDirection(),
        reader,
        _free_fields(image),
    )
    frames = reader == _DICOM_READER and len(files) == 1 and len(scan.voxels) > 1
    return frames_in_place(source, files[0], scan) if frames else scan


def check_name(path: Path) -> None:
    """Refuse a path that is not UTF-8: ITK would end the process over it.

    Raises
    ------
    CommandError
        If it is none.
    """
    if not is_text(path):
        raise CommandError(
            f"{shown(path)} has characters that are not valid UTF-8, which only NIfTI files may have: give it another "
            "name."
        )


def check_target(path: Path, scan: Scan) -> None:
    """Refuse a file that cannot be written, whatever the voxels become.

    Raises
    ------
    CommandError
        If the file would be NIfTI-1 and the scan has more voxels along an axis than that can count, or if it would be
        none and its path is not UTF-8.
    """
    if not is_nifti(path):
        check_name(path)
    longest = max(scan.voxels.shape)
    if is_nifti(path) and scan.nifti is None and longest > _LONGEST_NIFTI_AXIS:
        raise CommandError(
            f"{path} cannot hold the scan: it has {longest} voxels along an axis, NIfTI {_LONGEST_NIFTI_AXIS} at most: "
            "name a .nrrd or .mha file."
        )


def write_denoised(path: Path, scan: Scan, image: np.ndarray, as_float: bool) -> None:
    """Write `image` with the header, geometry and voxel type of `scan`; `as_float` makes the type float32.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    slope, intercept = 1.0, 0.0
    if scan.nifti is None or as_float or not is_nifti(path):
        voxels = cast_to(image, scalar_type_in(path, scan, as_float))
    else:
        slope, intercept = _scaling(scan.nifti)
        voxels = _unscaled(image, scan.nifti.get_data_dtype(), slope, intercept)
    _write(path, scan, voxels, slope, intercept, scan.fields)


def scalar_type_in(path: Path, scan: Scan, as_float: bool) -> np.dtype:
    """The type in which a denoised scan is best held until `write_denoised` writes it.

    It is that of the file, or, where the numbers of the file, or of the scan, are scaled by a header, float32 if that
    tells their steps apart and float64 if not.
    """
    if as_float:
        return np.dtype(np.float32)
    if scan.nifti is not None and _scaling(scan.nifti) != (1, 0):
        return np.dtype(np.float32 if _has_coarse_steps(scan.voxels, scan.nifti) else np.float64)
    return scan.nifti.get_data_dtype() if scan.nifti is not None and is_nifti(path) else scan.voxels.dtype


def write_map(path: Path, scan: Scan, values: np.ndarray, window: tuple[float, float] = (0.0, 0.0)) -> None:
    """Write a map as float32 with the geometry of `scan`; raises OSError like `write_denoised`.

    `window` is the span of values that viewers show first; (0, 0), which is not that of the scan, leaves it to them.
    """
    _write(path, scan, values.astype(np.float32, copy=False), 1.0, 0.0, {}, window=window)


def _read_nifti(path: Path) -> Scan:
    try:
        # A file that is mapped cannot be replaced on Windows, and ends the process if it is cut meanwhile.
        nifti = nib.load(path, mmap=False)
        voxels = np.asanyarray(nifti.dataobj)
    except (FileNotFoundError, PermissionError) as error:
        raise _not_readable(path, error) from error
    except _DAMAGED_NIFTI as error:
        raise CommandError(_FAULTS["damaged NIfTI"].format(scan=path)) from error
    except MemoryError as error:
        raise CommandError(
            f"{path} cannot be read: its header is damaged, or it is larger than the memory of this computer."
        ) from error
    if voxels.dtype.names is not None:
        raise _not_scalar(path, f"{len(voxels.dtype.names)} values per voxel (colours)")
    if np.iscomplexobj(voxels):
        raise _not_scalar(path, "complex numbers")
    if voxels.ndim > 3 and any(size > 1 for size in voxels.shape[3:]):
        raise _not_one_volume(path, voxels.shape)
    affine = _RAS_FROM_LPS @ nifti.affine
    affine[:3] *= _MILLIMETRES.get(int(nifti.header["xyzt_units"]) & 7, 1.0)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) == 0:
        raise CommandError(f"{path} states no usable geometry: its voxel axes span no volume.")
    # Neither ITK nor torch takes foreign byte order or 16-byte floats.
    native = np.float64 if voxels.dtype.itemsize > 8 else voxels.dtype.newbyteorder("=")
    volume = voxels.astype(native, copy=False).reshape((*voxels.shape, 1, 1)[:3], order="F")
    return Scan(
        volume.T,
        affine[:3, 3].tolist(),
        spacing.tolist(),
        (affine[:3, :3] / spacing).ravel().tolist(),
        "NiftiImageIO",
        nifti=nifti,
    )


def _write(
    path: Path,
    scan: Scan,
    voxels: np.ndarray,
    slope: float,
    intercept: float,
    fields: dict[str, str],
    window: tuple[float, float] | None = None,
) -> None:
    if is_nifti(path):
        _write_nifti(path, scan, voxels, slope, intercept, window)
        return
    check_name(path)
    image = sitk.GetImageFromArray(voxels)
    image.SetOrigin(scan.origin)
    image.SetSpacing(scan.spacing)
    image.SetDirection(scan.direction)
    # Other formats would misread the fields, and those of DICOM name the patient.
    if scan.format == _ITK_WRITERS[path.suffix.lower()]:
        for name, text in fields.items():
            image.SetMetaData(name, text)
    with silent_libraries:
        try:
            sitk.WriteImage(image, str(path), useCompression=True)
        except RuntimeError as error:
            raise OSError("the disk may be full") from error


def _write_nifti(
    path: Path, scan: Scan, voxels: np.ndarray, slope: float, intercept: float, window: tuple[float, float] | None
) -> None:
    if scan.nifti is None:
        image = nib.Nifti1Image(voxels.T, scan.affine, dtype=voxels.dtype)
        image.set_sform(scan.affine, _SCANNER_SPACE)
        # A qform has no shear: ITK would take it without, rather than the sform.
        image.set_qform(scan.affine, _NO_SPACE if are_sheared(scan.affine[:3, :3]) else _SCANNER_SPACE)
        image.header.set_xyzt_units("mm")
    else:
        header = scan.nifti.header.copy()
        header.set_data_dtype(voxels.dtype)
        image = type(scan.nifti)(voxels.T.reshape(scan.nifti.shape, order="F"), scan.nifti.affine, header)
    image.header.set_slope_inter(slope, intercept)
    if window is not None:
        image.header["cal_min"], image.header["cal_max"] = window
    nib.save(image, path)


def _unscaled(image: np.ndarray, voxel_type: np.dtype, slope: float, intercept: float) -> np.ndarray:
    """The numbers that a header scales to those of the image."""
    if (slope, intercept) == (1, 0):
        return cast_to(image, voxel_type)
    voxels = np.empty(image.shape, voxel_type)
    # One slice at a time: a large scan in double precision may not fit into the memory.
    for index, part in enumerate(image):
        cast_into(voxels[index], (part.astype(np.float64) - intercept) / slope)
    return voxels


def _has_coarse_steps(voxels: np.ndarray, nifti: nib.Nifti1Image) -> bool:
    """Whether float32 tells scaled numbers apart: whole ones step by the slope, of others 12 bits shall remain."""
    lowest, highest = float(voxels.min()), float(voxels.max())
    whole = nifti.get_data_dtype().kind in "iu"
    step = abs(_scaling(nifti)[0]) if whole else (highest - lowest) / 2**12
    return bool(np.spacing(np.float32(max(highest, -lowest))) <= step / _PARTS_OF_A_STEP)


def _scaling(nifti: nib.Nifti1Image) -> tuple[float, float]:
    return float(nifti.dataobj.slope), float(nifti.dataobj.inter)


def _free_fields(image: sitk.Image) -> dict[str, str]:
    # What is no plain text, as in a damaged header, cannot be asked for, or would spoil the header that it goes into.
    names = [name for name in image.GetMetaDataKeys() if name.isprintable() and name == name.strip()]
    fields = {name: image.GetMetaData(name) for name in names if not name.startswith(_DERIVED_FIELDS)}
    return {name: text for name, text in fields.items() if text.replace("\n", "").isprintable()}


def _not_readable(source: Path, error: OSError) -> CommandError:
    return CommandError(f"{source} cannot be read ({error.strerror or error}): name a scan that can be read.")


def _not_scalar(source: Path, content: str) -> CommandError:
    return CommandError(f"{source} holds {content}: only scans with one real number per voxel can be denoised.")


def _not_one_volume(source: Path, size: Sequence[int]) -> CommandError:
    shape = " x ".join(map(str, size))
    return CommandError(f"{source} holds several volumes ({shape}): split the series and denoise them one by one.")
