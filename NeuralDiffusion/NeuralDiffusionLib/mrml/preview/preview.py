"""One slice of a volume, denoised as it would be within the whole volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import slicer

from ...engine.scalar_types import exact_float
from ...engine.settings import DenoiseSettings
from ...engine.slice_planes import for_scan
from ..nodes.geometry import ijk_to_ras
from ..nodes.mask import inside_mask, mask_of_segmentation
from ..nodes.planes import spacing_kji
from ..nodes.volumes import check_input, read_volume

if TYPE_CHECKING:
    from ...engine.denoiser import Denoiser
    from ...engine.slice_run import SliceRun


@dataclass(frozen=True, eq=False)
class PreviewTask:
    """One slice, read from the scene with all that is to be done to it: worked on in any thread, without the scene.

    Attributes
    ----------
    run
        The slice, and the two next to it where a step across them follows, with what is known of their volume.
    index
        Place of the slice along the slice axis.
    place_in_run
        Its place among the slices of the run.
    mask
        Where to denoise, bool, with the axes of the volume; ``None`` is everywhere.
    place
        What says where the slice lies and what it shows: equal for two tasks, so are these.
    about
        All that the result depends on but the network: equal for two tasks, so are their results.
    """

    run: SliceRun
    index: int
    place_in_run: int
    mask: np.ndarray | None
    place: tuple
    about: tuple

    def work(self, denoiser: Denoiser, cancelled: Callable[[], bool] | None = None) -> np.ndarray:
        """Denoise; the result has the axes and units of the volume, and one voxel along the slice axis.

        Raises
        ------
        DenoiseCancelled
            If the run was cancelled before it began.
        """
        run, axis, here = self.run, self.run.settings.slice_axis, [self.place_in_run]
        denoised = denoiser.denoise(run, cancelled=cancelled, scalar_type=exact_float(run.slices.dtype)).image
        image = np.take(denoised, here, axis)
        return image if self.mask is None else inside_mask(image, run.in_place(run.slices[here]), self.mask)


class PreviewReader:
    """Reads single slices; what is to be known of the whole volume, and the mask, are kept until they change."""

    def __init__(self) -> None:
        self._range_of: tuple | None = None
        self._range = (0.0, 1.0, False)
        self._mask_of: tuple | None = None
        self._mask: np.ndarray | None = None

    def read(
        self,
        volume: slicer.vtkMRMLScalarVolumeNode,
        settings: DenoiseSettings,
        axis: int,
        index: int,
        mask: slicer.vtkMRMLSegmentationNode | None = None,
    ) -> PreviewTask:
        """Copy one slice of a volume, with what its preview needs of the next ones.

        Parameters
        ----------
        volume
            It is never touched, and read as a whole only where its voxels have changed.
        settings
            What to do; their slice axis is not used, and what they leave open about the slices is decided.
        axis
            Axis of the array across the slice, 0 to 2, order K, J, I.
        index
            Place of the slice along that axis, 0 or more.
        mask
            Segmentation inside which to denoise; ``None`` is everywhere.

        Raises
        ------
        InvalidVolumeError
            If the volume cannot be denoised, or the mask does not fit.
        ValueError
            If there is no such slice.
        """
        from ...engine.slice_run import SliceRun

        check_input(volume)
        voxels = slicer.util.arrayFromVolume(volume)
        if not 0 <= index < voxels.shape[axis]:
            raise ValueError(f"Slice {index} is not there: choose one from 0 to {voxels.shape[axis] - 1}.")
        settings = for_scan(replace(settings, slice_axis=axis), spacing_kji(volume), voxels.shape)
        low, high, clipped = self._known_range(volume, settings)
        inside, mask_state = self._known_mask(mask, volume)
        place = (
            volume.GetID(),
            volume.GetImageData().GetMTime(),
            tuple(ijk_to_ras(volume).ravel()),
            volume.GetTransformNodeID(),
            axis,
            index,
        )
        first = max(index - 1, 0) if settings.across_slices else index
        end = index + 2 if settings.across_slices else index + 1
        return PreviewTask(
            SliceRun(settings, np.moveaxis(voxels, axis, 0)[first:end].copy(), low, high, clipped),
            index,
            index - first,
            None if inside is None else np.take(inside, [index], axis),
            place,
            (place, settings, mask_state),
        )

    def _known_range(
        self, volume: slicer.vtkMRMLScalarVolumeNode, settings: DenoiseSettings
    ) -> tuple[float, float, bool]:
        from ...engine.slice_run import SliceRun

        # No two changes in VTK have the same time.
        state = (volume.GetImageData().GetMTime(), settings.intensity_range)
        if state != self._range_of:
            whole = SliceRun.of(read_volume(volume), settings)
            self._range, self._range_of = (whole.low, whole.high, whole.clipped), state
        return self._range

    def _known_mask(
        self, segmentation: slicer.vtkMRMLSegmentationNode | None, volume: slicer.vtkMRMLScalarVolumeNode
    ) -> tuple[np.ndarray | None, tuple | None]:
        if segmentation is None:
            return None, None
        state = _mask_state(segmentation, volume)
        if state != self._mask_of:
            self._mask, self._mask_of = mask_of_segmentation(segmentation, volume), state
        return self._mask, state


def _mask_state(segmentation_node: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode) -> tuple:
    """When all that a mask depends on changed last."""
    segmentation = segmentation_node.GetSegmentation()
    label_maps = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
    shapes = [
        segment.GetRepresentation(name)
        for segment in segments
        for name in (label_maps, segmentation.GetSourceRepresentationName())
    ]
    parents = [node.GetParentTransformNode() for node in (segmentation_node, volume)]
    changing = [segmentation, volume, volume.GetImageData(), *segments, *(shape for shape in shapes if shape)]
    return (
        segmentation_node.GetID(),
        *(each.GetMTime() for each in changing),
        *(parent and (parent.GetID(), parent.GetTransformToWorldMTime()) for parent in parents),
    )
