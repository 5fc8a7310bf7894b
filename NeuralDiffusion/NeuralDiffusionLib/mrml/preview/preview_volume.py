"""A temporary volume of one slice, in the place that this slice has in its volume, shown over it in one slice view."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..nodes.geometry import slice_origin
from ..nodes.volumes import copy_display, known_display_of, make_image
from ..views.looks import Looks

T = TypeVar("T")


class PreviewVolume:
    """Holds a slice while it is previewed: not saved with the scene, and hidden from selectors and lists.

    Parameters
    ----------
    looks
        What the slice views show for the module; the preview lies above it.
    """

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._node: slicer.vtkMRMLScalarVolumeNode | None = None
        self._display_of: tuple[str, int] | None = None
        # As it was taken over from the volume.
        self._window: tuple[float, float] | None = None
        # The layers of the view, and the volume beneath.
        self._shown: tuple[slicer.vtkMRMLSliceCompositeNode, slicer.vtkMRMLScalarVolumeNode] | None = None

    @property
    def is_replaced(self) -> bool:
        """Whether it was shown, and somebody else has changed what that view shows."""
        if self._shown is None:
            return False
        layers, volume = self._shown
        wanted = (volume.GetID(), self._node.GetID())
        return (
            None in (layers.GetScene(), volume.GetScene(), self._node.GetScene())
            or (layers.GetBackgroundVolumeID(), layers.GetForegroundVolumeID()) != wanted
        )

    def show(
        self,
        view: slicer.vtkMRMLSliceNode,
        volume: slicer.vtkMRMLScalarVolumeNode,
        axis: int,
        index: int,
        voxels: np.ndarray,
    ) -> None:
        """Show a slice in one slice view, over its volume; in the view that showed another one before no more.

        Parameters
        ----------
        view
            Slice view of the scene.
        volume
            Gives the slice its place, parent transform, scalar type, window and level.
        axis
            Axis of its array across the slice, 0 to 2, order K, J, I.
        index
            Place of the slice along that axis.
        voxels
            (K, J, I), one voxel along the axis, in the units of the volume.
        """
        self._write(volume, axis, index, voxels)
        shown = (slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(view), volume)
        if shown != self._shown:
            self._looks.show_preview(*shown, self._node)
            self._shown = shown

    def take_over_display(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Show the slice as its volume is shown; only anew where that has changed, for the user may change it here."""
        display = known_display_of(volume)
        state = display and (display.GetID(), display.GetMTime())
        if state != self._display_of:
            copy_display(self._node, volume)
            self._display_of, self._window = state, _window(self._node)

    def hide(self) -> None:
        """Give the view back what it showed before, and take the temporary volume out of the scene.

        A window and level that the user has set on the slice meanwhile become those of its volume.
        """
        self._hand_over_window()
        node, shown = self._node, self._shown
        self.forget()
        if shown is not None:
            self._looks.hide_preview()
        if node is not None and node.GetScene() is not None:
            scene, display = node.GetScene(), node.GetDisplayNode()
            scene.RemoveNode(node)
            scene.RemoveNode(display)

    def forget(self) -> None:
        """Let go of the view and the temporary volume without touching them, as when their scene is closed."""
        self._node, self._display_of, self._window, self._shown = None, None, None, None

    def _hand_over_window(self) -> None:
        display = None if self._shown is None else known_display_of(self._shown[1])
        if display is None or self._node.GetDisplayNode() is None:
            return
        window = _window(self._node)
        if window != self._window:
            with slicer.util.NodeModify(display):
                display.AutoWindowLevelOff()
                display.SetWindowLevel(*window)

    def _write(self, volume: slicer.vtkMRMLScalarVolumeNode, axis: int, index: int, voxels: np.ndarray) -> None:
        if self._node is None or self._node.GetScene() is not volume.GetScene():
            self.hide()
            self._node = _add_temporary_volume(volume.GetScene())
        if self._shown is not None and self._shown[1] is not volume:
            self._hand_over_window()
        self.take_over_display(volume)
        with slicer.util.NodeModify(self._node):
            self._node.CopyOrientation(volume)
            self._node.SetOrigin(*slice_origin(volume, axis, index))
            self._node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
            self._node.SetAndObserveImageData(make_image(voxels, volume.GetImageData().GetScalarType()))


def _add_temporary_volume(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode:
    # Hidden before it is added: no list shows it for a moment.
    volume = _temporary(slicer.vtkMRMLScalarVolumeNode())
    volume.SetName(_("Neural Diffusion preview"))
    scene.AddNode(volume)
    volume.CreateDefaultDisplayNodes()
    _temporary(volume.GetDisplayNode())
    return volume


def _window(volume: slicer.vtkMRMLScalarVolumeNode) -> tuple[float, float]:
    return volume.GetDisplayNode().GetWindow(), volume.GetDisplayNode().GetLevel()


def _temporary(node: T) -> T:
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    return node
