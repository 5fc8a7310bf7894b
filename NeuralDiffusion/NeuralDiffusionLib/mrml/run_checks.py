"""What a run is asked to do, checked as far as that is known without reading voxels: cheap enough for a tooltip."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..errors import InvalidVolumeError
from .sequences import browser_and_sequence_of, read_frames
from .volumes import check_input, check_outputs


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


def _check_mask(mask: slicer.vtkMRMLSegmentationNode) -> None:
    if not mask.IsA("vtkMRMLSegmentationNode"):
        raise InvalidVolumeError(
            _("The mask '{name}' is not a segmentation: choose a segmentation, or none.").format(name=mask.GetName())
        )
    if mask.GetSegmentation().GetNumberOfSegments() == 0:
        raise InvalidVolumeError(
            _("The mask '{name}' has no segments: draw one, or choose no mask.").format(name=mask.GetName())
        )
