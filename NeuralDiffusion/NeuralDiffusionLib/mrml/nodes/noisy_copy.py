"""A copy of a volume with noise, to try the module on a scan whose truth is known."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ...engine.intensity import estimate_range
from ...rician_noise import add_rician_noise
from .new_volume import add_volume_beside
from .volumes import copy_display, copy_units, make_image, read_volume


def add_noisy_copy(volume: slicer.vtkMRMLScalarVolumeNode, share: float = 0.09) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a copy of a volume with Rician noise beside it, the same noise each time.

    Parameters
    ----------
    volume
        Scan with little noise; it is not changed.
    share
        Standard deviation of the noise as a share of the intensity range, 0 or more.

    Returns
    -------
    vtkMRMLScalarVolumeNode
        "<volume> with noise", in the scalar type, geometry and display of the volume.

    Raises
    ------
    InvalidVolumeError
        If the volume cannot be read, or is in no scene.
    """
    voxels = read_volume(volume)
    low, high = estimate_range(voxels)
    noisy = make_image(add_rician_noise(voxels, share * (high - low)), volume.GetImageData().GetScalarType())
    copy = add_volume_beside(volume, _("{name} with noise").format(name=volume.GetName()), noisy)
    copy_display(copy, volume)
    copy_units(copy, volume)
    return copy
