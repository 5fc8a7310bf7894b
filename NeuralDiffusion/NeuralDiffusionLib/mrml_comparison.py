"""A volume denoised by classical filters, and how close volumes come to a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from .errors import InvalidVolumeError
from .mrml_geometry import lie_voxel_on_voxel
from .mrml_new_volume import add_volume_beside, scene_of, unused_name
from .mrml_volumes import check_input, copy_display, make_image, read_volume


def add_gradient_anisotropic_diffusion(
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    conductance: float = 1.0,
    iterations: int = 5,
    time_step: float = 0.0625,
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the volume that Slicer's module Gradient Anisotropic Diffusion makes of the input, with its own defaults.

    The same ITK filter as in the module runs, through SimpleITK; the result is rounded to the input's scalar type.

    Parameters
    ----------
    input_volume
        Volume to denoise; it is not changed.
    conductance, iterations, time_step
        As for `classical_filters.gradient_anisotropic_diffusion`.

    Returns
    -------
    vtkMRMLScalarVolumeNode
        "<input>, gradient anisotropic diffusion", beside the input and with its display; the parameters stand in its
        description.

    Raises
    ------
    InvalidVolumeError
        If the input cannot be read.
    ValueError
        If a parameter is not possible.
    """
    from .classical_filters import gradient_anisotropic_diffusion

    voxels = gradient_anisotropic_diffusion(
        read_volume(input_volume), input_volume.GetSpacing(), conductance, iterations, time_step
    )
    description = _("Conductance {conductance:g}, {iterations} iterations, time step {time_step:g}.").format(
        conductance=conductance, iterations=iterations, time_step=time_step
    )
    return add_filtered(input_volume, voxels, _("gradient anisotropic diffusion"), description)


def add_non_local_means(
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    sigma: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the input denoised by non-local means, slice by slice.

    Parameters
    ----------
    input_volume
        Volume to denoise; it is not changed.
    sigma
        Standard deviation of the noise in the units of the input; estimated if left out.
    progress, cancelled
        As for `classical_filters.non_local_means`.

    Returns
    -------
    vtkMRMLScalarVolumeNode
        "<input>, non-local means slice by slice", beside the input and with its display; the parameters stand in its
        description.

    Raises
    ------
    InvalidVolumeError
        If the input cannot be read.
    ValueError
        If sigma is not possible.
    DenoiseCancelled
        If the run was cancelled.
    """
    from .classical_filters import PATCH, SEARCH, estimate_sigma, non_local_means

    voxels = read_volume(input_volume)
    sigma = estimate_sigma(voxels) if sigma is None else sigma
    filtered = non_local_means(voxels, sigma, progress, cancelled)
    description = _("Patches of {patch} x {patch} pixels in {search} x {search}, noise level {sigma:.3g}.").format(
        patch=PATCH, search=SEARCH, sigma=sigma
    )
    return add_filtered(input_volume, filtered, _("non-local means slice by slice"), description)


def add_filtered(
    input_volume: slicer.vtkMRMLScalarVolumeNode, voxels: np.ndarray, method: str, description: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the result of a filter that ran elsewhere, in a thread for instance, as "<input>, <method>".

    Parameters
    ----------
    input_volume
        Volume that was filtered.
    voxels
        (K, J, I), in the units of the input; rounded and clipped to its scalar type.
    method, description
        Name of the filter, and its parameters in a sentence.

    Raises
    ------
    InvalidVolumeError
        If the input is in no scene.
    """
    image = make_image(voxels, input_volume.GetImageData().GetScalarType())
    volume = add_volume_beside(input_volume, f"{input_volume.GetName()}, {method}", image)
    volume.SetDescription(description)
    copy_display(volume, input_volume)
    return volume


def compare_with_reference(
    reference: slicer.vtkMRMLScalarVolumeNode,
    volumes: Sequence[slicer.vtkMRMLScalarVolumeNode],
    mask: np.ndarray | None = None,
) -> slicer.vtkMRMLTableNode:
    """Add a table of how close volumes come to a reference.

    Parameters
    ----------
    reference
        The volume without noise.
    volumes
        Volumes that lie voxel on voxel over it, in the same units.
    mask
        Boolean, shape (K, J, I) of the reference: the voxels that count; all if left out.

    Returns
    -------
    vtkMRMLTableNode
        "Comparison with <reference>", one row for each volume: Volume, PSNR (dB), SSIM. The peak of the PSNR is the
        range of the reference; the SSIM is taken slice by slice along K (see `similarity`).

    Raises
    ------
    InvalidVolumeError
        If there is no volume to compare, one cannot be read, lies elsewhere than the reference or is smaller than the
        window of the SSIM, the reference has one value everywhere, or the mask does not fit or leaves nothing.
    """
    from .similarity import psnr, ssim

    if not volumes:
        raise InvalidVolumeError(_("No volume was given to compare: choose one or more."))
    wanted = read_volume(reference)
    scene = scene_of(reference)
    _check_reference(reference, wanted, mask)
    for volume in volumes:
        _check_place(volume, reference)
    rows = []
    for volume in volumes:
        voxels = read_volume(volume)
        rows.append((volume.GetName(), psnr(wanted, voxels, mask), ssim(wanted, voxels, mask)))
    return _add_table(scene, _("Comparison with {name}").format(name=reference.GetName()), rows)


def _check_reference(reference: slicer.vtkMRMLScalarVolumeNode, voxels: np.ndarray, mask: np.ndarray | None) -> None:
    from .similarity import WINDOW

    name = reference.GetName()
    if voxels.min() == voxels.max():
        raise InvalidVolumeError(
            _("'{name}' has the same value everywhere: choose another reference.").format(name=name)
        )
    if min(voxels.shape[1:]) < WINDOW:
        raise InvalidVolumeError(
            _("'{name}' has slices of {columns} x {rows} pixels: the SSIM needs {window} x {window} or more.").format(
                name=name, columns=voxels.shape[2], rows=voxels.shape[1], window=WINDOW
            )
        )
    if mask is not None and mask.shape != voxels.shape:
        raise InvalidVolumeError(
            _("The mask does not have the size of '{name}': choose one that was drawn on it.").format(name=name)
        )
    if mask is not None and not mask.any():
        raise InvalidVolumeError(_("The mask is empty: draw what is to be compared first."))


def _check_place(volume: slicer.vtkMRMLScalarVolumeNode, reference: slicer.vtkMRMLScalarVolumeNode) -> None:
    check_input(volume)
    names = {"name": volume.GetName(), "reference": reference.GetName()}
    if not lie_voxel_on_voxel(reference, volume):
        raise InvalidVolumeError(
            _("'{name}' does not lie voxel on voxel over '{reference}': resample it to that volume first.").format(
                **names
            )
        )
    if volume.GetParentTransformNode() is not reference.GetParentTransformNode():
        raise InvalidVolumeError(
            _("'{name}' and '{reference}' are under different transforms: put both under the same first.").format(
                **names
            )
        )


def _add_table(
    scene: slicer.vtkMRMLScene, name: str, rows: Sequence[tuple[str, float, float]]
) -> slicer.vtkMRMLTableNode:
    contents = vtk.vtkTable()
    arrays = (vtk.vtkStringArray, _("Volume")), (vtk.vtkDoubleArray, _("PSNR (dB)")), (vtk.vtkDoubleArray, _("SSIM"))
    for (array_type, title), values in zip(arrays, zip(*rows, strict=True), strict=True):
        column = array_type()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        contents.AddColumn(column)
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", unused_name(scene, name))
    table.SetAndObserveTable(contents)
    return table
