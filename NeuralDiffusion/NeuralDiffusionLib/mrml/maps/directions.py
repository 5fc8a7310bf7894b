"""Conduction maps of single directions in the MRML scene."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ..nodes.new_volume import add_volume_beside
from ..nodes.provenance import PREFIX
from ..nodes.scene_nodes import nodes_of_class
from ..nodes.volumes import make_image
from .overlay import DEFAULT_COLOUR_TABLE, check_colour_table, style_conduction

_DIRECTION = PREFIX + "Direction"


def add_direction_volumes(
    input_volume: slicer.vtkMRMLScalarVolumeNode,
    maps: dict[str, np.ndarray],
    colour_table: str = DEFAULT_COLOUR_TABLE,
) -> dict[str, slicer.vtkMRMLScalarVolumeNode]:
    """Add the conduction map of each direction as a volume beside the input.

    Parameters
    ----------
    input_volume
        Volume whose diffusion the maps show; they take its geometry and parent transform.
    maps
        From the name of a direction to its map, float from 0 (held) to 1 (smoothed freely), shape (K, J, I) of the
        input: see `direction_maps`.
    colour_table
        As for `style_conduction`.

    Returns
    -------
    dict
        From the name of a direction to its new volume, named "<input> conduction <direction>". An attribute, saved
        with the scene, lets `direction_volumes` find it.

    Raises
    ------
    InvalidVolumeError
        If the input is in no scene.
    ValueError
        If the colour table is not known.
    """
    check_colour_table(colour_table)
    names = {
        "right": _("{name} conduction right"),
        "down": _("{name} conduction down"),
        "down right": _("{name} conduction down right"),
        "down left": _("{name} conduction down left"),
    }
    # All images are made before any node is added: what runs out of memory leaves the scene as it was.
    images = {direction: make_image(one, vtk.VTK_FLOAT) for direction, one in maps.items()}
    volumes = {}
    for direction, image in images.items():
        volume = add_volume_beside(input_volume, names[direction].format(name=input_volume.GetName()), image)
        style_conduction(volume, colour_table)
        volume.SetAttribute(_DIRECTION, direction)
        volumes[direction] = volume
    return volumes


def direction_volumes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Return all volumes of a scene that `add_direction_volumes` added."""
    volumes = nodes_of_class(scene, "vtkMRMLScalarVolumeNode")
    return [volume for volume in volumes if volume.GetAttribute(_DIRECTION) is not None]
