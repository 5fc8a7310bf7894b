"""Classical filters and the comparison with a reference, on real MRML."""

from __future__ import annotations

import math

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place, put_into_study
from mrml_segments import add_mask

from NeuralDiffusionLib import DenoiseCancelled, InvalidVolumeError
from NeuralDiffusionLib.classical_filters import estimate_sigma, gradient_anisotropic_diffusion, non_local_means
from NeuralDiffusionLib.mrml.comparison.comparison import Comparison, compare
from NeuralDiffusionLib.mrml.comparison.filtered import Filter, find_filtered
from NeuralDiffusionLib.mrml.nodes.provenance import PREFIX
from NeuralDiffusionLib.similarity import psnr, ssim

NAMES = {
    Filter.DIFFUSION: "Scan, gradient anisotropic diffusion",
    Filter.NON_LOCAL_MEANS: "Scan, non-local means slice by slice",
}


def voxels_of(volume):
    return slicer.util.arrayFromVolume(volume)


def names(scene, kind="vtkMRMLScalarVolumeNode"):
    return [scene.GetNthNodeByClass(n, kind).GetName() for n in range(scene.GetNumberOfNodesByClass(kind))]


@pytest.fixture
def reference(add_volume):
    rows, columns = np.mgrid[:20, :24]
    clean = np.where((rows - 10) ** 2 + (columns - 12) ** 2 < 49, 100, 20) * np.ones((3, 1, 1))
    return add_volume(clean.astype(np.int16), name="Truth")


class TestFilters:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
    def test_the_results_are_named_after_input_and_filter_in_the_inputs_scalar_type(self, add_volume, dtype):
        volume = add_volume(dtype=dtype)
        before = voxels_of(volume).copy()
        stored = compare(volume)
        assert {each: result.GetName() for each, result in stored.filtered.items()} == NAMES
        assert (stored.table, stored.rows) == (None, [])
        for result in stored.filtered.values():
            assert result.GetImageData().GetScalarType() == volume.GetImageData().GetScalarType()
            assert voxels_of(result).std() < before.std()
        np.testing.assert_array_equal(voxels_of(volume), before)

    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_they_lie_voxel_on_voxel_over_the_input_and_move_with_it(self, scene, add_volume, geometry):
        volume = add_volume()
        hierarchy, study = put_into_study(scene, volume)
        transform = place(volume, geometry)
        for result in compare(volume).filtered.values():
            np.testing.assert_array_equal(ijk_to_ras(result), ijk_to_ras(volume))
            assert result.GetParentTransformNode() is transform
            assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result)) == study

    def test_they_compare_under_the_window_of_the_input(self, add_volume):
        volume = add_volume()
        volume.GetDisplayNode().AutoWindowLevelOff()
        volume.GetDisplayNode().SetWindowLevel(90, 55)
        for result in compare(volume).filtered.values():
            display = result.GetDisplayNode()
            assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (90, 55, 0)

    def test_the_diffusion_is_slicers_at_the_spacing_of_the_volume(self, add_volume):
        volume = add_volume(dtype=np.float32)
        place(volume, "oblique")
        result = compare(volume).filtered[Filter.DIFFUSION]
        expected = gradient_anisotropic_diffusion(voxels_of(volume), (0.7, 0.9, 3.5), 1.0, 5, 0.0625)
        np.testing.assert_array_equal(voxels_of(result), expected)
        assert result.GetDescription() == "Conductance 1, 5 iterations, time step 0.0625."

    def test_a_time_step_that_is_not_stable_is_lowered_and_that_is_said(self, add_volume):
        volume = add_volume(dtype=np.float32)
        volume.SetSpacing(0.1, 0.1, 0.5)
        comparison = Comparison(volume)
        result = comparison.store(comparison.work()).filtered[Filter.DIFFUSION]
        expected = gradient_anisotropic_diffusion(voxels_of(volume), (0.1, 0.1, 0.5), time_step=0.022)
        np.testing.assert_array_equal(voxels_of(result), expected)
        assert result.GetDescription().endswith("time step 0.022.")
        assert comparison.notes == [
            "The diffusion took time steps of 0.022 instead of Slicer's 0.0625, which is not stable for voxels of "
            "0.1 x 0.1 x 0.5 mm."
        ]
        volume.SetSpacing(1, 1, 1)
        assert Comparison(volume).notes == []

    @pytest.mark.parametrize("sigma", [None, 7.0])
    def test_non_local_means_says_which_noise_level_it_took(self, add_volume, sigma):
        volume = add_volume(dtype=np.float32)
        result = compare(volume, sigma=sigma).filtered[Filter.NON_LOCAL_MEANS]
        np.testing.assert_array_equal(voxels_of(result), non_local_means(voxels_of(volume), sigma))
        level = estimate_sigma(voxels_of(volume)) if sigma is None else sigma
        assert result.GetDescription() == f"Patches of 5 x 5 pixels in 13 x 13, noise level {level:.3g}."

    @pytest.mark.parametrize("axis", [1, 2])
    @pytest.mark.parametrize("how", ["thick slices", "a lone slice", "chosen"])
    def test_non_local_means_and_ssim_take_the_slices_of_the_run(self, add_volume, reference, axis, how):
        clean = voxels_of(reference)[: 1 if how == "a lone slice" else 3]
        clean = clean.astype(np.float32)
        noisy = (clean + np.random.default_rng(0).normal(0, 9, clean.shape)).astype(np.float32)
        spacing = np.array([4.0, 1.0, 1.0]) if how == "thick slices" else np.ones(3)
        figures = []
        for place_of_slices in (0, axis):
            volumes = []
            for voxels, name in ((noisy, "Scan"), (clean, "Truth")):
                volumes.append(
                    slicer.util.addVolumeFromArray(np.moveaxis(voxels, 0, place_of_slices).copy(), name=name)
                )
                volumes[-1].SetSpacing(*np.insert(spacing[1:], place_of_slices, spacing[0])[::-1])
            stored = compare(
                *volumes[:1], reference=volumes[1], slice_axis=place_of_slices if how == "chosen" else None
            )
            means = voxels_of(stored.filtered[Filter.NON_LOCAL_MEANS])
            np.testing.assert_array_equal(np.moveaxis(means, place_of_slices, 0), non_local_means(noisy))
            figures.append([(row.psnr, row.ssim) for row in stored.rows if "diffusion" not in row.volume])
        np.testing.assert_allclose(figures[1], figures[0], rtol=1e-6)

    def test_nothing_is_written_before_the_end_and_progress_counts_all_slices(self, add_volume, reference, state):
        comparison = Comparison(add_volume(), reference=reference)
        before, told = state(), []
        compared = comparison.work(lambda done, total: told.append((done, total)))
        assert state() == before
        # Three slices through two filters, and once for the figures.
        assert {total for _done, total in told} == {9}
        assert [done for done, _total in told] == sorted(done for done, _total in told)
        assert told[-1] == (9, 9)
        comparison.store(compared)
        assert state() != before

    @pytest.mark.parametrize("asked", [0, 3, 6, 9])
    def test_a_cancelled_run_leaves_the_scene_as_it_was(self, add_volume, reference, state, asked):
        comparison = Comparison(add_volume(), reference=reference)
        before, answers = state(), iter([False] * asked + [True])
        with pytest.raises(DenoiseCancelled):
            comparison.work(cancelled=lambda: next(answers))
        assert state() == before

    def test_an_input_that_is_deleted_meanwhile_is_named(self, scene, add_volume, reference):
        for gone in (add_volume(), reference):
            comparison = Comparison(add_volume(name="Other") if gone is reference else gone, reference=reference)
            compared = comparison.work()
            scene.RemoveNode(gone)
            count = scene.GetNumberOfNodes()
            with pytest.raises(InvalidVolumeError, match=f"'{gone.GetName()}' left the scene while it was compared"):
                comparison.store(compared)
            assert scene.GetNumberOfNodes() == count

    @pytest.mark.parametrize("twice", [False, True], ids=["filters that ran", "filters that were up to date"])
    def test_an_input_that_is_changed_meanwhile_gives_nothing_another_place(self, scene, add_volume, twice):
        volume = add_volume()
        if twice:
            compare(volume)
        comparison, count = Comparison(volume), scene.GetNumberOfNodes()
        compared = comparison.work()
        volume.SetSpacing(2, 2, 2)
        with pytest.raises(InvalidVolumeError, match="'Scan' was given another place, size or scalar type meanwhile"):
            comparison.store(compared)
        assert scene.GetNumberOfNodes() == count

    def test_a_filters_volume_that_is_deleted_meanwhile_is_named(self, scene, add_volume, reference):
        volume = add_volume()
        gone = next(iter(compare(volume).filtered.values()))
        comparisons = [Comparison(volume), Comparison(volume, reference=reference)]
        compared = [comparison.work() for comparison in comparisons]
        scene.RemoveNode(gone)
        for comparison, result in zip(comparisons, compared, strict=True):
            assert comparison.filters_are_up_to_date
            with pytest.raises(InvalidVolumeError, match=f"'{gone.GetName()}' left the scene while it was compared"):
                comparison.store(result)

    def test_what_cannot_be_filtered_is_named(self, scene):
        with pytest.raises(InvalidVolumeError, match="'Empty' has no image data"):
            Comparison(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))


class TestASecondTime:
    def test_the_same_nodes_are_used_and_the_filters_do_not_run_again(self, scene, add_volume, state):
        volume = add_volume()
        first = compare(volume)
        before, again = state(), Comparison(volume)
        assert again.filters_are_up_to_date
        assert again.work().images == {}
        assert again.store(again.work()).filtered == first.filtered
        assert state() == before

    def new_voxels(self, volume, filtered):
        voxels_of(volume)[1] += 3

    def new_spacing(self, volume, filtered):
        volume.SetSpacing(1, 2, 2)

    def new_place(self, volume, filtered):
        place(volume, "oblique")

    def edited_result(self, volume, filtered):
        voxels_of(filtered[Filter.DIFFUSION])[0] = 0

    def lost_image(self, volume, filtered):
        filtered[Filter.NON_LOCAL_MEANS].SetAndObserveImageData(None)

    def lost_volume(self, volume, filtered):
        volume.GetScene().RemoveNode(filtered[Filter.NON_LOCAL_MEANS])

    @pytest.mark.parametrize("change", [new_voxels, new_spacing, new_place, edited_result, lost_image, lost_volume])
    def test_they_run_again_into_the_same_nodes_when_something_changed(self, scene, add_volume, change):
        volume = add_volume()
        first = compare(volume).filtered
        change(self, volume, first)
        assert not Comparison(volume).filters_are_up_to_date
        second = compare(volume).filtered
        assert second[Filter.DIFFUSION] is first[Filter.DIFFUSION]
        assert names(scene) == ["Scan", *NAMES.values()]
        expected = gradient_anisotropic_diffusion(voxels_of(volume), volume.GetSpacing())
        np.testing.assert_array_equal(voxels_of(second[Filter.DIFFUSION]), np.rint(expected))
        np.testing.assert_array_equal(ijk_to_ras(second[Filter.NON_LOCAL_MEANS]), ijk_to_ras(volume))
        assert Comparison(volume).filters_are_up_to_date

    def test_another_noise_level_is_another_filter(self, add_volume):
        volume = add_volume()
        compare(volume)
        assert not Comparison(volume, sigma=2.0).filters_are_up_to_date

    def test_a_renamed_volume_is_found_and_keeps_its_name(self, scene, add_volume):
        volume = add_volume()
        compare(volume).filtered[Filter.DIFFUSION].SetName("Mine")
        voxels_of(volume)[1] += 3
        assert compare(volume).filtered[Filter.DIFFUSION].GetName() == "Mine"

    def test_a_volume_that_a_run_has_written_to_is_left_alone(self, add_volume):
        volume = add_volume()
        taken = compare(volume).filtered[Filter.DIFFUSION]
        taken.SetAttribute(f"{PREFIX}WeightsSHA256", "0123")
        before = taken.GetImageData().GetMTime()
        filtered = compare(volume).filtered
        assert taken not in filtered.values()
        assert taken.GetImageData().GetMTime() == before

    def test_each_input_has_volumes_of_its_own(self, add_volume):
        first, second = compare(add_volume()).filtered, compare(add_volume(name="Other")).filtered
        assert not set(first.values()) & set(second.values())

    def test_they_are_found_in_a_scene_that_was_saved_and_loaded(self, scene, add_volume, reference, tmp_path):
        volume = add_volume(dtype=np.float32)
        compare(volume, reference=reference)
        for each in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
            each.AddDefaultStorageNode()
            each.GetStorageNode().SetFileName(str(tmp_path / f"{each.GetName()}.nrrd"))
            assert each.GetStorageNode().WriteData(each)
        scene.SetURL(str(tmp_path / "scene.mrml"))
        scene.Commit()
        scene.Clear(0)
        scene.Import()
        loaded, truth = scene.GetFirstNodeByName("Scan"), scene.GetFirstNodeByName("Truth")
        assert {each: result.GetName() for each, result in find_filtered(loaded).items()} == NAMES
        assert Comparison(loaded).filters_are_up_to_date
        compare(loaded, reference=truth)
        assert names(scene, "vtkMRMLTableNode") == ["Scan compared with Truth"]


class TestReference:
    def test_there_is_one_row_for_each_volume_with_psnr_and_ssim(self, reference, add_volume):
        volume, denoised = add_volume(), add_volume(name="Scan denoised")
        voxels_of(denoised)[...] = (voxels_of(denoised) + voxels_of(reference)) // 2
        stored = compare(volume, denoised, reference)
        assert stored.table.GetName() == "Scan compared with Truth"
        assert stored.table.GetUseColumnTitleAsColumnHeader()
        contents = stored.table.GetTable()
        assert [contents.GetColumnName(index) for index in range(3)] == ["Volume", "PSNR (dB)", "SSIM"]
        assert [row.volume for row in stored.rows] == ["Scan", "Scan denoised", *NAMES.values()]
        compared = [volume, denoised, *stored.filtered.values()]
        for index, (row, each) in enumerate(zip(stored.rows, compared, strict=True)):
            assert row.psnr == psnr(voxels_of(reference), voxels_of(each))
            assert row.ssim == ssim(voxels_of(reference), voxels_of(each))
            assert tuple(contents.GetColumn(column).GetValue(index) for column in range(3)) == row

    def test_without_a_denoised_volume_its_row_is_left_out(self, reference, add_volume):
        assert [row.volume for row in compare(add_volume(), reference=reference).rows] == ["Scan", *NAMES.values()]

    def test_the_figures_are_numbers_that_slicers_plots_can_use(self, reference, add_volume):
        contents = compare(add_volume(), reference=reference).table.GetTable()
        kinds = [contents.GetColumn(index).GetClassName() for index in range(3)]
        assert kinds == ["vtkStringArray", "vtkDoubleArray", "vtkDoubleArray"]

    def test_the_reference_itself_is_infinitely_close(self, reference):
        row = compare(reference, reference=reference).rows[0]
        assert (row.psnr, row.ssim) == (math.inf, pytest.approx(1))

    def test_a_second_click_fills_the_same_table_and_another_reference_gets_its_own(self, scene, reference, add_volume):
        volume, other = add_volume(), add_volume(name="Other truth")
        first = compare(volume, reference=reference).table
        table = compare(volume, add_volume(name="Scan denoised"), reference).table
        assert table is first
        assert table.GetNumberOfRows() == 4
        again = Comparison(volume, reference=other)
        assert again.filters_are_up_to_date
        again.store(again.work())
        assert names(scene, "vtkMRMLTableNode") == ["Scan compared with Truth", "Scan compared with Other truth"]

    def test_only_the_voxels_of_a_mask_count(self, scene, reference, add_volume):
        volume = add_volume()
        inside = voxels_of(reference) > 50
        voxels_of(volume)[~inside] = 0
        stored = compare(volume, reference=reference, mask=add_mask(scene, inside))
        for row, each in zip(stored.rows, [volume, *stored.filtered.values()], strict=True):
            assert row.psnr == psnr(voxels_of(reference), voxels_of(each), inside)
            assert row.ssim == ssim(voxels_of(reference), voxels_of(each), inside)
        assert stored.rows[0].psnr > psnr(voxels_of(reference), voxels_of(volume)) + 3

    def test_volumes_under_the_same_transform_compare(self, reference, add_volume):
        volume = add_volume()
        for node in (reference, volume):
            place(node, "oblique and left-handed")
        volume.SetAndObserveTransformNodeID(reference.GetTransformNodeID())
        assert len(compare(volume, reference=reference).rows) == 3

    def moved(self, volume):
        volume.SetOrigin(1, 0, 0)

    def transformed(self, volume):
        transform = volume.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
        volume.SetAndObserveTransformNodeID(transform.GetID())

    def smaller(self, volume):
        slicer.util.updateVolumeFromArray(volume, np.arange(3 * 20 * 23, dtype=np.int16).reshape(3, 20, 23))

    def emptied(self, volume):
        volume.SetAndObserveImageData(None)

    def flattened(self, volume):
        voxels_of(volume)[...] = 5

    def shrunk(self, volume):
        slicer.util.updateVolumeFromArray(volume, np.arange(300, dtype=np.int16).reshape(3, 10, 10))

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            (moved, "'Truth' does not lie voxel on voxel over 'Scan': resample it"),
            (smaller, "'Truth' does not lie voxel on voxel over 'Scan': resample it"),
            (transformed, "'Scan' and 'Truth' are under different transforms: put both"),
            (emptied, "'Truth' has no image data"),
            (flattened, "'Truth' has the same value everywhere"),
            (shrunk, "'Truth' has slices of 10 x 10 pixels: the SSIM needs 11 x 11"),
        ],
    )
    def test_a_reference_that_does_not_fit_is_refused_before_the_filters_run(
        self, reference, add_volume, state, change, complaint
    ):
        volume = add_volume()
        change(self, reference)
        before = state()
        with pytest.raises(InvalidVolumeError, match=complaint) as refusal:
            Comparison(volume, reference=reference)
        assert str(refusal.value).count(".") == 1
        assert state() == before

    def test_a_denoised_volume_that_lies_elsewhere_is_named(self, reference, add_volume):
        denoised = add_volume(name="Elsewhere")
        denoised.SetOrigin(5, 0, 0)
        with pytest.raises(InvalidVolumeError, match="'Truth' does not lie voxel on voxel over 'Elsewhere'"):
            Comparison(add_volume(), denoised, reference)

    def test_an_empty_mask_is_refused(self, scene, reference, add_volume):
        volume = add_volume()
        mask = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Nothing")
        with pytest.raises(InvalidVolumeError, match="The mask 'Nothing' is empty"):
            Comparison(volume, reference=reference, mask=mask)
