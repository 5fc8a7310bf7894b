"""A volume beside what classical filters make of it, and how close all come to a reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ...background import IsCancelled, ReportProgress
from ...engine.slice_planes import acquisition_axis
from ...errors import InvalidVolumeError
from ..nodes.input_voxels import changed_meanwhile
from ..nodes.mask import mask_of_segmentation
from ..nodes.new_volume import scene_of
from ..nodes.place import VolumePlace
from ..nodes.planes import spacing_kji
from ..nodes.sequences import frame_shown_in
from ..nodes.volumes import make_image, read_volume
from .filtered import Filter, Filtered, MadeOf, find_filtered, is_up_to_date, store_filtered
from .reference import Closeness, read_reference, write_closeness


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
    slice_axis: int | None = None,
) -> Stored:
    """Put a volume beside what classical filters make of it; returns when it is done.

    Parameters, result and errors are those of `Comparison`.
    """
    comparison = Comparison(input_volume, denoised, reference, mask, sigma, slice_axis)
    return comparison.store(comparison.work())


@dataclass(frozen=True)
class _ComparisonTask:
    """What is to be filtered and measured, read from the scene.

    Attributes
    ----------
    volumes
        Voxels of the input, and of the denoised volume if there is one, (K, J, I).
    spacing
        Of the input's voxels along I, J, K, in mm.
    scalar_type
        Of the input, as VTK counts them.
    time_step
        Of the diffusion.
    sigma
        Noise level for non-local means, or ``None``.
    axis
        Axis of the array along which the slices are stacked, of non-local means and of the SSIM.
    kept
        What the filters made before, if that is up to date.
    wanted, mask
        The reference, and where to compare with it, or ``None``.
    """

    volumes: list[np.ndarray]
    spacing: tuple[float, float, float]
    scalar_type: int
    time_step: float
    sigma: float | None
    axis: int
    kept: list[np.ndarray]
    wanted: np.ndarray | None
    mask: np.ndarray | None

    def work(self, progress: ReportProgress | None = None, cancelled: IsCancelled | None = None) -> Compared:
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
        voxels, filters = self.volumes[0], 0 if self.kept else len(Filter)
        parts = filters + (self.wanted is not None)

        def part(number: float, share: float = 1.0) -> ReportProgress:
            count = voxels.shape[self.axis]
            return lambda done, total: progress(round(count * (number + share * done / total)), count * parts)

        images, sigma = ({}, 0.0) if self.kept else self._filter(voxels, part, cancelled)
        if self.wanted is None:
            return Compared(images, sigma, [])
        compared = list(self.volumes)
        compared += self.kept or [
            vtk_to_numpy(image.GetPointData().GetScalars()).reshape(voxels.shape) for image in images.values()
        ]
        share = 1 / len(compared)
        closeness = [
            self._closeness(each, part(filters + index * share, share), cancelled)
            for index, each in enumerate(compared)
        ]
        return Compared(images, sigma, closeness)

    def _filter(
        self, voxels: np.ndarray, part: Callable[[float], ReportProgress], cancelled: IsCancelled | None
    ) -> tuple[dict[Filter, vtk.vtkImageData], float]:
        from ...classical_filters import estimate_sigma, gradient_anisotropic_diffusion, non_local_means

        slices = np.moveaxis(voxels, self.axis, 0)
        sigma = estimate_sigma(slices) if self.sigma is None else self.sigma
        diffused = gradient_anisotropic_diffusion(
            voxels, self.spacing, time_step=self.time_step, progress=part(0), cancelled=cancelled
        )
        images = {Filter.DIFFUSION: make_image(diffused, self.scalar_type)}
        averaged = np.moveaxis(non_local_means(slices, sigma, part(1), cancelled), 0, self.axis)
        images[Filter.NON_LOCAL_MEANS] = make_image(averaged, self.scalar_type)
        return images, sigma

    def _closeness(
        self, voxels: np.ndarray, progress: ReportProgress, cancelled: IsCancelled | None
    ) -> tuple[float, float]:
        from ...similarity import psnr, ssim

        wanted, slices = (np.moveaxis(each, self.axis, 0) for each in (self.wanted, voxels))
        mask = None if self.mask is None else np.moveaxis(self.mask, self.axis, 0)
        return psnr(wanted, slices, mask), ssim(wanted, slices, mask, progress, cancelled)


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
    slice_axis
        Axis of the array along which the slices are stacked, of non-local means and of the SSIM; ``None`` takes that of
        the acquisition.

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
        slice_axis: int | None = None,
    ) -> None:
        from ...classical_filters import stable_time_step

        self._input, self._reference = input_volume, reference
        compared = [volume for volume in (input_volume, denoised) if volume is not None]
        voxels = [read_volume(volume) for volume in compared]
        scene_of(input_volume)
        spacing = input_volume.GetSpacing()
        self._names = [volume.GetName() for volume in compared]
        self._places = [(volume, VolumePlace.of(volume)) for volume in compared]
        axis = acquisition_axis(spacing_kji(input_volume), voxels[0].shape) if slice_axis is None else slice_axis
        wanted = inside = None
        if reference is not None:
            wanted = read_reference(reference, compared, axis)
            inside = None if mask is None else mask_of_segmentation(mask, input_volume)
        self._made_of = MadeOf.of(voxels[0], (spacing, sigma, axis), frame_shown_in(input_volume))
        filtered = find_filtered(input_volume)
        current = len(filtered) == len(Filter) and all(
            is_up_to_date(volume, input_volume, self._made_of.all) for volume in filtered.values()
        )
        kept = [read_volume(volume) for volume in filtered.values()] if current else []
        self._task = _ComparisonTask(
            voxels,
            spacing,
            input_volume.GetImageData().GetScalarType(),
            stable_time_step(spacing),
            sigma,
            axis,
            kept,
            wanted,
            inside,
        )
        self._places += [(volume, VolumePlace.of(volume)) for volume in filtered.values()] if current else []

    @property
    def notes(self) -> list[str]:
        """Sentences that the user should read; after the run, also that the input has other voxels by then."""
        from ...classical_filters import TIME_STEP

        changed = changed_meanwhile(self._input.GetName(), (self._input, self._made_of.voxels))
        if self._task.time_step == TIME_STEP:
            return changed
        sizes = " x ".join(f"{size:.3g}" for size in self._task.spacing)
        return [
            *changed,
            _(
                "The diffusion took time steps of {step:g} instead of Slicer's {default:g}, which is not stable for "
                "voxels of {sizes} mm."
            ).format(step=self._task.time_step, default=TIME_STEP, sizes=sizes),
        ]

    @property
    def filters_are_up_to_date(self) -> bool:
        """Whether the filters need not run."""
        return bool(self._task.kept)

    @property
    def work(self) -> Callable[..., Compared]:
        """Filters and measures; see `_ComparisonTask`. It holds no node, which another thread must not let go."""
        return self._task.work

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
        filtered = store_filtered(self._input, compared.images, self._descriptions(compared.sigma), self._made_of)
        if self._reference is None:
            return Stored(filtered, None, [])
        names = self._names + [volume.GetName() for volume in filtered.values()]
        rows = [Closeness(name, *figures) for name, figures in zip(names, compared.closeness, strict=True)]
        return Stored(filtered, write_closeness(self._input, self._reference, rows), rows)

    def _descriptions(self, sigma: float) -> dict[Filter, str]:
        from ...classical_filters import CONDUCTANCE, ITERATIONS, PATCH, SEARCH

        return {
            Filter.DIFFUSION: _(
                "Conductance {conductance:g}, {iterations} iterations, time step {time_step:g}."
            ).format(conductance=CONDUCTANCE, iterations=ITERATIONS, time_step=self._task.time_step),
            Filter.NON_LOCAL_MEANS: _(
                "Patches of {patch} x {patch} pixels in {search} x {search}, noise level {sigma:.3g}."
            ).format(patch=PATCH, search=SEARCH, sigma=sigma),
        }
