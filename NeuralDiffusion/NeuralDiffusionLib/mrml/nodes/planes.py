"""Which way a volume's slices lie that are denoised: chosen by its acquisition or by anatomy, said in a sentence."""

from __future__ import annotations

import enum

import slicer
from slicer.i18n import tr as _

from ...engine.domain_checks import has_square_pixels, pixel_sides
from ...engine.slice_planes import THICK_SLICE, acquisition_axis, is_thick, plane_axes, plane_name
from .geometry import ijk_to_ras


class SlicesAlong(enum.Enum):
    """Direction in which slices are stacked. Scenes store the member's name: renaming one breaks saved scenes."""

    ACQUISITION = "acquisition"
    RIGHT = "right"
    ANTERIOR = "anterior"
    SUPERIOR = "superior"
    THREE_PLANES = "three planes"

    def label(self) -> str:
        return {
            SlicesAlong.ACQUISITION: _("Acquisition plane"),
            SlicesAlong.RIGHT: _("R (sagittal slices)"),
            SlicesAlong.ANTERIOR: _("A (coronal slices)"),
            SlicesAlong.SUPERIOR: _("S (axial slices)"),
            SlicesAlong.THREE_PLANES: _("Average of three planes"),
        }[self]


_PLANES = {SlicesAlong.RIGHT: "sagittal", SlicesAlong.ANTERIOR: "coronal", SlicesAlong.SUPERIOR: "axial"}


def spacing_kji(volume: slicer.vtkMRMLScalarVolumeNode) -> tuple[float, float, float]:
    """Return the distance of neighbouring voxels along each axis of the array, in mm."""
    i, j, k = volume.GetSpacing()
    return k, j, i


def slice_axis(volume: slicer.vtkMRMLScalarVolumeNode, slices_along: SlicesAlong) -> int:
    """Find the axis of a volume's array across the slices that are denoised.

    Parameters
    ----------
    volume
        Its own IJK to RAS counts; a parent transform does not turn the slices.
    slices_along
        What was chosen. For the average of three planes, which takes every axis, that of the acquisition is found: one
        map or one trace is then of that plane.

    Returns
    -------
    int
        0 to 2, order K, J, I.

    Raises
    ------
    InvalidVolumeError
        If the volume's IJK to RAS has no inverse.
    """
    if slices_along in _PLANES:
        return plane_axes(ijk_to_ras(volume))[_PLANES[slices_along]]
    return acquisition_axis(spacing_kji(volume), _shape(volume))


def plane_label(volume: slicer.vtkMRMLScalarVolumeNode, axis: int) -> str:
    """Name the anatomical plane in which the slices across an axis of a volume's array lie.

    Raises
    ------
    InvalidVolumeError
        If the volume's IJK to RAS has no inverse.
    """
    plane = plane_name(ijk_to_ras(volume), axis)
    return {"axial": _("axial"), "coronal": _("coronal"), "sagittal": _("sagittal")}[plane]


def describe_slices(volume: slicer.vtkMRMLScalarVolumeNode, slices_along: SlicesAlong) -> str:
    """Say in which plane a volume's slices are denoised, how far apart they are, and what that entails.

    Parameters and errors are those of `slice_axis`.
    """
    axis = slice_axis(volume, slices_along)
    spacing = spacing_kji(volume)
    shape = _shape(volume)
    if slices_along is SlicesAlong.THREE_PLANES:
        if shape is not None and 1 in shape:
            return _("Not possible here: the volume is a single slice.")
        return _three_planes(spacing)
    plane = plane_label(volume, axis)
    if slices_along is not SlicesAlong.ACQUISITION:
        return _one_plane(plane, spacing, axis)
    if shape is not None and shape[axis] == 1:
        return _("Acquisition plane: {plane}, a single slice.").format(plane=plane)
    if is_thick(spacing, axis):
        return _("Acquisition plane: {plane}, slices {distance:.3g} mm apart: too thick for a step across.").format(
            plane=plane, distance=spacing[axis]
        )
    return _("Acquisition plane: {plane}, as the slices are stored; their spacing ({spacing} mm) favours none.").format(
        plane=plane, spacing=" x ".join(f"{distance:.3g}" for distance in reversed(spacing))
    )


def _three_planes(spacing: tuple[float, float, float]) -> str:
    cost = _("Axial, coronal and sagittal, averaged: takes three times as long, and neighbouring slices agree.")
    if max(spacing) < THICK_SLICE * min(spacing):
        return cost
    return _("{cost} Not for this scan: slices {distance:.3g} mm apart look coarse in the other planes.").format(
        cost=cost, distance=max(spacing)
    )


def _one_plane(plane: str, spacing: tuple[float, float, float], axis: int) -> str:
    sentence = (
        _("Slices are {plane}, {distance:.3g} mm apart: too thick for a step across.")
        if is_thick(spacing, axis)
        else _("Slices are {plane}, {distance:.3g} mm apart.")
    )
    chosen = sentence.format(plane=plane, distance=spacing[axis])
    if has_square_pixels(spacing, axis):
        return chosen
    short, long = pixel_sides(spacing, axis)
    return _("{chosen} Their pixels of {short:.3g} x {long:.3g} mm are too far from square.").format(
        chosen=chosen, short=short, long=long
    )


def _shape(volume: slicer.vtkMRMLScalarVolumeNode) -> tuple[int, int, int] | None:
    image = volume.GetImageData()
    return None if image is None else image.GetDimensions()[::-1]
