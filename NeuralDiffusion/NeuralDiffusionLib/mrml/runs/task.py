"""One volume, read from the scene with all that is to be done to it: worked on in any thread, without the scene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import slicer

from ...engine.domain_checks import result_warnings
from ...engine.scalar_types import exact_float
from ...engine.settings import DenoiseSettings
from ...engine.slice_planes import denoise_three_planes, for_scan
from ..nodes.input_voxels import checksum
from ..nodes.mask import inside_mask
from ..nodes.planes import spacing_kji
from ..nodes.provenance import provenance
from ..nodes.sequences import frame_shown_in
from ..nodes.volumes import read_volume

if TYPE_CHECKING:
    from ...engine.denoiser import Denoiser, DenoiseResult


@dataclass(frozen=True)
class VolumeTask:
    """What is done to one volume.

    Attributes
    ----------
    name, mask_name
        Of the volume's node, and of the segmentation's.
    frame
        Index value of the frame of a sequence that the volume showed; ``None`` if it showed none.
    voxels
        Copy of the voxels, (K, J, I), in the scan's scalar type and units.
    checksum
        Of the voxels.
    spacing
        Distance of neighbouring voxels along each axis of the array, in mm.
    settings
        What to do; nothing about the slices is left open.
    three_planes
        Whether to average over all three slice axes.
    mask
        Where to denoise, bool, shape of the voxels; ``None`` is everywhere.
    conduction
        Whether the conduction map is kept.
    """

    name: str
    voxels: np.ndarray
    checksum: str
    spacing: tuple[float, float, float]
    settings: DenoiseSettings
    three_planes: bool
    mask: np.ndarray | None
    mask_name: str | None
    frame: str | None
    conduction: bool

    @classmethod
    def of(
        cls,
        volume: slicer.vtkMRMLScalarVolumeNode,
        settings: DenoiseSettings,
        three_planes: bool = False,
        mask: np.ndarray | None = None,
        mask_name: str | None = None,
        conduction: bool = False,
    ) -> VolumeTask:
        """Read a volume; what the settings leave open about its slices is decided, see `slice_planes.for_scan`.

        Raises
        ------
        InvalidVolumeError
            If the volume cannot be denoised.
        """
        voxels, spacing = read_volume(volume), spacing_kji(volume)
        # The average of three planes has no lines that a step across the slices could take away.
        settings = replace(settings, across_slices=False) if three_planes else settings
        settings = for_scan(settings, spacing, voxels.shape)
        name, frame = volume.GetName() or "", frame_shown_in(volume)
        read = name, voxels, checksum(voxels), spacing
        return cls(*read, settings, three_planes, mask, mask_name, frame, conduction)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes across which slices are denoised."""
        return (0, 1, 2) if self.three_planes else (self.settings.slice_axis,)

    @property
    def slices(self) -> int:
        """Number of slices that are denoised."""
        return sum(self.voxels.shape[axis] for axis in self.axes)

    def work(
        self,
        denoiser: Denoiser,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> DenoiseResult:
        """Denoise; arguments and errors are those of `Denoiser`.

        Outside the mask every voxel is what it was, and the conduction is 0. What lies outside of the network's
        training is said in the notes.
        """
        run = partial(denoise_three_planes, denoiser) if self.three_planes else denoiser
        result = run(self.voxels, self.settings, progress, cancelled, exact_float(self.voxels.dtype), self.conduction)
        notes = [*result.notes]
        for axis in self.axes:
            notes += [warning for warning in self._warnings(result, axis) if warning not in notes]
        result = replace(result, notes=tuple(notes))
        if self.mask is None:
            return result
        return replace(
            result,
            image=inside_mask(result.image, self.voxels, self.mask),
            conduction=np.where(self.mask, result.conduction, np.float32(0)) if self.conduction else None,
        )

    def attributes(self, result: DenoiseResult, weights_sha256: str) -> dict[str, str | None]:
        """What is to be said of a result, as from `provenance`."""
        made_of = self.mask_name, self.frame, self.checksum
        return provenance(self.name, self.settings, result, weights_sha256, self.axes, *made_of)

    def _warnings(self, result: DenoiseResult, axis: int) -> list[str]:
        return result_warnings(self.voxels, self.spacing, axis, result, self.settings)
