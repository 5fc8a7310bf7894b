"""Where a volume was and what it was like when work on it began: what comes of the work belongs there."""

from __future__ import annotations

from dataclasses import dataclass

import slicer
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError
from .geometry import ijk_to_ras


@dataclass(frozen=True)
class VolumePlace:
    """IJK to RAS matrix of a volume, row by row, its first and last voxel along I, J, K and its VTK scalar type."""

    matrix: tuple[float, ...]
    extent: tuple[int, int, int, int, int, int]
    scalar_type: int

    @classmethod
    def of(cls, volume: slicer.vtkMRMLScalarVolumeNode) -> VolumePlace:
        """Take them from a volume that has an image."""
        image = volume.GetImageData()
        return cls(tuple(ijk_to_ras(volume).ravel().tolist()), image.GetExtent(), image.GetScalarType())

    def check(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Check that a volume still has them; voxels that were edited and parent transforms do not count.

        Raises
        ------
        InvalidVolumeError
            If it has not.
        """
        if volume.GetImageData() is None or VolumePlace.of(volume) != self:
            raise InvalidVolumeError(
                _(
                    "'{name}' was given another place, size or scalar type meanwhile, so nothing was written: start "
                    "again."
                ).format(name=volume.GetName())
            )
