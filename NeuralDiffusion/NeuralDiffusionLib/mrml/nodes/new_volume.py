"""New volumes in the MRML scene, beside the one that they were computed from."""

from __future__ import annotations

import slicer
import vtk
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError
from .volumes import write_volume


def scene_of(volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScene:
    """Return the scene of a volume.

    Raises
    ------
    InvalidVolumeError
        If it is in none, for instance because it was deleted during a run.
    """
    check_in_scene(volume, volume.GetScene())
    return volume.GetScene()


def check_in_scene(volume: slicer.vtkMRMLScalarVolumeNode, scene: slicer.vtkMRMLScene | None) -> None:
    """Check that a volume is in a scene.

    Raises
    ------
    InvalidVolumeError
        If it is in another one, or in none.
    """
    if scene is None or volume.GetScene() is not scene:
        raise InvalidVolumeError(
            _("'{name}' is not in the scene: add it to the scene first.").format(name=volume.GetName())
        )


def unused_name(scene: slicer.vtkMRMLScene, name: str) -> str:
    """Return the name, with a number behind it if a node of the scene has it already."""
    return name if scene.GetFirstNodeByName(name) is None else scene.GenerateUniqueName(name)


def add_volume_beside(
    input_volume: slicer.vtkMRMLScalarVolumeNode, name: str, image: vtk.vtkImageData
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a volume with the input's geometry, parent transform and place in the Subject Hierarchy.

    Raises
    ------
    InvalidVolumeError
        If the input is in no scene.
    """
    scene = scene_of(input_volume)
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", unused_name(scene, name))
    write_volume(volume, image, input_volume)
    return volume
