"""The scan of the demo: read from a file or from a package, cut to some slices, made noisy, compared with the truth."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from skimage.metrics import structural_similarity

TEMPLATE_NAME = "MNI ICBM152 T1"
HEAD_PSNR = "PSNR in the head, dB"
_TEMPLATE_FILE = Path("datasets", "data", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")


class DemoInputError(Exception):
    """What the demo was given cannot be used; the message is one sentence for the user."""


def template_path() -> Path:
    """Path of the T1 template that the package nilearn carries.

    Raises
    ------
    DemoInputError
        If nilearn is not installed or carries it no more.
    """
    package = find_spec("nilearn")  # found, not imported: that would take seconds
    path = Path(package.submodule_search_locations[0]) / _TEMPLATE_FILE if package else _TEMPLATE_FILE
    if not path.is_file():
        raise DemoInputError(
            "The demo's T1 scan comes with the package nilearn, which is not there: install nilearn 0.14, or give a "
            "scan of your own with --input."
        )
    return path


def load_scan(scene: slicer.vtkMRMLScene, path: Path, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Read an image file into a new volume of the scene.

    Raises
    ------
    DemoInputError
        If there is no such file, or it holds no scalar volume.
    """
    if path.is_dir():
        raise DemoInputError(f"'{path}' is a folder: give one image file (NIfTI, NRRD or MHA).")
    try:
        header = sitk.ImageFileReader()
        header.SetFileName(str(path))
        header.ReadImageInformation()
    except RuntimeError as error:
        raise DemoInputError(f"'{path}' is not an image that can be read: give a NIfTI, NRRD or MHA file.") from error
    if header.GetNumberOfComponents() != 1 or sum(count > 1 for count in header.GetSize()[3:]):
        raise DemoInputError(f"'{path}' has several values in a voxel: give a scan with one (split a series first).")
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    if not storage.ReadData(volume):
        raise DemoInputError(f"'{path}' could not be read to its end: is the file complete?")
    return volume


def keep_middle_slices(volume: slicer.vtkMRMLScalarVolumeNode, count: int) -> None:
    """Cut a volume to its middle slices along its last axis, in its place."""
    voxels = slicer.util.arrayFromVolume(volume)
    first = max(0, (len(voxels) - count) // 2)
    kept = voxels[first : first + count].copy()
    to_ras = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(to_ras)
    volume.SetOrigin(to_ras.MultiplyPoint((0, 0, first, 1))[:3])
    slicer.util.updateVolumeFromArray(volume, kept)


def head_mask(scan: np.ndarray) -> np.ndarray:
    """Boolean array of the scan's shape: the largest object above Otsu's threshold, holes filled; or all of it."""
    image = sitk.GetImageFromArray(scan.astype(np.float32))
    objects = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.OtsuThreshold(image, 0, 1)), sortByObjectSize=True)
    mask = sitk.GetArrayFromImage(sitk.BinaryFillhole(objects == 1)).astype(bool)
    return mask if mask.any() else np.ones(scan.shape, dtype=bool)


def display_range(scan: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Intensities to show as black and white: from a little above the air to a little above all tissue but fat."""
    darkest, brightest = (float(level) for level in np.percentile(scan[mask], (1, 98)))
    air = float(np.median(scan[~mask])) if not mask.all() else darkest
    return air + 0.3 * (darkest - air), air + 1.1 * (brightest - air)


def quality(reference: np.ndarray, scan: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """PSNR (dB) and SSIM against a noise-free reference, in the mask and over the whole volume.

    The data range is the reference's. SSIM is that of Wang et al. (11 x 11 Gaussian window, sigma 1.5), slice by slice.
    """
    span = float(reference.max()) - float(reference.min())
    error = np.square(scan.astype(np.float32) - reference)
    similarity = np.stack(
        [
            structural_similarity(
                clean.astype(np.float32),
                slice_.astype(np.float32),
                data_range=span,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                full=True,
            )[1]
            for clean, slice_ in zip(reference, scan, strict=True)
        ]
    )
    return {
        HEAD_PSNR: 10 * math.log10(span**2 / error[mask].mean()),
        "PSNR in the whole volume, dB": 10 * math.log10(span**2 / error.mean()),
        "SSIM in the head": float(similarity[mask].mean()),
        "SSIM in the whole volume": float(similarity.mean()),
    }
