"""Segmentations as masks, on real MRML: where they fall among a volume's voxels, and what stays outside them."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.mask import inside_mask, mask_of_segmentation
from NeuralDiffusionLib.mrml.nodes.volumes import make_image, read_volume

SHAPE = (6, 20, 24)


def turned(a, b):
    """Directions turned by two angles, in degrees."""
    a, b = np.deg2rad([a, b])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_z @ about_x


def affine(directions, spacing, origin):
    matrix = np.eye(4)
    matrix[:3, :3] = directions * np.asarray(spacing)
    matrix[:3, 3] = origin
    return matrix


GRIDS = {
    "axial": affine(np.eye(3), (1.0, 1.0, 2.5), (-11.0, -9.0, -6.0)),
    "oblique": affine(turned(20, -35), (0.9, 1.1, 2.5), (-8.0, -14.0, 3.0)),
    "left-handed": affine(np.diag([-1.0, 1.0, 1.0]), (1.0, 1.0, 2.5), (12.0, -9.0, -6.0)),
    "sheared": affine(turned(20, -35) @ [[1, 0, 0], [0, 1, 0.6], [0, 0, 1]], (0.9, 1.1, 2.5), (-8.0, -14.0, 3.0)),
    "oblique and left-handed": affine(turned(-15, 25) @ np.diag([1.0, 1.0, -1.0]), (0.9, 1.1, 2.5), (-8.0, -6.0, 2.0)),
}
# Turned and shifted against all of them, and finer, so that nothing falls into place by chance.
OWN_GRID = affine(turned(7, 11), (0.63, 0.71, 0.87), (-9.13, -8.27, -5.41))
OWN_SHAPE = (14, 26, 30)
MOVES = {
    "turn": affine(turned(31, 0), (1, 1, 1), (2.2, -1.7, 0.9)),
    "mirror": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "stretch": affine(np.eye(3), (1.2, 0.8, 1.1), (0.3, 0.4, -1.3)),
}


@pytest.fixture
def volume(add_volume):
    volume = add_volume(np.random.default_rng(1).integers(0, 120, SHAPE).astype(np.int16))
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(GRIDS["axial"]))
    return volume


@pytest.fixture
def segmentation(scene):
    return scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Brain")


def add_segment(segmentation, values, grid):
    """Add a segment from an array of 0 and 1, (K, J, I), that lies on a grid; return its identifier."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*values.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(values.astype(np.uint8).ravel(), deep=True))
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(grid))
    return segmentation.AddSegmentFromBinaryLabelmapRepresentation(image, f"Segment {values.sum()}")


def add_transform(node, matrix):
    transform = node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def looked_up(values, own_to_world, volume_to_world):
    """What an array on a grid holds at the centres of a volume's voxels: nearest neighbour, nothing outside."""
    centres = np.moveaxis(np.indices(SHAPE[::-1]).reshape(3, -1), 0, -1)
    homogeneous = np.column_stack([centres, np.ones(len(centres))]).T
    i, j, k = np.rint((np.linalg.inv(own_to_world) @ volume_to_world @ homogeneous)[:3]).astype(int)
    kji = np.stack([k, j, i])
    inside = ((kji >= 0) & (kji < np.array(values.shape)[:, None])).all(axis=0)
    found = np.zeros(len(centres), bool)
    found[inside] = values[k[inside], j[inside], i[inside]]
    return found.reshape(SHAPE[::-1]).transpose(2, 1, 0)


def boxes(shape):
    """Two boxes that overlap, in arrays of 0 and 1."""
    values = np.zeros((2, *shape), bool)
    values[0, 1:-2, 3:15, 4:16] = True
    values[1, 2:-1, 9:18, 11:21] = True
    return values


class TestPlace:
    def test_on_the_volumes_own_grid_the_mask_is_the_union_of_all_segments(self, volume, segmentation):
        first, second = boxes(SHAPE)
        for values in (first, second):
            add_segment(segmentation, values, GRIDS["axial"])
        mask = mask_of_segmentation(segmentation, volume)
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, first | second)

    @pytest.mark.parametrize("grid", GRIDS)
    def test_on_another_grid_each_voxel_is_inside_if_its_centre_is(self, volume, segmentation, grid):
        volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(GRIDS[grid]))
        values = boxes(OWN_SHAPE)
        for one in values:
            add_segment(segmentation, one, OWN_GRID)
        expected = looked_up(values.any(axis=0), OWN_GRID, GRIDS[grid])
        assert 50 < expected.sum() < expected.size - 50
        np.testing.assert_array_equal(mask_of_segmentation(segmentation, volume), expected)

    @pytest.mark.parametrize("of_segmentation", [None, *MOVES])
    @pytest.mark.parametrize("of_volume", [None, *MOVES])
    def test_parent_transforms_of_both_nodes_count(self, volume, segmentation, of_volume, of_segmentation):
        volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(GRIDS["oblique"]))
        values = boxes(OWN_SHAPE)[0]
        add_segment(segmentation, values, OWN_GRID)
        to_world = {}
        for node, move in ((volume, of_volume), (segmentation, of_segmentation)):
            to_world[node] = np.eye(4) if move is None else MOVES[move]
            if move is not None:
                add_transform(node, MOVES[move])
        expected = looked_up(values, to_world[segmentation] @ OWN_GRID, to_world[volume] @ GRIDS["oblique"])
        assert expected.sum() > 20
        np.testing.assert_array_equal(mask_of_segmentation(segmentation, volume), expected)

    def test_transforms_above_the_parents_count_too(self, volume, segmentation):
        values = boxes(OWN_SHAPE)[1]
        add_segment(segmentation, values, OWN_GRID)
        add_transform(add_transform(segmentation, MOVES["turn"]), MOVES["stretch"])
        expected = looked_up(values, MOVES["stretch"] @ MOVES["turn"] @ OWN_GRID, GRIDS["axial"])
        np.testing.assert_array_equal(mask_of_segmentation(segmentation, volume), expected)

    def test_what_moves_both_changes_nothing(self, volume, segmentation):
        add_segment(segmentation, boxes(OWN_SHAPE)[0], OWN_GRID)
        before = mask_of_segmentation(segmentation, volume)
        transform = add_transform(volume, MOVES["stretch"])
        segmentation.SetAndObserveTransformNodeID(transform.GetID())
        np.testing.assert_array_equal(mask_of_segmentation(segmentation, volume), before)


class TestSegments:
    def test_hidden_segments_count(self, volume, segmentation):
        first, second = boxes(SHAPE)
        segmentation.CreateDefaultDisplayNodes()
        for values in (first, second):
            identifier = add_segment(segmentation, values, GRIDS["axial"])
        segmentation.GetDisplayNode().SetSegmentVisibility(identifier, False)
        np.testing.assert_array_equal(mask_of_segmentation(segmentation, volume), first | second)

    def test_segments_that_share_a_label_map_count(self, scene, volume, segmentation):
        labels = np.zeros(SHAPE, np.uint8)
        labels[1:4, 2:8, 3:9] = 1
        labels[2:5, 10:15, 12:20] = 5
        label_map = slicer.util.addVolumeFromArray(labels, GRIDS["axial"], "Labels", "vtkMRMLLabelMapVolumeNode")
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(label_map, segmentation)
        assert segmentation.GetSegmentation().GetNumberOfSegments() == 2
        assert segmentation.GetSegmentation().GetNumberOfLayers() == 1
        np.testing.assert_array_equal(mask_of_segmentation(segmentation, volume), labels > 0)

    def test_a_segment_that_is_still_empty_does_not_matter(self, volume, segmentation):
        values = boxes(SHAPE)[0]
        add_segment(segmentation, values, GRIDS["axial"])
        segmentation.GetSegmentation().AddEmptySegment()
        np.testing.assert_array_equal(mask_of_segmentation(segmentation, volume), values)

    @pytest.fixture
    def ball(self, scene, segmentation):
        """A segmentation that holds the surface of a ball of radius 6 mm, and no label map."""
        logic = slicer.vtkSlicerSegmentationsModuleLogic()  # registers Slicer's conversions, as the application does
        logic.SetMRMLScene(scene)
        sphere = vtk.vtkSphereSource()
        sphere.SetRadius(6)
        sphere.SetThetaResolution(60)
        sphere.SetPhiResolution(60)
        sphere.Update()
        segmentation.SetSourceRepresentationToClosedSurface()
        segmentation.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "Ball", [1, 0, 0])
        yield segmentation
        del logic

    @pytest.mark.parametrize("move", [None, *MOVES])
    def test_a_surface_is_filled_on_the_volumes_grid_and_stays_a_surface(self, volume, ball, move):
        matrix = np.eye(4) if move is None else MOVES[move]
        if move is not None:
            add_transform(ball, matrix)
        mask = mask_of_segmentation(ball, volume)
        centres = np.moveaxis(np.indices(SHAPE[::-1]), 0, -1) @ GRIDS["axial"][:3, :3].T + GRIDS["axial"][:3, 3]
        local = (centres - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
        radius = np.linalg.norm(local, axis=-1).transpose(2, 1, 0)
        assert mask[radius < 5].all()
        assert not mask[radius > 7].any()
        label_maps = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
        assert not ball.GetSegmentation().ContainsRepresentation(label_maps)


class TestRefusals:
    @pytest.fixture
    def refused(self, state):
        """Check that a mask is refused in one sentence and the scene stays as it was."""

        def check(segmentation, volume, complaint):
            before = state()
            with pytest.raises(InvalidVolumeError, match=complaint) as raised:
                mask_of_segmentation(segmentation, volume)
            assert str(raised.value).count(".") == 1
            assert state() == before

        return check

    def test_a_segmentation_without_segments(self, volume, segmentation, refused):
        refused(segmentation, volume, "'Brain' is empty: draw a segment")

    def test_a_segmentation_of_empty_segments(self, volume, segmentation, refused):
        add_segment(segmentation, np.zeros(SHAPE, bool), GRIDS["axial"])
        segmentation.GetSegmentation().AddEmptySegment()
        refused(segmentation, volume, "'Brain' is empty: draw a segment")

    def test_a_segmentation_that_lies_elsewhere(self, volume, segmentation, refused):
        add_segment(segmentation, boxes(SHAPE)[0], GRIDS["axial"])
        assert mask_of_segmentation(segmentation, volume).any()
        add_transform(segmentation, affine(np.eye(3), (1, 1, 1), (0, 300, 0)))
        refused(segmentation, volume, "'Brain' covers no voxel of 'Scan'")

    def test_what_is_no_segmentation(self, volume, refused):
        refused(None, volume, "not a segmentation")
        refused(volume, volume, "not a segmentation")

    def test_a_volume_without_image(self, scene, segmentation, refused):
        refused(segmentation, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan"), "'Scan' has no image data")

    def test_contours_that_nothing_here_converts(self, volume, segmentation, refused):
        """Planar contours, as in radiotherapy, need the SlicerRT extension."""
        contours = slicer.vtkSegmentationConverter.GetPlanarContourRepresentationName()
        segmentation.GetSegmentation().SetSourceRepresentationName(contours)
        segment = slicer.vtkSegment()
        segment.SetName("Contours")
        segment.AddRepresentation(contours, vtk.vtkPolyData())
        assert segmentation.GetSegmentation().AddSegment(segment)
        refused(segmentation, volume, "could not be converted")


class TestInsideMask:
    @pytest.mark.parametrize("scalar_type", [vtk.VTK_UNSIGNED_CHAR, vtk.VTK_SHORT, vtk.VTK_INT, vtk.VTK_DOUBLE])
    def test_a_mask_leaves_the_outside_as_it_was(self, volume, segmentation, scalar_type):
        """The largest 32-bit integers and fractions beyond float32 included."""
        add_segment(segmentation, boxes(SHAPE)[0], GRIDS["axial"])
        voxels = read_volume(volume).astype(np.float64)
        if scalar_type == vtk.VTK_INT:
            voxels[0] = 2**31 - 1 - voxels[0]
        elif scalar_type == vtk.VTK_DOUBLE:
            voxels[0] += 1e-9
        volume.SetAndObserveImageData(make_image(voxels, scalar_type))
        original, mask = read_volume(volume), mask_of_segmentation(segmentation, volume)
        result = Denoiser("cpu")(original, DenoiseSettings(iterations=2, intensity_range=(0.0, 120.0)))
        blended = inside_mask(result.image, original, mask)
        stored = vtk_to_numpy(make_image(blended, scalar_type).GetPointData().GetScalars()).reshape(SHAPE)
        np.testing.assert_array_equal(stored[~mask], original[~mask])
        np.testing.assert_array_equal(blended[mask], result.image[mask])
        assert np.abs(stored[mask] - original[mask].astype(np.float64)).mean() > 1

    def test_arrays_of_other_shapes_are_refused(self):
        with pytest.raises(InvalidVolumeError, match="The mask has 2 x 3 x 4 voxels, the scan 2 x 3 x 5 and"):
            inside_mask(np.zeros((2, 3, 5)), np.zeros((2, 3, 5)), np.zeros((2, 3, 4), bool))
