"""Slices of a MRML scene as pictures, drawn without a window by Slicer's own slice logic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from PIL import Image
from vtk.util.numpy_support import vtk_to_numpy

if TYPE_CHECKING:
    from types import TracebackType

ORIENTATIONS = ("Axial", "Coronal", "Sagittal")
MARGIN_MM = 8.0
BESIDE_MIDLINE = 0.04  # of the head's width, to the patient's right: between the hemispheres there is little to see


class SliceView:
    """One slice view, without a window, on a plane through the middle of what a mask covers.

    Oblique volumes are cut along their own axes and shown the way that the nearest anatomical view shows them.
    The view's nodes leave the scene again when the ``with`` block ends.

    Parameters
    ----------
    scene
        Scene that holds the volumes.
    volume
        Volume that the plane belongs to.
    mask
        Boolean array of the volume's shape (slices, rows, columns), with at least one true voxel. The picture
        shows all of it, with a margin.
    orientation
        ``"Axial"``, ``"Coronal"`` or ``"Sagittal"``, in the radiological convention.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        volume: slicer.vtkMRMLScalarVolumeNode,
        mask: np.ndarray,
        orientation: str,
    ) -> None:
        self.orientation = orientation
        self._scene = scene
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLScene(scene)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        self._node = self._logic.AddSliceNode(f"{orientation} picture")
        self._place(volume, mask)

    def __enter__(self) -> SliceView:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for node in (self._logic.GetSliceCompositeNode(), self._logic.GetSliceDisplayNode(), self._node):
            self._scene.RemoveNode(node)
        self._logic.SetMRMLScene(None)

    @property
    def edge_letters(self) -> tuple[str, str, str, str]:
        """Sides of the body that the left, right, upper and lower edge face, each a letter of RLAPSI."""
        right, up = self._axes[:, 0], self._axes[:, 1]
        return _side(-right), _side(right), _side(up), _side(-up)

    @property
    def position(self) -> str:
        """Place of the plane along the axis that it cuts, for instance ``"S 12 mm"``."""
        axis = int(np.argmax(np.abs(self._axes[:, 2])))
        millimetres = round(float(self._centre[axis]))
        return f"{('LR', 'PA', 'IS')[axis][millimetres > 0]} {abs(millimetres)} mm" if millimetres else "0 mm"

    def render(
        self,
        background: slicer.vtkMRMLScalarVolumeNode,
        foreground: slicer.vtkMRMLScalarVolumeNode | None = None,
        opacity: float = 0.0,
    ) -> Image.Image:
        """Picture of the slice as Slicer blends it, one pixel for the volume's smallest voxel side."""
        layers = self._logic.GetSliceCompositeNode()
        layers.SetBackgroundVolumeID(background.GetID())
        layers.SetForegroundVolumeID(foreground.GetID() if foreground else None)
        layers.SetForegroundOpacity(opacity)
        self._logic.UpdatePipeline()
        port = self._logic.GetImageDataConnection()
        port.GetProducer().Update()
        blended = port.GetProducer().GetOutputDataObject(port.GetIndex())
        width, height, _ = blended.GetDimensions()
        pixels = vtk_to_numpy(blended.GetPointData().GetScalars()).reshape(height, width, -1)
        return Image.fromarray(np.ascontiguousarray(pixels[::-1, :, :3]))  # VTK counts rows from below

    def _place(self, volume: slicer.vtkMRMLScalarVolumeNode, mask: np.ndarray) -> None:
        self._node.SetOrientation(self.orientation)
        self._node.RotateToVolumePlane(volume)
        slice_to_ras = slicer.util.arrayFromVTKMatrix(self._node.GetSliceToRAS())
        self._axes = slice_to_ras[:3, :3]

        ijk_to_ras = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(ijk_to_ras)
        ijk_to_ras = slicer.util.arrayFromVTKMatrix(ijk_to_ras)
        spacing = np.array(volume.GetSpacing())
        covered = [np.flatnonzero(mask.any(axis=other)) for other in ((0, 1), (0, 2), (1, 2))]
        margin = np.ceil(MARGIN_MM / spacing)
        first = np.maximum([axis[0] for axis in covered] - margin, 0)
        last = np.minimum([axis[-1] for axis in covered] + margin, np.array(mask.shape)[::-1] - 1)
        middle = np.rint(np.argwhere(mask).mean(axis=0))[::-1]  # whole voxels: the plane shows one slice, not a mixture
        box = np.stack(np.meshgrid(*zip(first, last, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
        to_slice = self._axes.T @ ijk_to_ras[:3, :]
        box_on_slice = to_slice @ np.column_stack([box, np.ones(len(box))]).T
        depth = float((to_slice @ np.append(middle, 1.0))[2])
        if self.orientation == "Sagittal":
            voxel = np.abs(to_slice[2, :3]).max()
            depth -= round(BESIDE_MIDLINE * np.ptp(box_on_slice[2]) / voxel) * voxel

        pixel = spacing.min()
        low, high = box_on_slice[:2].min(axis=1), box_on_slice[:2].max(axis=1)
        size = np.rint((high - low) / pixel).astype(int) + 1
        # pixel (0, 0) lies half a field of view from the centre, so that pixels fall on voxels
        self._centre = self._axes @ np.append(low + size * pixel / 2, depth)
        slice_to_ras[:3, 3] = self._centre
        self._node.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(slice_to_ras))
        self._node.UpdateMatrices()
        self._node.SetDimensions(int(size[0]), int(size[1]), 1)
        self._node.SetFieldOfView(size[0] * pixel, size[1] * pixel, pixel)


def _side(direction: np.ndarray) -> str:
    """Letter of the side of the body that a direction in RAS coordinates points to."""
    axis = int(np.argmax(np.abs(direction)))
    return ("LR", "PA", "IS")[axis][int(direction[axis] > 0)]
