"""How close volumes come to a reference, in a table of the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import slicer
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError
from ..nodes.geometry import check_same_transform, lie_voxel_on_voxel
from ..nodes.scene_nodes import nodes_of_class
from ..nodes.tables import add_table, fill_table
from ..nodes.volumes import check_input, read_volume

_INPUT_ROLE, _REFERENCE_ROLE = "NeuralDiffusionCompared", "NeuralDiffusionReference"


class Closeness(NamedTuple):
    """How close a volume comes to the reference: PSNR in dB, and SSIM, at most 1."""

    volume: str
    psnr: float
    ssim: float


def read_reference(
    reference: slicer.vtkMRMLScalarVolumeNode, volumes: Sequence[slicer.vtkMRMLScalarVolumeNode], axis: int
) -> np.ndarray:
    """Return a copy of the reference's voxels, (K, J, I), after checking that volumes can be compared with it.

    `axis` is the one along which slices are stacked.

    Raises
    ------
    InvalidVolumeError
        If the reference cannot be read, has one value everywhere or is smaller than the window of the SSIM, or a volume
        lies elsewhere.
    """
    from ...similarity import WINDOW

    voxels, name = read_volume(reference), reference.GetName()
    if voxels.min() == voxels.max():
        raise InvalidVolumeError(
            _("'{name}' has the same value everywhere: choose another reference.").format(name=name)
        )
    rows, columns = np.delete(voxels.shape, axis)
    if min(rows, columns) < WINDOW:
        raise InvalidVolumeError(
            _("'{name}' has slices of {columns} x {rows} pixels: the SSIM needs {window} x {window} or more.").format(
                name=name, columns=columns, rows=rows, window=WINDOW
            )
        )
    for volume in volumes:
        _check_place(volume, reference)
    return voxels


def write_closeness(
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    reference: slicer.vtkMRMLScalarVolumeNode,
    rows: Sequence[Closeness],
) -> slicer.vtkMRMLTableNode:
    """Put one row for each volume into the table of an input and a reference: Volume, PSNR (dB), SSIM.

    The table is added as "<input> compared with <reference>" unless it is there from before.
    """
    columns = (
        (_("Volume"), str, [row.volume for row in rows]),
        (_("PSNR (dB)"), float, [row.psnr for row in rows]),
        (_("SSIM"), float, [row.ssim for row in rows]),
    )
    table = _find_table(input_volume, reference)
    if table is not None:
        fill_table(table, columns)
        return table
    name = _("{name} compared with {reference}").format(name=input_volume.GetName(), reference=reference.GetName())
    table = add_table(input_volume.GetScene(), name, columns)
    table.SetNodeReferenceID(_INPUT_ROLE, input_volume.GetID())
    table.SetNodeReferenceID(_REFERENCE_ROLE, reference.GetID())
    return table


def _find_table(
    input_volume: slicer.vtkMRMLScalarVolumeNode, reference: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLTableNode | None:
    wanted = input_volume.GetID(), reference.GetID()
    for table in nodes_of_class(input_volume.GetScene(), "vtkMRMLTableNode"):
        if (table.GetNodeReferenceID(_INPUT_ROLE), table.GetNodeReferenceID(_REFERENCE_ROLE)) == wanted:
            return table
    return None


def _check_place(volume: slicer.vtkMRMLScalarVolumeNode, reference: slicer.vtkMRMLScalarVolumeNode) -> None:
    check_input(volume)
    names = {"name": volume.GetName(), "reference": reference.GetName()}
    if not lie_voxel_on_voxel(reference, volume):
        raise InvalidVolumeError(
            _("'{reference}' does not lie voxel on voxel over '{name}': resample it to that volume first.").format(
                **names
            )
        )
    check_same_transform(volume, reference)
