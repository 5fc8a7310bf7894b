"""Classical filters and the comparison with a reference, on real MRML."""

from __future__ import annotations

import math

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place, put_into_study

from NeuralDiffusionLib import DenoiseCancelled, InvalidVolumeError
from NeuralDiffusionLib.classical_filters import estimate_sigma, gradient_anisotropic_diffusion, non_local_means
from NeuralDiffusionLib.mrml_comparison import (
    add_gradient_anisotropic_diffusion,
    add_non_local_means,
    compare_with_reference,
)
from NeuralDiffusionLib.similarity import psnr, ssim

FILTERS = {
    "gradient anisotropic diffusion": add_gradient_anisotropic_diffusion,
    "non-local means slice by slice": add_non_local_means,
}


def rows_of(table):
    contents = table.GetTable()
    names = [contents.GetColumnName(index) for index in range(contents.GetNumberOfColumns())]
    rows = [
        tuple(contents.GetValue(row, column).ToString() for column in range(len(names)))
        for row in range(contents.GetNumberOfRows())
    ]
    return names, rows


class TestFilters:
    @pytest.mark.parametrize("method", FILTERS)
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
    def test_the_result_is_named_after_input_and_method_in_the_inputs_scalar_type(self, add_volume, method, dtype):
        volume = add_volume(name="T1 head", dtype=dtype)
        before = slicer.util.arrayFromVolume(volume).copy()
        result = FILTERS[method](volume)
        assert result.GetName() == f"T1 head, {method}"
        assert result.GetImageData().GetScalarType() == volume.GetImageData().GetScalarType()
        assert slicer.util.arrayFromVolume(result).std() < before.std()
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), before)

    @pytest.mark.parametrize("method", FILTERS)
    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_it_lies_voxel_on_voxel_over_the_input_and_moves_with_it(self, scene, add_volume, method, geometry):
        volume = add_volume()
        hierarchy, study = put_into_study(scene, volume)
        transform = place(volume, geometry)
        result = FILTERS[method](volume)
        np.testing.assert_array_equal(ijk_to_ras(result), ijk_to_ras(volume))
        assert result.GetParentTransformNode() is transform
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result)) == study

    @pytest.mark.parametrize("method", FILTERS)
    def test_it_compares_under_the_window_of_the_input(self, add_volume, method):
        volume = add_volume()
        volume.GetDisplayNode().AutoWindowLevelOff()
        volume.GetDisplayNode().SetWindowLevel(90, 55)
        display = FILTERS[method](volume).GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (90, 55, 0)

    def test_the_diffusion_takes_the_spacing_of_the_volume_and_the_parameters(self, add_volume):
        volume = add_volume(dtype=np.float32)
        place(volume, "oblique")
        voxels = slicer.util.arrayFromVolume(volume)
        for parameters in ((1.0, 5, 0.0625), (3.0, 2, 0.03)):
            result = add_gradient_anisotropic_diffusion(volume, *parameters)
            np.testing.assert_array_equal(
                slicer.util.arrayFromVolume(result),
                gradient_anisotropic_diffusion(voxels, (0.7, 0.9, 3.5), *parameters),
            )
        assert result.GetDescription() == "Conductance 3, 2 iterations, time step 0.03."

    def test_non_local_means_says_which_noise_level_it_took(self, add_volume):
        volume = add_volume(dtype=np.float32)
        voxels = slicer.util.arrayFromVolume(volume)
        for sigma in (None, 7.0):
            result = add_non_local_means(volume, sigma)
            np.testing.assert_array_equal(slicer.util.arrayFromVolume(result), non_local_means(voxels, sigma))
            level = estimate_sigma(voxels) if sigma is None else sigma
            assert result.GetDescription() == f"Patches of 5 x 5 pixels in 13 x 13, noise level {level:.3g}."

    def test_a_second_run_does_not_take_the_name_of_the_first(self, add_volume):
        volume = add_volume()
        assert len({add_gradient_anisotropic_diffusion(volume).GetName() for _ in range(3)}) == 3

    @pytest.mark.parametrize(
        "attempt",
        [
            lambda volume: add_gradient_anisotropic_diffusion(volume, conductance=11),
            lambda volume: add_non_local_means(volume, -1),
            lambda volume: add_non_local_means(volume, cancelled=lambda: True),
        ],
    )
    def test_a_run_that_fails_leaves_the_scene_as_it_was(self, add_volume, state, attempt):
        volume = add_volume()
        before = state()
        with pytest.raises((ValueError, DenoiseCancelled)):
            attempt(volume)
        assert state() == before

    @pytest.mark.parametrize("method", FILTERS)
    def test_what_cannot_be_filtered_is_named(self, scene, method):
        with pytest.raises(InvalidVolumeError, match="'Empty' has no image data"):
            FILTERS[method](scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))


class TestComparison:
    @pytest.fixture
    def reference(self, add_volume):
        rows, columns = np.mgrid[:20, :24]
        clean = np.where((rows - 10) ** 2 + (columns - 12) ** 2 < 49, 100, 20) * np.ones((3, 1, 1))
        return add_volume(clean.astype(np.int16), name="Truth")

    def test_there_is_one_row_for_each_volume_with_psnr_and_ssim(self, reference, add_volume):
        volumes = [add_volume(), add_gradient_anisotropic_diffusion(add_volume(name="Other"))]
        table = compare_with_reference(reference, volumes)
        assert table.GetName() == "Comparison with Truth"
        names, rows = rows_of(table)
        assert names == ["Volume", "PSNR (dB)", "SSIM"]
        assert [row[0] for row in rows] == ["Scan", "Other, gradient anisotropic diffusion"]
        wanted = slicer.util.arrayFromVolume(reference)
        for volume, (_, decibel, similarity) in zip(volumes, rows, strict=True):
            voxels = slicer.util.arrayFromVolume(volume)
            assert float(decibel) == pytest.approx(psnr(wanted, voxels), rel=1e-4)
            assert float(similarity) == pytest.approx(ssim(wanted, voxels), rel=1e-4)

    def test_the_figures_are_numbers_that_slicers_plots_can_use(self, reference, add_volume):
        contents = compare_with_reference(reference, [add_volume()]).GetTable()
        assert [contents.GetColumn(index).GetClassName() for index in range(3)] == [
            "vtkStringArray",
            "vtkDoubleArray",
            "vtkDoubleArray",
        ]

    def test_the_reference_itself_is_infinitely_close(self, reference):
        contents = compare_with_reference(reference, [reference]).GetTable()
        assert contents.GetColumn(1).GetValue(0) == math.inf
        assert contents.GetColumn(2).GetValue(0) == pytest.approx(1)

    def test_only_the_voxels_of_a_mask_count(self, reference, add_volume):
        volume = add_volume()
        wanted, voxels = slicer.util.arrayFromVolume(reference), slicer.util.arrayFromVolume(volume)
        mask = wanted > 50
        voxels[~mask] = 0
        contents = compare_with_reference(reference, [volume], mask).GetTable()
        assert contents.GetColumn(1).GetValue(0) == psnr(wanted, voxels, mask)
        assert contents.GetColumn(2).GetValue(0) == ssim(wanted, voxels, mask)
        assert contents.GetColumn(1).GetValue(0) > psnr(wanted, voxels) + 3

    def test_volumes_under_the_same_transform_compare(self, reference, add_volume):
        volume = add_volume()
        for node in (reference, volume):
            place(node, "oblique and left-handed")
        volume.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
        assert compare_with_reference(reference, [volume]).GetNumberOfRows() == 1

    def moved(self, volume):
        volume.SetOrigin(1, 0, 0)

    def transformed(self, volume):
        transform = volume.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
        volume.SetAndObserveTransformNodeID(transform.GetID())

    def smaller(self, volume):
        slicer.util.updateVolumeFromArray(volume, np.zeros((3, 20, 23), np.int16))

    def emptied(self, volume):
        volume.SetAndObserveImageData(None)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (moved, "'Scan' does not lie voxel on voxel over 'Truth': resample it"),
            (smaller, "'Scan' does not lie voxel on voxel over 'Truth': resample it"),
            (transformed, "'Scan' and 'Truth' are under different transforms: put both"),
            (emptied, "'Scan' has no image data"),
        ],
    )
    def test_a_volume_that_does_not_fit_is_named_and_no_table_is_made(
        self, reference, add_volume, state, change, complaint
    ):
        fits, volume = add_volume(name="Fits"), add_volume()
        change(self, volume)
        before = state()
        with pytest.raises(InvalidVolumeError, match=complaint) as refusal:
            compare_with_reference(reference, [fits, volume])
        assert str(refusal.value).count(".") == 1
        assert state() == before

    def test_a_reference_that_says_nothing_is_refused(self, add_volume):
        with pytest.raises(InvalidVolumeError, match="'Flat' has the same value everywhere"):
            compare_with_reference(add_volume(np.ones((3, 20, 24), np.int16), name="Flat"), [add_volume()])
        tiny = add_volume(np.arange(300, dtype=np.int16).reshape(3, 10, 10), name="Tiny")
        with pytest.raises(InvalidVolumeError, match="'Tiny' has slices of 10 x 10 pixels: the SSIM needs 11 x 11"):
            compare_with_reference(tiny, [tiny])

    @pytest.mark.parametrize(
        ("mask", "complaint"),
        [(np.ones((3, 20, 23), bool), "does not have the size of 'Truth'"), (np.zeros((3, 20, 24), bool), "is empty")],
    )
    def test_a_mask_that_does_not_fit_is_refused(self, reference, add_volume, mask, complaint):
        with pytest.raises(InvalidVolumeError, match=complaint):
            compare_with_reference(reference, [add_volume()], mask)

    def test_nothing_to_compare_is_refused(self, reference):
        with pytest.raises(InvalidVolumeError, match="No volume was given to compare"):
            compare_with_reference(reference, [])
