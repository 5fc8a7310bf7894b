"""Volumes that lie aslant, mirrored, sheared or under transforms: kept as they are; those without a place: refused."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from mrml_geometries import ijk_to_ras
from shell import head, image, write
from shell_in_process import denoised, refused
from vtk.util.numpy_support import vtk_to_numpy

from NeuralDiffusionLib import DenoiseSettings, InvalidVolumeError
from NeuralDiffusionTraining.files.image_files import read_scan

QUICK = DenoiseSettings(iterations=1)
SHEARED = np.array([[0.8, 0.3, 0.0], [0.0, 0.9, 0.2], [0.0, 0.0, 3.0]])
FLAT = {
    "spacing of zero": np.diag([1.0, 0.0, 2.0]),
    "axes in one plane": np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    "two equal axes": np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "not a number": np.diag([1.0, np.nan, 1.0]),
}


def set_axes(volume, axes):
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))


def affine(axes):
    matrix = np.eye(4)
    matrix[:3, :3] = axes
    matrix[:3, 3] = -91.5, 12.25, 40.125
    return matrix


class TestInTheScene:
    @pytest.mark.parametrize("kind", FLAT)
    def test_a_volume_without_extent_is_refused_and_the_scene_stays_as_it_was(
        self, logic, add_volume, output, state, kind
    ):
        volume = add_volume()
        set_axes(volume, FLAT[kind])
        before = state()
        with pytest.raises(InvalidVolumeError, match="'Scan' has a spacing of zero or axes in one plane"):
            logic.process(volume, output, None, QUICK)
        assert state() == before

    def test_sheared_axes_are_kept(self, logic, add_volume, output):
        volume = add_volume()
        set_axes(volume, SHEARED)
        logic.process(volume, output, None, QUICK)
        np.testing.assert_array_equal(ijk_to_ras(output), ijk_to_ras(volume))

    def test_nested_transforms_are_kept_and_not_applied(self, logic, scene, add_volume, output):
        volume = add_volume()
        plain = logic.process(volume, output, None, QUICK).image
        outer, inner = (scene.AddNewNodeByClass("vtkMRMLLinearTransformNode") for _ in range(2))
        outer.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(affine(SHEARED)))
        inner.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([-1.0, 2.0, 1.0, 1.0])))
        inner.SetAndObserveTransformNodeID(outer.GetID())
        volume.SetAndObserveTransformNodeID(inner.GetID())
        nested = logic.process(volume, output, None, QUICK).image
        assert output.GetParentTransformNode() is inner
        boxes = np.zeros((2, 6))
        for node, box in zip((volume, output), boxes, strict=True):
            node.GetRASBounds(box)
        np.testing.assert_array_equal(boxes[1], boxes[0])
        np.testing.assert_array_equal(nested, plain)

    @pytest.mark.parametrize("kind", ["BSpline", "Grid"])
    def test_a_transform_that_bends_is_kept_and_not_applied(self, logic, scene, add_volume, output, kind):
        volume = add_volume()
        plain = logic.process(volume, output, None, QUICK).image
        bending = scene.AddNewNodeByClass(f"vtkMRML{kind}TransformNode")
        bending.SetAndObserveTransformToParent(bend(kind))
        moved = [np.array(bending.GetTransformToParent().TransformPoint(x, 2, 3)) - (x, 2, 3) for x in (1, 9)]
        assert np.linalg.norm(moved[1] - moved[0]) > 0.1
        volume.SetAndObserveTransformNodeID(bending.GetID())
        bent = logic.process(volume, output, None, QUICK).image
        assert output.GetParentTransformNode() is bending
        np.testing.assert_array_equal(ijk_to_ras(output), ijk_to_ras(volume))
        np.testing.assert_array_equal(bent, plain)


def bend(kind):
    """A transform that moves points, the more the farther they are from the middle of a grid of 40 mm."""
    grid = vtk.vtkImageData()
    grid.SetDimensions(9, 9, 9)
    grid.SetOrigin(-20, -20, -20)
    grid.SetSpacing(5, 5, 5)
    grid.AllocateScalars(vtk.VTK_DOUBLE, 3)
    along = np.linspace(-2, 2, 9) ** 2
    vectors = np.stack(np.meshgrid(along, along, along), axis=-1)
    vtk_to_numpy(grid.GetPointData().GetScalars())[...] = vectors.reshape(-1, 3)
    if kind == "Grid":
        transform = slicer.vtkOrientedGridTransform()
        transform.SetDisplacementGridData(grid)
    else:
        transform = slicer.vtkOrientedBSplineTransform()
        transform.SetCoefficientData(grid)
    return transform


class TestInFiles:
    @pytest.mark.parametrize("axes", [SHEARED, np.diag([-1.0, 1.0, 2.0])], ids=["sheared", "left-handed"])
    @pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
    def test_sheared_and_left_handed_axes_survive_in_every_format(self, tmp_path, axes, suffix):
        scan = tmp_path / "scan.nii"
        nib.save(nib.Nifti1Image(np.ascontiguousarray(head().T), affine(axes)), scan)
        clean = denoised(scan, tmp_path / f"clean{suffix}")
        np.testing.assert_allclose(clean.affine, affine(axes), atol=1e-6)

    def test_a_nifti_file_of_a_sheared_scan_has_no_qform_that_lacks_the_shear(self, tmp_path):
        scan, files = image(head()), [tmp_path / "clean.nii.gz", tmp_path / "map.nii"]
        columns = SHEARED / np.linalg.norm(SHEARED, axis=0)
        scan.SetDirection(columns.ravel().tolist())
        sitk.WriteImage(scan, str(tmp_path / "scan.nrrd"))
        denoised(tmp_path / "scan.nrrd", files[0], "--conduction", files[1])
        for file in files:
            assert nib.load(file).get_qform(coded=True)[1] == 0
            np.testing.assert_allclose(read_scan(file).affine, read_scan(tmp_path / "scan.nrrd").affine, atol=1e-5)

    def test_a_nifti_file_of_an_oblique_scan_has_both_transforms(self, tmp_path):
        denoised(write(tmp_path / "scan.nrrd"), tmp_path / "clean.nii.gz")
        header = nib.load(tmp_path / "clean.nii.gz").header
        assert (header["qform_code"], header["sform_code"]) == (1, 1)

    @pytest.mark.parametrize("kind", FLAT)
    def test_a_nifti_file_without_extent_is_refused(self, tmp_path, kind):
        scan = tmp_path / "scan.nii"
        image = nib.Nifti1Image(np.ascontiguousarray(head().T), affine(SHEARED))
        image.header.set_sform(affine(FLAT[kind]), code=1)
        # Through the header: nibabel would look into the matrix before it wrote it.
        nib.Nifti1Image(image.dataobj, None, image.header).to_filename(scan)
        assert "no usable geometry" in refused(scan, tmp_path / "clean.nii")

    @pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
    def test_a_spacing_of_zero_in_other_formats_is_refused(self, tmp_path, suffix):
        header = {
            ".nrrd": "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 3 4\nspacings: 0 1 1\nencoding: raw\nendian: little"
            "\n\n",
            ".mha": "NDims = 3\nDimSize = 2 3 4\nElementSpacing = 0 1 1\nElementType = MET_SHORT\n"
            "ElementDataFile = LOCAL\n",
        }[suffix]
        scan = tmp_path / f"scan{suffix}"
        scan.write_bytes(header.encode() + bytes(48))
        assert "cannot be read" in refused(scan, tmp_path / "clean.nii")
