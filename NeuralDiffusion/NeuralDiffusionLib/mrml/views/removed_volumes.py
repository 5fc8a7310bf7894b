"""What was removed, kept in one volume for each denoised volume of the scene and made anew when it is out of date."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..nodes.new_volume import unused_name
from ..nodes.provenance import PREFIX, is_result
from ..runs.run_checks import check_input_with_result
from .removed import make_removed

_ROLE = PREFIX + "RemovedVolume"
_INPUT_NAME = PREFIX + "InputVolume"


def state_of(*volumes: slicer.vtkMRMLScalarVolumeNode) -> tuple:
    """Return which volumes these are, and when they and their images last changed."""
    return tuple((volume.GetID(), volume.GetMTime(), volume.GetImageData().GetMTime()) for volume in volumes)


class RemovedVolumes:
    """Finds the volume that a denoised volume refers to, makes it when there is none, and keeps it up to date.

    The reference is saved with the scene.
    """

    def __init__(self) -> None:
        self._made_from: dict[str, tuple] = {}

    def find(self, denoised: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Return what was removed on the way to a denoised volume, up to date or not; ``None`` if it was never made.

        A volume that a run of the network has written to since is none of it.
        """
        removed = denoised.GetNodeReference(_ROLE)
        return None if removed is None or is_result(removed) else removed

    def up_to_date(
        self, input_volume: slicer.vtkMRMLScalarVolumeNode, denoised: slicer.vtkMRMLScalarVolumeNode
    ) -> slicer.vtkMRMLScalarVolumeNode:
        """Return the input minus the denoised volume, as `make_removed` writes it, named "<input> removed".

        It is computed only if it has not been in this session, or the input or the denoised volume has changed since.

        Raises
        ------
        InvalidVolumeError
            As from `make_removed`; the scene is as before then.
        """
        check_input_with_result(input_volume, denoised)
        removed = self.find(denoised)
        if removed is not None and self._made_from.get(removed.GetID()) == state_of(input_volume, denoised):
            return removed
        if removed is None:
            removed = self._add(input_volume, denoised)
        else:
            make_removed(input_volume, denoised, removed)
        if removed.GetAttribute(_INPUT_NAME) != input_volume.GetName():
            removed.SetName(_name(input_volume))
            removed.SetAttribute(_INPUT_NAME, input_volume.GetName())
        self._made_from[removed.GetID()] = state_of(input_volume, denoised)
        return removed

    def _add(
        self, input_volume: slicer.vtkMRMLScalarVolumeNode, denoised: slicer.vtkMRMLScalarVolumeNode
    ) -> slicer.vtkMRMLScalarVolumeNode:
        removed = input_volume.GetScene().AddNewNodeByClass("vtkMRMLScalarVolumeNode", _name(input_volume))
        try:
            make_removed(input_volume, denoised, removed)
        except BaseException:
            removed.GetScene().RemoveNode(removed)
            raise
        removed.SetAttribute(_INPUT_NAME, input_volume.GetName())
        denoised.SetNodeReferenceID(_ROLE, removed.GetID())
        return removed


def _name(input_volume: slicer.vtkMRMLScalarVolumeNode) -> str:
    return unused_name(input_volume.GetScene(), _("{name} removed").format(name=input_volume.GetName()))
