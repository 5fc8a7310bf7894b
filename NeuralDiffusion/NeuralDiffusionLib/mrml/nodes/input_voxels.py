"""Whether an input still has the voxels that something was made of, told by checksums."""

from __future__ import annotations

import zlib

import numpy as np
import slicer
from slicer.i18n import tr as _

from .provenance import checksum_of_input, input_of


def checksum(voxels: np.ndarray) -> str:
    """Return eight digits that change when voxels do."""
    return f"{zlib.crc32(np.ascontiguousarray(voxels)):08x}"


def changed_meanwhile(name: str, *given: tuple[slicer.vtkMRMLScalarVolumeNode, str]) -> list[str]:
    """Return a sentence about an input if it has no longer the voxels that a run was given.

    Parameters
    ----------
    name
        What the user calls the input.
    given
        Its volume, or each of its frames, and the checksum of the voxels when the run began.
    """
    if all(checksum(slicer.util.arrayFromVolume(volume)) == before for volume, before in given):
        return []
    message = _(
        "'{name}' has other voxels than when the run began: the result is of the former ones, so start again for the "
        "new."
    )
    return [message.format(name=name)]


class CurrentVoxels:
    """Knows the checksum of an input's voxels, and reads these only where they have changed."""

    def __init__(self) -> None:
        self._read: tuple[str, int] | None = None
        self._checksum = ""

    def checksum(self, volume: slicer.vtkMRMLScalarVolumeNode) -> str:
        """Return the checksum of what a volume with an image holds now."""
        now = (volume.GetID(), volume.GetImageData().GetMTime())
        if now != self._read:
            self._read, self._checksum = now, checksum(slicer.util.arrayFromVolume(volume))
        return self._checksum

    def why_not_of(self, input_volume: slicer.vtkMRMLScalarVolumeNode, denoised: slicer.vtkMRMLScalarVolumeNode) -> str:
        """Return a sentence if a volume is known to be the result of former voxels of an input, or nothing."""
        made_of = checksum_of_input(denoised)
        if made_of is None or input_of(denoised) is not input_volume or made_of == self.checksum(input_volume):
            return ""
        return _(
            "'{denoised}' is of former voxels of '{name}': press Apply for a result of those that it has now."
        ).format(denoised=denoised.GetName(), name=input_volume.GetName())
