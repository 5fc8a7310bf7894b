"""Volumes in the MRML scene: checking an input, reading it, writing a result beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from ...engine.scalar_types import cast_into
from ...errors import InvalidVolumeError
from .geometry import ijk_to_ras

_REJECTED_CLASSES = {
    "vtkMRMLLabelMapVolumeNode": _("a label map, whose labels would be blended"),
    "vtkMRMLTensorVolumeNode": _("a vector, tensor or colour volume, with several values in each voxel"),
    "vtkMRMLDiffusionWeightedVolumeNode": _("a diffusion weighted volume, with several values in each voxel"),
}


def check_input(volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Check that a volume can be denoised, as far as that is known without reading its voxels.

    Raises
    ------
    InvalidVolumeError
        If there is no volume, or it is not a scalar volume with at least one slice of image data and a place in space.
    """
    if volume is None:
        raise InvalidVolumeError(_("No input volume was given: choose a scalar volume."))
    name = volume.GetName()
    if not volume.IsA("vtkMRMLScalarVolumeNode"):
        raise InvalidVolumeError(
            _("'{name}' is not a volume ({kind}): choose a scalar volume.").format(
                name=name, kind=volume.GetNodeTagName()
            )
        )
    for class_name, kind in _REJECTED_CLASSES.items():
        if volume.IsA(class_name):
            raise InvalidVolumeError(
                _("'{name}' is {kind}: choose a volume with one intensity in each voxel.").format(name=name, kind=kind)
            )
    image = volume.GetImageData()
    scalars = None if image is None else image.GetPointData().GetScalars()
    # While an image is replaced, it may have the size of the new one and the voxels of the old one still.
    if scalars is None or image.GetNumberOfPoints() == 0 or scalars.GetNumberOfTuples() != image.GetNumberOfPoints():
        raise InvalidVolumeError(_("'{name}' has no image data: load its image first.").format(name=name))
    if image.GetNumberOfScalarComponents() != 1:
        raise InvalidVolumeError(
            _("'{name}' has {count} values in each voxel: extract one component first.").format(
                name=name, count=image.GetNumberOfScalarComponents()
            )
        )
    if image.GetScalarType() == vtk.VTK_BIT:
        raise InvalidVolumeError(_("'{name}' holds single bits: cast it to another scalar type.").format(name=name))
    if image.GetDataDimension() < 2:
        size = " x ".join(str(count) for count in image.GetDimensions())
        raise InvalidVolumeError(
            _("'{name}' is {size} voxels large: choose a volume with at least one two-dimensional slice.").format(
                name=name, size=size
            )
        )
    matrix = ijk_to_ras(volume)
    if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix[:3, :3]) < 3:
        raise InvalidVolumeError(
            _("'{name}' has a spacing of zero or axes in one plane: correct its IJK to RAS directions.").format(
                name=name
            )
        )


def check_outputs(
    outputs: Sequence[slicer.vtkMRMLScalarVolumeNode | None], input_volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    """Check that results may be written to volume nodes.

    Raises
    ------
    InvalidVolumeError
        If one is missing, given twice, the input itself, not a plain scalar volume, or in another scene.
    """
    for index, output in enumerate(outputs):
        if output is None:
            raise InvalidVolumeError(_("No output volume was given: choose one or create one."))
        if output is input_volume:
            message = _("'{name}' is both input and output: choose another output, the input is never overwritten.")
        elif output in outputs[:index]:
            message = _("'{name}' is chosen for both outputs: choose another volume for one of them.")
        elif not output.IsA("vtkMRMLScalarVolumeNode") or any(output.IsA(kind) for kind in _REJECTED_CLASSES):
            message = _("'{name}' cannot hold the result: choose a scalar volume as output.")
        elif output.GetScene() is None or output.GetScene() is not input_volume.GetScene():
            message = _("'{name}' is not in the scene of the input: add it to that scene first.")
        else:
            continue
        raise InvalidVolumeError(message.format(name=output.GetName()))


def read_volume(volume: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Return a copy of a volume's voxels, shape (K, J, I), in the scalar type and units that it has.

    Raises
    ------
    InvalidVolumeError
        If `check_input` rejects the volume, or a voxel is NaN or infinite.
    """
    check_input(volume)
    voxels = np.array(slicer.util.arrayFromVolume(volume))
    if voxels.dtype.kind == "f":
        count = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
        if count:
            raise InvalidVolumeError(
                _("'{name}' is NaN or infinite in {count} of its voxels: replace these by numbers first.").format(
                    name=volume.GetName(), count=count
                )
            )
    return voxels


def make_image(voxels: np.ndarray, scalar_type: int) -> vtk.vtkImageData:
    """Return voxels of shape (K, J, I) as image data of a VTK scalar type.

    Integer types are rounded and clipped to what they hold, never wrapped.
    """
    image = vtk.vtkImageData()
    image.SetDimensions(*reversed(voxels.shape))
    image.AllocateScalars(scalar_type, 1)
    stored = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(voxels.shape)
    cast_into(stored, voxels)
    return image


def write_volume(
    output: slicer.vtkMRMLScalarVolumeNode, image: vtk.vtkImageData, input_volume: slicer.vtkMRMLScalarVolumeNode
) -> None:
    """Put image data into a volume node, in the input's place: geometry, parent transform, Subject Hierarchy."""
    number_alike(image, input_volume)
    with slicer.util.NodeModify(output):
        output.CopyOrientation(input_volume)
        output.SetAndObserveTransformNodeID(input_volume.GetTransformNodeID())
        output.SetAndObserveImageData(image)
    _place_beside(output, input_volume)


def number_alike(image: vtk.vtkImageData, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Number an image's voxels as those of a volume of the same size: IJK to RAS is about these, from 0 or not."""
    if image.GetDimensions() == volume.GetImageData().GetDimensions():
        image.SetExtent(volume.GetImageData().GetExtent())


def known_display_of(volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeDisplayNode | None:
    """Return the node that says how the slices of a volume are shown; ``None`` if it has none yet."""
    displays = (volume.GetNthDisplayNode(number) for number in range(volume.GetNumberOfDisplayNodes()))
    # A volume rendering has a display node of another kind, which may come first.
    return next((each for each in displays if each and each.IsA("vtkMRMLScalarVolumeDisplayNode")), None)


def display_of(volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeDisplayNode:
    """Return the node that says how the slices of a volume are shown; it is made if the volume has none yet."""
    known = known_display_of(volume)
    if known is None:
        known = volume.GetScene().AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
        known.SetDefaultColorMap()
        volume.AddAndObserveDisplayNodeID(known.GetID())
    return known


def show_in_colours(volume: slicer.vtkMRMLScalarVolumeNode, low: float, high: float, colour_node_id: str) -> None:
    """Show a volume over a fixed window, from `low` to `high` in its own units, in the colours of a colour node."""
    display = display_of(volume)
    with slicer.util.NodeModify(display):
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(low, high)
        display.SetAndObserveColorNodeID(colour_node_id)


def copy_display(output: slicer.vtkMRMLScalarVolumeNode, input_volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a volume as the input is shown, with its window and level even if those were automatic: the two compare."""
    source, target = known_display_of(input_volume), display_of(output)
    if source is None:
        return
    with slicer.util.NodeModify(target):
        target.CopyContent(source)
        target.AutoWindowLevelOff()
        target.SetWindowLevel(source.GetWindow(), source.GetLevel())
        target.SetAndObserveColorNodeID(source.GetColorNodeID())


def copy_units(output: slicer.vtkMRMLScalarVolumeNode, input_volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Say of a volume's voxels the quantity and units of the input's, as DICOM may give them; none for ``None``."""
    output.SetVoxelValueQuantity(input_volume and input_volume.GetVoxelValueQuantity())
    output.SetVoxelValueUnits(input_volume and input_volume.GetVoxelValueUnits())


def _place_beside(output: slicer.vtkMRMLScalarVolumeNode, input_volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Put the output under the input's parent in the Subject Hierarchy, unless the user gave it a place already."""
    hierarchy = input_volume.GetScene().GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    if hierarchy is None:
        return
    input_item = hierarchy.GetItemByDataNode(input_volume)
    if not input_item:
        return
    parent = hierarchy.GetItemParent(input_item)
    output_item = hierarchy.GetItemByDataNode(output)
    if not output_item:
        hierarchy.CreateItem(parent, output)
    elif hierarchy.GetItemParent(output_item) == hierarchy.GetSceneItemID():
        hierarchy.SetItemParent(output_item, parent)
