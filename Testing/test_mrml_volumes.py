"""Which volumes are taken, and how voxels get out of and into them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.volumes import (
    check_input,
    check_outputs,
    copy_display,
    display_of,
    known_display_of,
    make_image,
    read_volume,
)

SCALAR_TYPES = {
    vtk.VTK_CHAR: np.int8,
    vtk.VTK_SIGNED_CHAR: np.int8,
    vtk.VTK_UNSIGNED_CHAR: np.uint8,
    vtk.VTK_SHORT: np.int16,
    vtk.VTK_UNSIGNED_SHORT: np.uint16,
    vtk.VTK_INT: np.int32,
    vtk.VTK_UNSIGNED_INT: np.uint32,
    vtk.VTK_LONG_LONG: np.int64,
    vtk.VTK_UNSIGNED_LONG_LONG: np.uint64,
}


def empty_volume(scene):
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan")


def volume_without_scalars(scene):
    volume = empty_volume(scene)
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    volume.SetAndObserveImageData(image)
    return volume


def volume_of_bits(scene):
    volume = empty_volume(scene)
    image = vtk.vtkImageData()
    image.SetDimensions(8, 8, 2)
    image.AllocateScalars(vtk.VTK_BIT, 1)
    volume.SetAndObserveImageData(image)
    return volume


def volume_with_components(scene, node_class, components):
    volume = scene.AddNewNodeByClass(node_class, "Scan")
    image = vtk.vtkImageData()
    image.SetDimensions(8, 8, 2)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, components)
    volume.SetAndObserveImageData(image)
    return volume


def volume_of(voxels, node_class="vtkMRMLScalarVolumeNode"):
    return slicer.util.addVolumeFromArray(voxels, name="Scan", nodeClassName=node_class)


def with_one(value):
    voxels = np.ones((2, 8, 8), np.float32)
    voxels[1, 2, 3] = value
    return voxels


REJECTED = {
    "no image": (lambda scene: empty_volume(scene), "has no image data"),
    "no scalars": (lambda scene: volume_without_scalars(scene), "has no image data"),
    "label map": (lambda scene: volume_of(np.ones((2, 8, 8), np.int16), "vtkMRMLLabelMapVolumeNode"), "a label map"),
    "colour volume": (
        lambda scene: volume_with_components(scene, "vtkMRMLVectorVolumeNode", 3),
        "vector, tensor or colour",
    ),
    "tensor volume": (
        lambda scene: volume_with_components(scene, "vtkMRMLDiffusionTensorVolumeNode", 9),
        "vector, tensor or colour",
    ),
    "diffusion weighted volume": (
        lambda scene: volume_with_components(scene, "vtkMRMLDiffusionWeightedVolumeNode", 6),
        "diffusion weighted",
    ),
    "two components": (lambda scene: volume_with_components(scene, "vtkMRMLScalarVolumeNode", 2), "has 2 values"),
    "bits": (lambda scene: volume_of_bits(scene), "single bits"),
    "one line of voxels": (lambda scene: volume_of(np.ones((1, 8, 1), np.int16)), "1 x 8 x 1 voxels"),
    "one voxel": (lambda scene: volume_of(np.ones((1, 1, 1), np.int16)), "1 x 1 x 1 voxels"),
    "NaN": (lambda scene: volume_of(with_one(np.nan)), "is NaN or infinite in 1 of its voxels"),
    "infinity": (lambda scene: volume_of(with_one(-np.inf)), "is NaN or infinite in 1 of its voxels"),
    "a model": (lambda scene: scene.AddNewNodeByClass("vtkMRMLModelNode", "Scan"), "is not a volume"),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_a_volume_that_cannot_be_denoised_is_named_in_one_sentence_and_the_scene_stays_as_it_was(scene, state, kind):
    make, complaint = REJECTED[kind]
    volume = make(scene)
    output = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Output")
    before = state()
    with pytest.raises(InvalidVolumeError, match=complaint) as raised:
        NeuralDiffusionLogic().process(volume, output)
    message = str(raised.value)
    assert message.startswith("'Scan'")
    assert message.endswith(".")
    assert message.count(".") == 1
    assert state() == before


def test_no_input_at_all_is_refused(scene):
    with pytest.raises(InvalidVolumeError, match="No input volume was given"):
        NeuralDiffusionLogic().process(None, empty_volume(scene))


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 1, 8), (8, 8, 1), (2, 3, 4)])
def test_a_single_slice_in_any_direction_is_taken(scene, shape):
    check_input(volume_of(np.ones(shape, np.int16)))


def test_reading_copies_the_voxels(add_volume):
    volume = add_volume()
    voxels = read_volume(volume)
    original = voxels.copy()
    voxels[:] = 0
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), original)


class TestOutputs:
    def test_the_input_is_never_an_output(self, add_volume):
        volume = add_volume()
        with pytest.raises(InvalidVolumeError, match="'Scan' is both input and output"):
            check_outputs([volume], volume)

    def test_two_results_do_not_go_to_one_node(self, scene, add_volume):
        output = empty_volume(scene)
        with pytest.raises(InvalidVolumeError, match="chosen for both outputs"):
            check_outputs([output, output], add_volume())

    @pytest.mark.parametrize("node_class", ["vtkMRMLLabelMapVolumeNode", "vtkMRMLVectorVolumeNode"])
    def test_a_node_that_cannot_hold_intensities_is_refused(self, scene, add_volume, node_class):
        output = scene.AddNewNodeByClass(node_class, "Output")
        with pytest.raises(InvalidVolumeError, match="'Output' cannot hold the result"):
            check_outputs([output], add_volume())

    def test_a_node_of_another_scene_is_refused(self, add_volume):
        other_scene = slicer.vtkMRMLScene()
        output = other_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Output")
        with pytest.raises(InvalidVolumeError, match="'Output' is not in the scene of the input"):
            check_outputs([output], add_volume())

    def test_a_missing_output_is_refused(self, add_volume):
        with pytest.raises(InvalidVolumeError, match="No output volume was given"):
            check_outputs([None], add_volume())


class TestScalarTypes:
    @pytest.mark.parametrize("scalar_type", SCALAR_TYPES)
    def test_values_are_rounded_and_clipped_but_never_wrapped(self, scalar_type):
        information = np.iinfo(SCALAR_TYPES[scalar_type])
        values = np.array([0.4, 0.6, 41.5001, -1e30, 1e30, 127.0]).reshape(1, 2, 3)
        image = make_image(values, scalar_type)
        stored = vtk_to_numpy(image.GetPointData().GetScalars())
        assert image.GetScalarType() == scalar_type
        assert stored[[0, 1, 2, 5]].tolist() == [0, 1, 42, 127]
        assert stored[3] == information.min
        # The largest 64-bit integers cannot be met exactly from floating point.
        assert int(stored[4]) == pytest.approx(information.max, rel=1e-12)
        assert stored[4] > 0

    @pytest.mark.parametrize("scalar_type", [vtk.VTK_FLOAT, vtk.VTK_DOUBLE])
    def test_floating_point_is_kept_as_it_is(self, scalar_type):
        values = np.linspace(-3.3, 9.9, 24, dtype=np.float32).reshape(2, 3, 4)
        image = make_image(values, scalar_type)
        assert image.GetScalarType() == scalar_type
        np.testing.assert_array_equal(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(2, 3, 4), values)

    def test_voxels_keep_their_place(self):
        values = np.arange(24.0).reshape(2, 3, 4)
        image = make_image(values, vtk.VTK_SHORT)
        assert image.GetDimensions() == (4, 3, 2)
        assert image.GetScalarComponentAsDouble(3, 2, 1, 0) == values[1, 2, 3]


class TestDisplay:
    def test_an_automatic_window_becomes_the_same_window(self, scene, add_volume):
        volume, output = add_volume(), empty_volume(scene)
        output.SetAndObserveImageData(make_image(np.full((3, 20, 24), 7.0), vtk.VTK_SHORT))
        copy_display(output, volume)
        source, target = volume.GetDisplayNode(), output.GetDisplayNode()
        assert source.GetAutoWindowLevel()
        assert not target.GetAutoWindowLevel()
        assert (target.GetWindow(), target.GetLevel()) == (source.GetWindow(), source.GetLevel())

    def test_what_the_user_set_is_taken_over(self, scene, add_volume):
        volume, output = add_volume(), empty_volume(scene)
        source = volume.GetDisplayNode()
        source.AutoWindowLevelOff()
        source.SetWindowLevel(33, 44)
        source.SetInterpolate(False)
        source.SetAndObserveColorNodeID("vtkMRMLColorTableNodeInvertedGrey")
        copy_display(output, volume)
        target = output.GetDisplayNode()
        assert target is not source
        assert (target.GetWindow(), target.GetLevel(), target.GetInterpolate()) == (33, 44, 0)
        assert target.GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"

    @pytest.mark.parametrize("slices_are_shown", [False, True])
    def test_a_volume_rendering_is_no_display_of_slices(self, scene, slices_are_shown):
        volume, output = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(2))
        for each in (volume, output):
            rendering = scene.AddNode(slicer.vtkMRMLCPURayCastVolumeRenderingDisplayNode())
            each.AddAndObserveDisplayNodeID(rendering.GetID())
        if slices_are_shown:
            display_of(volume).AutoWindowLevelOff()
            display_of(volume).SetWindowLevel(30, 40)
        copy_display(output, volume)
        assert known_display_of(volume) is (display_of(volume) if slices_are_shown else None)
        assert output.GetDisplayNode().IsA("vtkMRMLVolumeRenderingDisplayNode")
        if slices_are_shown:
            assert (display_of(output).GetWindow(), display_of(output).GetLevel()) == (30, 40)
            assert output.GetNumberOfDisplayNodes() == 2

    def test_an_input_without_display_is_left_without(self, scene):
        volume, output = empty_volume(scene), empty_volume(scene)
        volume.SetAndObserveImageData(make_image(np.ones((2, 8, 8)), vtk.VTK_SHORT))
        copy_display(output, volume)
        assert volume.GetDisplayNode() is None
        assert output.GetDisplayNode() is not None
