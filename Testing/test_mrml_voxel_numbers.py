"""Slices of a volume whose voxels are not numbered from 0, as in a cut-out, are found and shown where they lie."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.diffusion_trace import trace_diffusion
from NeuralDiffusionLib.mrml.maps.trace import add_trace
from NeuralDiffusionLib.mrml.preview.preview_volume import PreviewVolume
from NeuralDiffusionLib.mrml.views.looks import Looks
from NeuralDiffusionLib.mrml.views.shown_slice import shown_slice, slice_in_view

FIRST = np.array([5, -3, 11])


@pytest.fixture
def view(scene):
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(scene)
    view = logic.AddSliceNode("Red")
    view.SetOrientation("Axial")
    yield view
    logic.SetMRMLScene(None)


@pytest.fixture
def cut_out(add_volume):
    """Add a volume that is cut out of a larger one, its voxels still numbered as there."""

    def add(shape=(3, 20, 24)):
        volume = add_volume(np.random.default_rng(0).integers(0, 127, shape).astype(np.int16))
        ends = FIRST + shape[::-1] - 1
        volume.GetImageData().SetExtent(*np.column_stack([FIRST, ends]).ravel().tolist())
        return volume

    return add


def first_voxel(volume):
    """Where the first voxel of a volume lies, in mm."""
    return (ijk_to_ras(volume) @ (*volume.GetImageData().GetExtent()[::2], 1))[:3]


def where(volume, *kji):
    """Where a voxel of a volume's array lies, in mm."""
    return (ijk_to_ras(volume) @ (*(FIRST + kji[::-1]), 1))[:3]


def test_slicer_shows_them_where_their_numbers_say(cut_out, view):
    volume, layer = cut_out(), slicer.vtkMRMLSliceLayerLogic()
    slicer.util.arrayFromVolume(volume)[:] = np.array([10, 20, 30])[:, None, None]
    layer.SetMRMLScene(volume.GetScene())
    layer.SetSliceNode(view)
    layer.SetVolumeNode(volume)
    view.JumpSliceByCentering(*where(volume, 2, 10, 12))
    layer.UpdateTransforms()
    layer.GetReslice().Update()
    assert layer.GetReslice().GetOutput().GetScalarRange() == (0, 30)
    layer.SetMRMLScene(None)


@pytest.mark.parametrize("axis", range(3))
def test_the_view_shows_the_slice_that_lies_in_it(cut_out, view, axis):
    volume = cut_out()
    view.SetOrientation(("Axial", "Coronal", "Sagittal")[axis])
    for kji in ((0, 0, 0), (1, 7, 9), (2, 19, 23)):
        view.JumpSliceByCentering(*where(volume, *kji))
        assert slice_in_view(volume, view)[:2] == (axis, kji[axis])
        assert shown_slice(volume, axis) == kji[axis]
    view.JumpSliceByCentering(*(where(volume, 0, 0, 0) - 2))
    assert slice_in_view(volume, view).index is None


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_preview_and_a_trace_of_a_slice_lie_on_it(cut_out, view, geometry, axis):
    volume = cut_out()
    place(volume, geometry)
    voxels = slicer.util.arrayFromVolume(volume)
    expected = where(volume, *(2 if other == axis else 0 for other in range(3)))
    preview = PreviewVolume(Looks())
    preview.show(view, volume, axis, 2, np.take(voxels, [2], axis))
    np.testing.assert_allclose(first_voxel(preview._node), expected)
    preview.hide()
    settings = DenoiseSettings(iterations=4, slice_axis=axis)
    browser = add_trace(volume, trace_diffusion(Denoiser("cpu"), voxels, settings, slice_index=2))
    sequence = browser.GetMasterSequenceNode()
    for traced in (browser.GetProxyNode(sequence), sequence.GetNthDataNode(1)):
        np.testing.assert_allclose(first_voxel(traced), expected)


@pytest.mark.parametrize("index", [None, 0])
def test_a_trace_of_a_single_slice_lies_on_it(cut_out, index):
    volume = cut_out((1, 20, 24))
    voxels = slicer.util.arrayFromVolume(volume)
    trace = trace_diffusion(Denoiser("cpu"), voxels, DenoiseSettings(iterations=4), slice_index=index)
    browser = add_trace(volume, trace)
    sequence = browser.GetMasterSequenceNode()
    for traced in (browser.GetProxyNode(sequence), sequence.GetNthDataNode(1)):
        np.testing.assert_allclose(first_voxel(traced), where(volume, 0, 0, 0))
