"""One slice previewed: as within the whole volume, in its place, and in a volume that leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place
from mrml_segments import add_mask

from NeuralDiffusionLib import DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.planes import SlicesAlong
from NeuralDiffusionLib.mrml.preview.preview import PreviewReader
from NeuralDiffusionLib.mrml.preview.preview_text import preview_text, why_no_preview
from NeuralDiffusionLib.mrml.preview.preview_volume import PreviewVolume
from NeuralDiffusionLib.mrml.runs.run import VolumeRun
from NeuralDiffusionLib.mrml.views.looks import Looks
from NeuralDiffusionLib.mrml.views.shown_slice import SliceInView

FEW_STEPS = DenoiseSettings(iterations=2)


@pytest.fixture
def view(scene):
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(scene)
    yield logic.AddSliceNode("Red")
    logic.SetMRMLScene(None)


def noise(*shape, low=20, high=60):
    """Voxels that get brighter from slice to slice along every axis, in noise of 15."""
    random = np.random.default_rng(5)
    ramp = sum(np.linspace(low, high, count).reshape(np.roll((count, 1, 1), axis)) for axis, count in enumerate(shape))
    return ramp + random.normal(0, 15, shape)


def denoised(denoiser, volume, settings, mask=None):
    """Return the voxels of a whole run, as they are stored."""
    run = VolumeRun(denoiser, settings, volume, None, mask=mask)
    return slicer.util.arrayFromVolume(run.store(run.work())[1])


def previewed(denoiser, view, volume, settings, index, mask=None):
    """Return the voxels of a preview, as they are stored."""
    axis = settings.slice_axis
    image = PreviewReader().read(volume, settings, axis, index, mask).work(denoiser)
    preview = PreviewVolume(Looks())
    preview.show(view, volume, axis, index, image)
    voxels = slicer.util.arrayFromVolume(preview_node(volume.GetScene())).copy()
    preview.hide()
    return voxels


def preview_node(scene):
    return scene.GetFirstNodeByName("Neural Diffusion preview")


def equal_but_for_the_last_digit(first, second):
    """Batches of another size are computed in another order: at most one voxel in a hundred rounds the other way."""
    difference = np.abs(first.astype(float) - second.astype(float))
    return difference.max() <= 1 and np.mean(difference > 0) < 0.01


class TestAsWithinTheWholeVolume:
    @pytest.mark.parametrize("axis", [0, 1, 2])
    @pytest.mark.parametrize("dtype", [np.int16, np.uint8])
    def test_every_slice_of_every_axis(self, add_volume, view, denoiser, axis, dtype):
        volume = add_volume(np.clip(noise(3, 20, 24), 0, 255).astype(dtype))
        settings = replace(FEW_STEPS, slice_axis=axis)
        whole = denoised(denoiser, volume, settings)
        assert np.abs(whole.astype(float) - slicer.util.arrayFromVolume(volume)).max() > 5
        for index in (0, whole.shape[axis] - 1):
            slice_ = previewed(denoiser, view, volume, settings, index)
            assert slice_.dtype == dtype
            assert equal_but_for_the_last_digit(slice_, np.take(whole, [index], axis))

    @pytest.mark.parametrize("noise_type", ["rician", "gaussian", "speckle", "mixed"])
    def test_every_noise_type_with_a_level_of_its_own_or_a_given_one(self, add_volume, view, denoiser, noise_type):
        volume = add_volume(noise(3, 20, 24).astype(np.float32))
        for sigma in (None, 0.1 if noise_type == "speckle" else 9.0):
            settings = DenoiseSettings(iterations=2, noise=noise_type, sigma=sigma, slice_axis=0)
            slice_ = previewed(denoiser, view, volume, settings, 1)
            assert np.allclose(slice_[0], denoised(denoiser, volume, settings)[1], atol=0.01)

    @pytest.mark.parametrize("index", [0, 2, 4])
    def test_the_step_across_slices_is_taken_with_the_next_ones(self, add_volume, view, denoiser, index):
        volume = add_volume(noise(5, 20, 24, low=50, high=50).astype(np.float32))
        settings = DenoiseSettings(iterations=2, slice_axis=0)
        slice_ = previewed(denoiser, view, volume, settings, index)[0]
        assert np.allclose(slice_, denoised(denoiser, volume, settings)[index], atol=0.01)
        alone = denoised(denoiser, volume, replace(settings, across_slices=False))[index]
        assert slice_.std() < 0.9 * alone.std()
        without = previewed(denoiser, view, volume, replace(settings, across_slices=False), index)[0]
        assert np.allclose(without, alone, atol=0.01)

    def test_negative_values_in_another_slice_count(self, add_volume, view, denoiser):
        voxels = np.abs(noise(3, 20, 24, low=2, high=10))
        voxels[2] -= 100
        volume = add_volume(voxels.astype(np.float32))
        settings = DenoiseSettings(iterations=2, noise="gaussian", slice_axis=0)
        slice_ = previewed(denoiser, view, volume, settings, 0)
        assert np.allclose(slice_[0], denoised(denoiser, volume, settings)[0], atol=0.01)
        alone = denoiser(voxels[:1].astype(np.float32), settings).image
        assert not np.allclose(slice_, alone, atol=0.5)

    def test_inside_a_mask(self, scene, add_volume, view, denoiser):
        volume = add_volume(noise(3, 20, 24).astype(np.int16))
        inside = np.zeros((3, 20, 24), bool)
        inside[1:, 5:15, 6:20] = True
        mask, settings = add_mask(scene, inside), replace(FEW_STEPS, slice_axis=1)
        whole = denoised(denoiser, volume, settings, mask)
        slice_ = previewed(denoiser, view, volume, settings, 7, mask)
        assert equal_but_for_the_last_digit(slice_, whole[:, 7:8])
        outside = ~inside[:, 7:8]
        assert np.array_equal(slice_[outside], slicer.util.arrayFromVolume(volume)[:, 7:8][outside])
        assert (slice_ != slicer.util.arrayFromVolume(volume)[:, 7:8]).any()


class TestReading:
    @pytest.fixture
    def reader(self):
        return PreviewReader()

    @pytest.fixture
    def volume(self, add_volume):
        return add_volume(noise(3, 20, 24).astype(np.int16))

    def test_nothing_of_the_scene_is_changed(self, reader, volume, state, denoiser):
        before = state()
        reader.read(volume, FEW_STEPS, 0, 1).work(denoiser)
        assert state() == before

    def test_the_slice_is_a_copy(self, reader, volume):
        task = reader.read(volume, FEW_STEPS, 2, 4)
        slicer.util.arrayFromVolume(volume)[...] = 0
        assert task.run.slices.min() > 0

    def test_what_is_known_of_the_volume_is_found_again_when_its_voxels_change(self, reader, volume):
        first = reader.read(volume, FEW_STEPS, 0, 1)
        slicer.util.arrayFromVolume(volume)[2] *= 10
        assert reader.read(volume, FEW_STEPS, 0, 0).run.high == first.run.high
        slicer.util.arrayFromVolumeModified(volume)
        assert reader.read(volume, FEW_STEPS, 0, 0).run.high > 5 * first.run.high

    @pytest.mark.parametrize("cut_off", [True, False])
    def test_whether_negative_values_were_cut_off_is_that_of_the_volume(self, reader, add_volume, cut_off):
        voxels = np.abs(noise(3, 20, 24))
        voxels[2] -= 0 if cut_off else 100
        assert reader.read(add_volume(voxels.astype(np.float32)), FEW_STEPS, 0, 0).run.clipped is cut_off

    def test_a_given_intensity_range_counts(self, reader, volume):
        reader.read(volume, FEW_STEPS, 0, 1)
        run = reader.read(volume, replace(FEW_STEPS, intensity_range=(30, 90)), 0, 1).run
        assert (run.low, run.high, run.clipped) == (30, 90, True)

    def test_two_volumes_do_not_share_what_is_known(self, reader, volume, add_volume):
        other = add_volume(10 * noise(3, 20, 24).astype(np.int16), name="Other")
        assert reader.read(other, FEW_STEPS, 0, 1).run.high > 5 * reader.read(volume, FEW_STEPS, 0, 1).run.high

    def test_a_slice_is_at_the_same_place_with_other_settings(self, reader, volume):
        first, again = (reader.read(volume, FEW_STEPS, 0, 1) for _ in range(2))
        other = reader.read(volume, replace(FEW_STEPS, refine=False), 0, 1)
        assert first.place == again.place == other.place
        assert first.about == again.about != other.about

    def test_another_slice_is_not(self, reader, volume, scene):
        tasks = [reader.read(volume, FEW_STEPS, 0, index) for index in (0, 1)]
        tasks.append(reader.read(volume, FEW_STEPS, 1, 1))
        volume.SetSpacing(1, 1, 3)
        tasks.append(reader.read(volume, FEW_STEPS, 1, 1))
        volume.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLLinearTransformNode").GetID())
        tasks.append(reader.read(volume, FEW_STEPS, 1, 1))
        slicer.util.arrayFromVolumeModified(volume)
        tasks.append(reader.read(volume, FEW_STEPS, 1, 1))
        assert len({task.place for task in tasks}) == len(tasks)

    def test_a_mask_is_found_again_when_it_was_drawn_in_or_moved(self, reader, volume, scene):
        inside = np.zeros((3, 20, 24), bool)
        inside[1, 5:9, 6:20] = True
        mask = add_mask(scene, inside)
        first = reader.read(volume, FEW_STEPS, 0, 1, mask)
        assert np.array_equal(first.mask[0], inside[1])
        assert reader.read(volume, FEW_STEPS, 0, 1, mask).about == first.about
        kind = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
        label_map = mask.GetSegmentation().GetNthSegment(0).GetRepresentation(kind)
        scalars = label_map.GetPointData().GetScalars()
        for point in range(scalars.GetNumberOfTuples()):
            scalars.SetTuple1(point, 1)
        scalars.Modified()
        drawn = reader.read(volume, FEW_STEPS, 0, 1, mask)
        assert drawn.mask.sum() > first.mask.sum()
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        mask.SetAndObserveTransformNodeID(transform.GetID())
        transform.SetMatrixTransformToParent(
            slicer.util.vtkMatrixFromArray(np.array([[1, 0, 0, 4], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
        )
        moved = reader.read(volume, FEW_STEPS, 0, 1, mask)
        assert np.array_equal(moved.mask[0, :, 4:], drawn.mask[0, :, :-4])
        assert len({first.about, drawn.about, moved.about}) == 3
        assert reader.read(volume, FEW_STEPS, 0, 1).mask is None

    @pytest.mark.parametrize("index", [-1, 3])
    def test_a_slice_that_is_not_there_is_refused(self, reader, volume, index):
        with pytest.raises(ValueError, match="choose one from 0 to 2"):
            reader.read(volume, FEW_STEPS, 0, index)

    def test_a_volume_that_cannot_be_denoised_is_named(self, reader, add_volume, scene):
        voxels = noise(3, 20, 24).astype(np.float32)
        voxels[2, 0, 0] = np.nan
        with pytest.raises(InvalidVolumeError, match="'Scan' is NaN or infinite in 1 of its voxels"):
            reader.read(add_volume(voxels), FEW_STEPS, 0, 0)
        with pytest.raises(InvalidVolumeError, match="'Empty' has no image data"):
            reader.read(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"), FEW_STEPS, 0, 0)


class TestTemporaryVolume:
    @pytest.fixture
    def volume(self, add_volume):
        return add_volume(noise(3, 20, 24).astype(np.int16))

    @pytest.fixture
    def preview(self):
        return PreviewVolume(Looks())

    def layers(self, view):
        composite = slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(view)
        return composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()

    @pytest.mark.parametrize("axis", [0, 1, 2])
    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_it_lies_on_its_slice_wherever_the_volume_lies(self, volume, view, preview, geometry, axis):
        transform = place(volume, geometry)
        size = np.array([24, 20, 3])
        size[2 - axis] = 1
        preview.show(view, volume, axis, 2, np.ones(size[::-1]))
        node = preview_node(volume.GetScene())
        assert node.GetImageData().GetDimensions() == tuple(size)
        assert node.GetParentTransformNode() is transform
        voxel = np.array([5.0, 7.0, 1.0, 1.0])
        voxel[2 - axis] = 2
        first = np.where(np.arange(4) == 2 - axis, 0, voxel)
        assert ijk_to_ras(node) @ first == pytest.approx(ijk_to_ras(volume) @ voxel)

    def test_it_is_shown_over_its_volume_and_the_view_gets_its_layers_back(self, volume, view, preview, add_volume):
        own = add_volume(name="Own")
        slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(view).SetBackgroundVolumeID(own.GetID())
        were = self.layers(view)
        for _ in range(2):
            preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
            assert self.layers(view) == (volume.GetID(), preview_node(volume.GetScene()).GetID(), 1.0)
        preview.hide()
        assert self.layers(view) == were

    def test_the_scene_is_then_as_it_was(self, scene, volume, view, preview):
        before = [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())]
        for index in range(3):
            preview.show(view, volume, 0, index, np.ones((1, 20, 24)))
            # The volume, its display, and the notes of what lies under it.
            assert scene.GetNumberOfNodes() == len(before) + 3
        preview.hide()
        assert [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())] == before
        preview.hide()

    def test_its_volume_and_all_other_nodes_are_not_touched(self, volume, view, preview, state):
        before = state()
        preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
        preview.hide()
        changed = [node for node, time in state()["nodes"].items() if time != before["nodes"][node]]
        # The nodes of the view itself: layers, and what the view makes of these.
        assert [node for node in changed if not node.startswith("vtkMRMLSlice")] == []
        assert state()["images"] == before["images"]

    def test_no_list_and_no_file_has_it(self, scene, volume, view, preview, tmp_path):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
        node = preview_node(scene)
        for each in (node, node.GetDisplayNode()):
            assert each.GetHideFromEditors()
            assert not each.GetSaveWithScene()
            assert not each.GetUndoEnabled()
        assert not hierarchy.GetItemByDataNode(node)
        scene.Commit(str(tmp_path / "scene.mrml"))
        text = (tmp_path / "scene.mrml").read_text()
        assert "Neural Diffusion preview" not in text
        assert text.count("<VolumeDisplay") == 1

    def test_window_and_level_are_those_of_the_volume(self, volume, view, preview):
        volume.GetDisplayNode().AutoWindowLevelOff()
        for window, level in ((90, 55), (40, 33)):
            volume.GetDisplayNode().SetWindowLevel(window, level)
            preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
            display = preview_node(volume.GetScene()).GetDisplayNode()
            assert (display.GetWindow(), display.GetLevel()) == (window, level)
            assert not display.GetAutoWindowLevel()

    def test_they_can_be_followed_without_another_slice(self, volume, view, preview):
        preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
        volume.GetDisplayNode().AutoWindowLevelOff()
        volume.GetDisplayNode().SetWindowLevel(90, 55)
        preview.take_over_display(volume)
        assert preview_node(volume.GetScene()).GetDisplayNode().GetWindow() == 90

    def test_what_the_user_sets_in_the_preview_lasts_until_the_volume_is_shown_otherwise(self, volume, view, preview):
        preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
        display = preview_node(volume.GetScene()).GetDisplayNode()
        display.SetWindowLevel(12, 34)
        preview.show(view, volume, 0, 1, np.zeros((1, 20, 24)))
        assert (display.GetWindow(), display.GetLevel()) == (12, 34)

    def test_what_the_user_sets_in_the_preview_becomes_that_of_the_volume(self, volume, view, preview, add_volume):
        other = add_volume(name="Other")
        preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
        preview_node(volume.GetScene()).GetDisplayNode().SetWindowLevel(12, 34)
        preview.show(view, other, 0, 1, np.ones((1, 20, 24)))
        preview_node(volume.GetScene()).GetDisplayNode().SetWindowLevel(56, 78)
        preview.hide()
        for each, expected in ((volume, (12, 34)), (other, (56, 78))):
            display = each.GetDisplayNode()
            assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (*expected, 0)

    def test_a_volume_without_display_is_shown_too(self, scene, view, preview):
        bare = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Bare")
        slicer.util.updateVolumeFromArray(bare, np.ones((3, 20, 24), np.int16))
        preview.show(view, bare, 0, 1, np.ones((1, 20, 24)))
        assert self.layers(view)[1] == preview_node(scene).GetID()

    def test_it_knows_when_somebody_else_changed_the_view(self, volume, view, preview, add_volume, scene):
        composite = slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(view)
        assert not preview.is_replaced
        for change in (
            lambda: composite.SetBackgroundVolumeID(add_volume(name="Chosen").GetID()),
            lambda: composite.SetForegroundVolumeID(None),
            lambda: scene.RemoveNode(preview_node(scene)),
        ):
            preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
            composite.SetForegroundOpacity(0.4)
            assert not preview.is_replaced
            change()
            assert preview.is_replaced
            preview.hide()
            assert preview_node(scene) is None

    def test_forgotten_it_is_left_to_the_scene(self, volume, view, preview, scene):
        preview.show(view, volume, 0, 1, np.ones((1, 20, 24)))
        preview.forget()
        preview.hide()
        assert preview_node(scene) is not None
        assert not preview.is_replaced


class TestText:
    @pytest.fixture
    def volume(self, add_volume):
        volume = add_volume(name="Head")
        volume.SetSpacing(1, 1, 3)
        return volume

    def test_it_names_slice_and_view(self, volume):
        text = preview_text(volume, SliceInView(0, 1, True), SlicesAlong.ACQUISITION, "Red")
        assert text == "Preview: axial slice 2 of 3 in the Red view."

    def test_it_says_when_apply_denoises_other_slices(self, volume):
        text = preview_text(volume, SliceInView(2, 10, True), SlicesAlong.ACQUISITION, "Yellow")
        assert text == "Preview: sagittal slice 11 of 24 in the Yellow view. Apply will denoise axial slices."

    def test_it_says_when_apply_averages(self, volume):
        text = preview_text(volume, SliceInView(0, 1, True), SlicesAlong.THREE_PLANES, "Red")
        assert text == "Preview: axial slice 2 of 3 in the Red view. Apply will average the three planes."

    def test_it_says_when_the_view_cuts_the_slice(self, volume):
        text = preview_text(volume, SliceInView(1, 0, False), SlicesAlong.ANTERIOR, "Green")
        assert text == (
            "Preview: coronal slice 1 of 20 in the Green view. The view cuts this slice at an angle and shows a strip "
            "of it: rotate the view to the volume plane."
        )

    def test_it_says_when_the_view_is_beside_the_volume(self, volume):
        text = preview_text(volume, SliceInView(0, None, True), SlicesAlong.ACQUISITION, "Red")
        assert text == "No preview: the Red view lies beside 'Head'."

    def test_it_says_in_which_view_one_slice_would_not_fit(self, view):
        assert why_no_preview(view) == ""
        view.SetSlabReconstructionEnabled(True)
        assert why_no_preview(view) == (
            "No preview: the Red view shows a slab of several slices, so switch slab reconstruction off there."
        )
