"""What was removed from a volume: the input minus the output, in grey around zero."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..display_range import usual_magnitude
from ..errors import InvalidVolumeError
from .geometry import check_same_transform, lie_voxel_on_voxel
from .provenance import frame_of, input_of
from .sequences import browser_and_sequence_of, frame_shown_in
from .volumes import check_input, check_outputs, copy_units, make_image, show_in_colours, write_volume

_GREY = "vtkMRMLColorTableNodeGrey"


def check_pair(
    input_volume: slicer.vtkMRMLScalarVolumeNode | None, denoised: slicer.vtkMRMLScalarVolumeNode | None
) -> None:
    """Check that two volumes show the same voxels before and after a run, as far as that is known without reading any.

    Raises
    ------
    InvalidVolumeError
        If one is missing or has no image, both are the same, they do not lie voxel on voxel or are under different
        transforms, or the second is known to be the result of another volume of the scene, or of another frame than the
        first one shows.
    """
    check_input(input_volume)
    check_outputs([denoised], input_volume)
    check_input(denoised)
    if not lie_voxel_on_voxel(input_volume, denoised):
        raise InvalidVolumeError(
            _("'{denoised}' does not lie voxel on voxel over '{name}': choose the result of that volume.").format(
                denoised=denoised.GetName(), name=input_volume.GetName()
            )
        )
    check_same_transform(denoised, input_volume)
    other = input_of(denoised)
    if other not in (None, input_volume):
        raise InvalidVolumeError(
            _("'{denoised}' was made of '{other}', not of '{name}': choose the result of that volume.").format(
                denoised=denoised.GetName(), other=other.GetName(), name=input_volume.GetName()
            )
        )
    if other is input_volume:
        _check_frame(input_volume, denoised)


def _check_frame(input_volume: slicer.vtkMRMLScalarVolumeNode, denoised: slicer.vtkMRMLScalarVolumeNode) -> None:
    made_of, shown = frame_of(denoised), frame_shown_in(input_volume)
    if made_of is None or shown in (None, made_of):
        return
    unit = browser_and_sequence_of(input_volume)[1].GetIndexUnit() or ""
    raise InvalidVolumeError(
        _(
            "'{denoised}' was made of the frame at {made_of} of '{name}', which shows the one at {shown}: go back to "
            "that frame, or denoise this one."
        ).format(
            denoised=denoised.GetName(),
            made_of=f"{made_of} {unit}".strip(),
            name=input_volume.GetName(),
            shown=f"{shown} {unit}".strip(),
        )
    )


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
        As from `check_pair`, or if `removed` cannot hold the result.
    """
    check_pair(input_volume, denoised)
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
