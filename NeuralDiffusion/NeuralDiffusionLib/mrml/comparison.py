"""A volume beside what classical filters make of it, and how close all come to a reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ..errors import InvalidVolumeError
from .filtered import Filter, Filtered, checksum, find_filtered, is_up_to_date, store_filtered
from .mask import mask_of_segmentation
from .new_volume import scene_of
from .place import VolumePlace
from .reference import Closeness, read_reference, write_closeness
from .volumes import make_image, read_volume

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class Compared(NamedTuple):
    """What `Comparison.work` gives: images of the filters that had to run, the noise level taken, PSNR and SSIM."""

    images: dict[Filter, vtk.vtkImageData]
    sigma: float
    closeness: list[tuple[float, float]]


class Stored(NamedTuple):
    """What `Comparison.store` leaves in the scene.

    The volume of each filter; and, with a reference, the table and its rows: the input, the denoised volume if there
    is one, and the filters.
    """

    filtered: Filtered
    table: slicer.vtkMRMLTableNode | None
    rows: list[Closeness]


def compare(
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    denoised: slicer.vtkMRMLScalarVolumeNode | None = None,
    reference: slicer.vtkMRMLScalarVolumeNode | None = None,
    mask: slicer.vtkMRMLSegmentationNode | None = None,
    sigma: float | None = None,
) -> Stored:
    """Put a volume beside what classical filters make of it; returns when it is done.

    Parameters, result and errors are those of `Comparison`.
    """
    comparison = Comparison(input_volume, denoised, reference, mask, sigma)
    return comparison.store(comparison.work())


class Comparison:
    """Takes a copy of a volume, filters it, measures it against a reference, and writes all that back once it is whole.

    The diffusion is Slicer's gradient anisotropic diffusion with its module's defaults, but for a time step that would
    not be stable at the spacing. Filters do not run again while the volumes that they made are up to date.

    Parameters
    ----------
    input_volume
        Volume to filter; it is never touched.
    denoised
        What the network made of it, or ``None``.
    reference
        The volume without noise, or ``None``.
    mask
        Segmentation inside which voxels are compared with the reference; ``None`` for all voxels.
    sigma
        Noise level for non-local means in the units of the input; ``None`` estimates it.

    Raises
    ------
    InvalidVolumeError
        If a volume cannot be read, lies elsewhere than the reference or is not in the scene, or the mask is empty.
    """

    def __init__(
        self,
        input_volume: slicer.vtkMRMLScalarVolumeNode,
        denoised: slicer.vtkMRMLScalarVolumeNode | None = None,
        reference: slicer.vtkMRMLScalarVolumeNode | None = None,
        mask: slicer.vtkMRMLSegmentationNode | None = None,
        sigma: float | None = None,
    ) -> None:
        from ..classical_filters import stable_time_step

        self._input, self._reference, self._sigma = input_volume, reference, sigma
        voxels = read_volume(input_volume)
        scene_of(input_volume)
        self._spacing, self._scalar_type = input_volume.GetSpacing(), input_volume.GetImageData().GetScalarType()
        self._time_step = stable_time_step(self._spacing)
        self._volumes = [(input_volume.GetName(), voxels)]
        if denoised is not None:
            self._volumes.append((denoised.GetName(), read_volume(denoised)))
        self._places = [(volume, VolumePlace.of(volume)) for volume in (input_volume, denoised) if volume is not None]
        self._wanted = self._mask = None
        if reference is not None:
            self._wanted = read_reference(reference, [input_volume] + ([] if denoised is None else [denoised]))
            self._mask = None if mask is None else mask_of_segmentation(mask, input_volume)
        self._of = checksum(voxels, self._spacing, sigma)
        filtered = find_filtered(input_volume)
        current = len(filtered) == len(Filter) and all(
            is_up_to_date(volume, input_volume, self._of) for volume in filtered.values()
        )
        self._kept = [read_volume(volume) for volume in filtered.values()] if current else []
        self._places += [(volume, VolumePlace.of(volume)) for volume in filtered.values()] if current else []

    @property
    def notes(self) -> list[str]:
        """Sentences that the user should read."""
        from ..classical_filters import TIME_STEP

        if self._time_step == TIME_STEP:
            return []
        sizes = " x ".join(f"{size:.3g}" for size in self._spacing)
        return [
            _(
                "The diffusion took time steps of {step:g} instead of Slicer's {default:g}, which is not stable for "
                "voxels of {sizes} mm."
            ).format(step=self._time_step, default=TIME_STEP, sizes=sizes)
        ]

    @property
    def filters_are_up_to_date(self) -> bool:
        """Whether the filters need not run."""
        return bool(self._kept)

    def work(self, progress: Progress | None = None, cancelled: Cancelled | None = None) -> Compared:
        """Filter and measure, without looking at the scene.

        Parameters
        ----------
        progress
            Called with the slices done and all slices.
        cancelled
            Asked before each slice, and each iteration of the diffusion; once it returns True the run stops.

        Raises
        ------
        DenoiseCancelled
            If the run was cancelled.
        """
        progress = progress or (lambda done, total: None)
        voxels, filters = self._volumes[0][1], 0 if self._kept else len(Filter)
        parts = filters + (self._wanted is not None)

        def part(number: float, share: float = 1.0) -> Progress:
            count = len(voxels)
            return lambda done, total: progress(round(count * (number + share * done / total)), count * parts)

        images, sigma = ({}, 0.0) if self._kept else self._filter(voxels, part, cancelled)
        if self._wanted is None:
            return Compared(images, sigma, [])
        compared = [each for _name, each in self._volumes]
        compared += self._kept or [
            vtk_to_numpy(image.GetPointData().GetScalars()).reshape(voxels.shape) for image in images.values()
        ]
        share = 1 / len(compared)
        closeness = [
            self._closeness(each, part(filters + index * share, share), cancelled)
            for index, each in enumerate(compared)
        ]
        return Compared(images, sigma, closeness)

    def store(self, compared: Compared) -> Stored:
        """Write the result into the scene, all of it or nothing.

        Raises
        ------
        InvalidVolumeError
            If a volume has left the scene meanwhile, or the input was given another place.
        """
        compared_volumes = [volume for volume, _place in self._places]
        for volume in (*compared_volumes, self._reference):
            if volume is not None and volume.GetScene() is None:
                raise InvalidVolumeError(
                    _("'{name}' left the scene while it was compared, so nothing was written: load it again.").format(
                        name=volume.GetName()
                    )
                )
        for volume, place in self._places:
            place.check(volume)
        filtered = store_filtered(self._input, compared.images, self._descriptions(compared.sigma), self._of)
        if self._reference is None:
            return Stored(filtered, None, [])
        names = [name for name, _voxels in self._volumes] + [volume.GetName() for volume in filtered.values()]
        rows = [Closeness(name, *figures) for name, figures in zip(names, compared.closeness, strict=True)]
        return Stored(filtered, write_closeness(self._input, self._reference, rows), rows)

    def _filter(
        self, voxels: np.ndarray, part: Callable[[float], Progress], cancelled: Cancelled | None
    ) -> tuple[dict[Filter, vtk.vtkImageData], float]:
        from ..classical_filters import estimate_sigma, gradient_anisotropic_diffusion, non_local_means

        sigma = estimate_sigma(voxels) if self._sigma is None else self._sigma
        diffused = gradient_anisotropic_diffusion(
            voxels, self._spacing, time_step=self._time_step, progress=part(0), cancelled=cancelled
        )
        images = {Filter.DIFFUSION: make_image(diffused, self._scalar_type)}
        averaged = non_local_means(voxels, sigma, part(1), cancelled)
        images[Filter.NON_LOCAL_MEANS] = make_image(averaged, self._scalar_type)
        return images, sigma

    def _closeness(self, voxels: np.ndarray, progress: Progress, cancelled: Cancelled | None) -> tuple[float, float]:
        from ..similarity import psnr, ssim

        return (
            psnr(self._wanted, voxels, self._mask),
            ssim(self._wanted, voxels, self._mask, progress, cancelled),
        )

    def _descriptions(self, sigma: float) -> dict[Filter, str]:
        from ..classical_filters import CONDUCTANCE, ITERATIONS, PATCH, SEARCH

        return {
            Filter.DIFFUSION: _(
                "Conductance {conductance:g}, {iterations} iterations, time step {time_step:g}."
            ).format(conductance=CONDUCTANCE, iterations=ITERATIONS, time_step=self._time_step),
            Filter.NON_LOCAL_MEANS: _(
                "Patches of {patch} x {patch} pixels in {search} x {search}, noise level {sigma:.3g}."
            ).format(patch=PATCH, search=SEARCH, sigma=sigma),
        }
