"""The map of how uncertain the network is in the MRML scene."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ...display_range import usual_magnitude
from ..nodes.new_volume import add_volume_beside
from ..nodes.volumes import copy_units, make_image, show_in_colours

# Not the default of the conduction map: the two must not be taken for one another.
_COLOURS = "vtkMRMLColorTableNodeFileInferno.txt"


def add_uncertainty(
    input_volume: slicer.vtkMRMLScalarVolumeNode, deviation: np.ndarray
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the standard deviation of sampled results as a volume beside the input.

    Parameters
    ----------
    input_volume
        Volume that was sampled; the map takes its geometry and parent transform.
    deviation
        Standard deviation at every voxel, 0 or more, in the units of the input, shape (K, J, I) of the input: see
        `sample_uncertainty`.

    Returns
    -------
    vtkMRMLScalarVolumeNode
        The new volume, "<input> uncertainty", in a perceptual colour table from 0 to the 99.5th percentile.

    Raises
    ------
    InvalidVolumeError
        If the input is in no scene.
    """
    name = _("{name} uncertainty").format(name=input_volume.GetName())
    volume = add_volume_beside(input_volume, name, make_image(deviation, vtk.VTK_FLOAT))
    copy_units(volume, input_volume)
    show_in_colours(volume, 0.0, usual_magnitude(deviation), _COLOURS)
    return volume
