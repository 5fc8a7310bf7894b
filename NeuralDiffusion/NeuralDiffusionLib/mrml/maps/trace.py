"""The trace of a diffusion in the MRML scene: a sequence to scrub through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from ..nodes.geometry import slice_origin
from ..nodes.new_volume import add_volume_beside, scene_of, unused_name
from ..nodes.volumes import copy_display, make_image, number_alike

if TYPE_CHECKING:
    from ...engine.diffusion_trace import DiffusionTrace


def add_trace(input_volume: slicer.vtkMRMLScalarVolumeNode, trace: DiffusionTrace) -> slicer.vtkMRMLSequenceBrowserNode:
    """Add a trace as a sequence with a browser, and a volume that shows the iteration chosen in it.

    The sequence uses the arrays of the trace, without a copy. Its index is the number of diffusion steps done,
    "iteration", without unit; iteration 0 is the input.

    Parameters
    ----------
    input_volume
        Volume that was traced. The trace takes its geometry and parent transform, window and level; the trace of one
        slice lies where that slice does.
    trace
        What `trace_diffusion` gave.

    Returns
    -------
    vtkMRMLSequenceBrowserNode
        The browser, at iteration 0. `GetMasterSequenceNode` is its sequence; `GetProxyNode` of that sequence is the
        volume in the scene, "<input> diffusion trace".

    Raises
    ------
    InvalidVolumeError
        If the input is in no scene.
    """
    scene = scene_of(input_volume)
    name = _("{name} diffusion trace").format(name=input_volume.GetName())
    geometry = _geometry(input_volume, trace)
    images = [_image_of(voxels) for voxels in trace.images]
    sequence = slicer.vtkMRMLSequenceNode()
    sequence.SetName(unused_name(scene, _("{name} sequence").format(name=name)))
    sequence.SetDescription(
        _("States of the diffusion, before the bias inversion, the refinement and the step across slices that follow.")
    )
    sequence.SetIndexName(_("iteration"))
    sequence.SetIndexUnit("")
    for iteration, image in zip(trace.iterations, images, strict=True):
        item = slicer.vtkMRMLScalarVolumeNode()
        item.SetName(name)
        item.SetIJKToRASMatrix(geometry)
        number_alike(image, input_volume)
        # The sequence copies what it is given; the image is put into its copy, and is not copied.
        sequence.SetDataNodeAtValue(item, str(iteration)).SetAndObserveImageData(image)
    # A copy: what the user does to this volume must not reach into the sequence. Made before anything is in the scene,
    # where nothing may be left behind if memory ends.
    shown = make_image(trace.images[0], vtk.VTK_FLOAT)
    scene.AddNode(sequence)
    proxy = add_volume_beside(input_volume, name, shown)
    proxy.SetIJKToRASMatrix(geometry)
    copy_display(proxy, input_volume)
    return _add_browser(scene, sequence, proxy)


def _add_browser(
    scene: slicer.vtkMRMLScene, sequence: slicer.vtkMRMLSequenceNode, proxy: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLSequenceBrowserNode:
    browser = slicer.vtkMRMLSequenceBrowserNode()
    browser.SetName(unused_name(scene, _("{name} browser").format(name=proxy.GetName())))
    scene.AddNode(browser)
    # At once: in between, the Sequences module would add a volume of its own to show the sequence.
    with slicer.util.NodeModify(browser):
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        # The items are whole numbers, without the two decimals of Slicer's default.
        browser.SetIndexDisplayFormat("%.0f")
        browser.AddProxyNode(proxy, sequence, False)
        browser.SetSelectedItemNumber(0)
    return browser


def _geometry(input_volume: slicer.vtkMRMLScalarVolumeNode, trace: DiffusionTrace) -> vtk.vtkMatrix4x4:
    """IJK to RAS of the traced slices, in mm."""
    matrix = vtk.vtkMatrix4x4()
    input_volume.GetIJKToRASMatrix(matrix)
    # An image of the volume's own size is numbered as that is.
    if trace.images[0].shape[::-1] != input_volume.GetImageData().GetDimensions():
        for row, value in enumerate(slice_origin(input_volume, trace.slice_axis, trace.slice_index)):
            matrix.SetElement(row, 3, value)
    return matrix


def _image_of(voxels: np.ndarray) -> vtk.vtkImageData:
    """Image data that uses the memory of a contiguous float32 array of shape (K, J, I)."""
    image = vtk.vtkImageData()
    image.SetDimensions(*reversed(voxels.shape))
    image.GetPointData().SetScalars(numpy_to_vtk(voxels.reshape(-1)))
    return image
