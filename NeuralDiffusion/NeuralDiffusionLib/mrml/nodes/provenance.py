"""What a volume node says about how it was made: node attributes, which are saved with the scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import slicer

from ...engine.settings import DenoiseSettings
from ...version import __version__

if TYPE_CHECKING:
    from ...engine.denoiser import DenoiseResult

PREFIX = "NeuralDiffusion."
_INPUT_ROLE = "NeuralDiffusionDenoisedFrom"
_WEIGHTS = "WeightsSHA256"


def provenance(
    input_name: str,
    settings: DenoiseSettings,
    result: DenoiseResult,
    weights_sha256: str,
    slice_axes: Sequence[int],
    mask_name: str | None = None,
    frame: str | None = None,
    checksum: str | None = None,
) -> dict[str, str | None]:
    """Put settings, outcome, software version and weights into words, by name of the attribute.

    Noise level and intensity range are in the units of the input. `slice_axes` are the axes of the array across which
    slices were denoised; the results of several were averaged. `frame` is the index value of the frame that the input
    showed, `checksum` that of its voxels. What there is nothing to say about is ``None``.
    """
    return {
        "InputVolume": input_name,
        "InputChecksum": checksum,
        "Frame": frame,
        "Mask": mask_name,
        "Noise": settings.noise,
        "Iterations": str(settings.iterations),
        "Neighbours": str(settings.neighbours),
        "Refinement": "on" if settings.refine else "off",
        "StepAcrossSlices": "on" if settings.across_slices else "off",
        "SliceAxis": " ".join(str(axis) for axis in slice_axes),
        "IntensityRange": " ".join(f"{bound:.7g}" for bound in result.intensity_range),
        "IntensityRangeSource": "estimated" if settings.intensity_range is None else "given",
        "Sigma": f"{result.sigma:.7g}",
        "SigmaSource": "estimated" if settings.sigma is None else "given",
        "Device": result.device,
        "SoftwareVersion": __version__,
        _WEIGHTS: weights_sha256,
        "Notes": " ".join(result.notes) or None,
    }


def write_provenance(node: slicer.vtkMRMLScalarVolumeNode, attributes: Mapping[str, str | None]) -> None:
    """Write what `provenance` returned to a node as attributes named ``NeuralDiffusion.*``.

    Those of an earlier run are replaced.
    """
    with slicer.util.NodeModify(node):
        for name, value in attributes.items():
            node.SetAttribute(PREFIX + name, value)


def read_provenance(node: slicer.vtkMRMLScalarVolumeNode) -> dict[str, str]:
    """Return the attributes named ``NeuralDiffusion.*``, by name without the prefix.

    They are those that `write_provenance` wrote, and also what other volumes of the module say of themselves, such as
    maps of a direction: see `is_result`.
    """
    names = [name for name in node.GetAttributeNames() if name.startswith(PREFIX)]
    return {name.removeprefix(PREFIX): node.GetAttribute(name) for name in names}


def is_result(node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether a run has written to a volume: a denoised volume, or a conduction map."""
    return node.GetAttribute(PREFIX + _WEIGHTS) is not None


def frame_of(result: slicer.vtkMRMLScalarVolumeNode) -> str | None:
    """Return the index value of the frame that a result was made of; nothing if its input showed no sequence."""
    return read_provenance(result).get("Frame")


def checksum_of_input(result: slicer.vtkMRMLScalarVolumeNode) -> str | None:
    """Return the checksum of the voxels that a result was made of; nothing if it does not say."""
    return read_provenance(result).get("InputChecksum")


def set_input_of(result: slicer.vtkMRMLScalarVolumeNode, input_volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Note in a result which volume of the scene it was made of."""
    result.SetNodeReferenceID(_INPUT_ROLE, input_volume.GetID())


def may_be_of(result: slicer.vtkMRMLScalarVolumeNode, input_volume: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether a volume is no result of a run, or that of this input; others may have left the scene."""
    return not is_result(result) or input_of(result) is input_volume


def input_of(result: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the volume that a result was made of; ``None`` if it is none, or that volume has left the scene."""
    return result.GetNodeReference(_INPUT_ROLE)
