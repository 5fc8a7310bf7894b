"""What was removed from a volume: the input minus the output, in grey around zero."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from ...display_range import usual_magnitude
from ..nodes.volumes import check_outputs, copy_units, make_image, show_in_colours, write_volume
from ..runs.run_checks import check_input_with_result

_GREY = "vtkMRMLColorTableNodeGrey"


def make_removed(
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    denoised: slicer.vtkMRMLScalarVolumeNode,
    removed: slicer.vtkMRMLScalarVolumeNode,
) -> None:
    """Write the input minus the denoised volume, as float, into a node in the input's place.

    The grey scale is centred: 0 is mid-grey, and black and white are the same distance away, the 99.5th percentile of
    the absolute difference, so that single bright voxels do not set it.

    Parameters
    ----------
    input_volume
        Volume before the run.
    denoised
        Volume after it.
    removed
        Node for the difference, in the units of the input.

    Raises
    ------
    InvalidVolumeError
        As from `check_input_with_result`, or if `removed` cannot hold the result.
    """
    check_input_with_result(input_volume, denoised)
    check_outputs([denoised, removed], input_volume)
    before, after = slicer.util.arrayFromVolume(input_volume), slicer.util.arrayFromVolume(denoised)
    voxels = np.empty(before.shape, np.float32)
    for plane, first, second in zip(voxels, before, after, strict=True):
        # In float64, where no integer type wraps; plane by plane, to hold little of it.
        plane[...] = first.astype(np.float64) - second
    write_volume(removed, make_image(voxels, vtk.VTK_FLOAT), input_volume)
    copy_units(removed, input_volume)
    extreme = usual_magnitude(voxels)
    show_in_colours(removed, -extreme, extreme, _GREY)
