"""What a run is asked to do, and whether a volume is its result, as far as that is known without reading voxels.

That is cheap enough for a tooltip.
"""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError
from ..nodes.geometry import check_same_transform, lie_voxel_on_voxel
from ..nodes.provenance import frame_of, input_of
from ..nodes.sequences import browser_and_sequence_of, frame_shown_in, read_frames
from ..nodes.volumes import check_input, check_outputs


def check_run(
    input_volume: slicer.vtkMRMLScalarVolumeNode | None,
    output: slicer.vtkMRMLScalarVolumeNode | None = None,
    conduction: slicer.vtkMRMLScalarVolumeNode | None = None,
    mask: slicer.vtkMRMLSegmentationNode | None = None,
    all_frames: bool = False,
) -> None:
    """Check that a volume can be denoised and results written as asked; an output that is ``None`` is not checked.

    Raises
    ------
    InvalidVolumeError
        If the input cannot be denoised, an output cannot hold a result, the mask has no segments, or the frames of the
        sequence are being recorded or cannot go where they are asked to.
    """
    check_input(input_volume)
    if all_frames:
        read_frames(input_volume)
        for volume in (output, conduction):
            if volume is not None:
                raise InvalidVolumeError(
                    _("'{name}' holds one frame, not all: choose no volume there, or denoise this frame only.").format(
                        name=volume.GetName()
                    )
                )
    outputs = [volume for volume in (output, conduction) if volume is not None]
    check_outputs(outputs, input_volume)
    for volume in outputs:
        if browser_and_sequence_of(volume) is not None:
            raise InvalidVolumeError(
                _("'{name}' shows frames of a sequence, which would replace the result: choose another volume.").format(
                    name=volume.GetName()
                )
            )
    if mask is not None:
        _check_mask(mask)


def check_input_with_result(
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


def _check_mask(mask: slicer.vtkMRMLSegmentationNode) -> None:
    if not mask.IsA("vtkMRMLSegmentationNode"):
        raise InvalidVolumeError(
            _("The mask '{name}' is not a segmentation: choose a segmentation, or none.").format(name=mask.GetName())
        )
    if mask.GetSegmentation().GetNumberOfSegments() == 0:
        raise InvalidVolumeError(
            _("The mask '{name}' has no segments: draw one, or choose no mask.").format(name=mask.GetName())
        )


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
