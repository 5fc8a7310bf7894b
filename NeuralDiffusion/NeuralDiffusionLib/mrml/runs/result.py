"""The result of a run in the MRML scene: the denoised volume and the conduction map, written together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import slicer
import vtk

from ..maps.overlay import style_conduction
from ..nodes.provenance import set_input_of, write_provenance
from ..nodes.volumes import copy_display, copy_units, make_image, write_volume

if TYPE_CHECKING:
    from ...engine.denoiser import DenoiseResult


def store_result(
    result: DenoiseResult,
    attributes: Mapping[str, str | None],
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    output: slicer.vtkMRMLScalarVolumeNode,
    conduction: slicer.vtkMRMLScalarVolumeNode | None = None,
    float_output: bool = False,
) -> None:
    """Write a result into volume nodes, in the place and with the display of the input, and say how it was made.

    Parameters
    ----------
    result
        What was computed.
    attributes
        How, as from `provenance`.
    input_volume
        Volume that was denoised.
    output
        Node for the denoised volume, in the input's scalar type, or float if `float_output` is true.
    conduction
        Node for the conduction map, always float, in colour over the window 0 to 1.
    """
    scalar_type = vtk.VTK_FLOAT if float_output else input_volume.GetImageData().GetScalarType()
    # Both images are made before either node is touched: what runs out of memory leaves the scene as it was.
    images = [(output, make_image(result.image, scalar_type))]
    if conduction is not None:
        images.append((conduction, make_image(result.conduction, vtk.VTK_FLOAT)))
    for node, image in images:
        write_volume(node, image, input_volume)
        write_provenance(node, attributes)
        set_input_of(node, input_volume)
    copy_display(output, input_volume)
    copy_units(output, input_volume)
    if conduction is not None:
        style_conduction(conduction)
        copy_units(conduction, None)
