"""The volumes that classical filters made of an input: found again in the scene, written to again."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..nodes.geometry import lie_voxel_on_voxel
from ..nodes.input_voxels import CurrentVoxels, checksum
from ..nodes.new_volume import add_volume_beside
from ..nodes.provenance import is_result
from ..nodes.scene_nodes import nodes_of_class
from ..nodes.sequences import frame_shown_in
from ..nodes.volumes import copy_display, copy_units, write_volume

_INPUT_ROLE = "NeuralDiffusionFilteredFrom"
_FILTER = "NeuralDiffusionFilter"
_CHECKSUMS = "NeuralDiffusionFilteredChecksums"
_FRAME = "NeuralDiffusionFilteredFrame"
_VOXELS = "NeuralDiffusionFilteredVoxels"


class Filter(enum.Enum):
    """Classical filters, in the order shown. Scenes store the value: changing one breaks saved scenes."""

    DIFFUSION = "gradient-anisotropic-diffusion"
    NON_LOCAL_MEANS = "non-local-means"

    def label(self) -> str:
        return {
            Filter.DIFFUSION: _("gradient anisotropic diffusion"),
            Filter.NON_LOCAL_MEANS: _("non-local means slice by slice"),
        }[self]


Filtered = dict[Filter, slicer.vtkMRMLScalarVolumeNode]


class MadeOf(NamedTuple):
    """What the filters were given: `checksum` of voxels and parameters, of the voxels alone, and the frame shown."""

    all: str
    voxels: str
    frame: str | None

    @classmethod
    def of(cls, voxels: np.ndarray, parameters: tuple, frame: str | None) -> MadeOf:
        """Read the voxels once for both checksums."""
        of_voxels = checksum(voxels)
        return cls(f"{zlib.crc32(repr(parameters).encode(), int(of_voxels, 16)):08x}", of_voxels, frame)


def find_filtered(input_volume: slicer.vtkMRMLScalarVolumeNode) -> Filtered:
    """Return the volumes of the scene that the filters made of an input, also after the scene was saved and loaded.

    One that a run of the network has written to since is left out.
    """
    found = {}
    for node in nodes_of_class(input_volume.GetScene(), "vtkMRMLScalarVolumeNode"):
        if node.GetNodeReferenceID(_INPUT_ROLE) == input_volume.GetID() and not is_result(node):
            found.setdefault(node.GetAttribute(_FILTER), node)
    return {each: found[each.value] for each in Filter if each.value in found}


def is_up_to_date(
    volume: slicer.vtkMRMLScalarVolumeNode, input_volume: slicer.vtkMRMLScalarVolumeNode, of: str
) -> bool:
    """Return whether a filter's volume still holds what the filter would make, and lies where the input does.

    Parameters
    ----------
    volume, input_volume
        As from `find_filtered`.
    of
        `MadeOf.all` of what the filter would be given.
    """
    if volume.GetImageData() is None or not lie_voxel_on_voxel(volume, input_volume):
        return False
    if volume.GetParentTransformNode() is not input_volume.GetParentTransformNode():
        return False
    return volume.GetAttribute(_CHECKSUMS) == f"{of} {checksum(slicer.util.arrayFromVolume(volume))}"


def are_current(filtered: Filtered, input_volume: slicer.vtkMRMLScalarVolumeNode, current: CurrentVoxels) -> bool:
    """Return whether volumes, as from `find_filtered`, were made of the frame and the voxels that an input has now."""
    frame = frame_shown_in(input_volume)
    if any(volume.GetAttribute(_FRAME) != frame for volume in filtered.values()):
        return False
    now = current.checksum(input_volume)
    return all(volume.GetAttribute(_VOXELS) == now for volume in filtered.values())


def store_filtered(
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    images: Mapping[Filter, vtk.vtkImageData],
    descriptions: Mapping[Filter, str],
    made_of: MadeOf,
) -> Filtered:
    """Write what the filters made as "<input>, <filter>" beside the input, with its display; all of it or nothing.

    Parameters
    ----------
    input_volume
        Volume that was filtered. Volumes made of it before are written to again.
    images, descriptions
        Result of each filter in the scalar type of the input, and its parameters in a sentence.
    made_of
        What the filters were given. Volumes without a new image were up to date.

    Returns
    -------
    dict
        The volume of each filter.
    """
    volumes = find_filtered(input_volume)
    added = []
    try:
        for each, image in images.items():
            if each not in volumes:
                volumes[each] = add_volume_beside(input_volume, f"{input_volume.GetName()}, {each.label()}", image)
                added.append(volumes[each])
    except BaseException:
        for volume in added:
            volume.GetScene().RemoveNode(volume)
        raise
    for volume in volumes.values():
        volume.SetAttribute(_VOXELS, made_of.voxels)
        volume.SetAttribute(_FRAME, made_of.frame)
    for each, image in images.items():
        volume = volumes[each]
        with slicer.util.NodeModify(volume):
            write_volume(volume, image, input_volume)
            volume.SetDescription(descriptions[each])
            volume.SetAttribute(_FILTER, each.value)
            volume.SetAttribute(_CHECKSUMS, f"{made_of.all} {checksum(slicer.util.arrayFromVolume(volume))}")
            volume.SetNodeReferenceID(_INPUT_ROLE, input_volume.GetID())
        copy_display(volume, input_volume)
        copy_units(volume, input_volume)
    return volumes
