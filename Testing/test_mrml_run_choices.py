"""What a run can be asked for besides its settings, on real MRML with the real network: mask, planes, frames."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from mrml_geometries import ijk_to_ras
from mrml_segments import add_mask_over
from sequence_scenes import FRAMES, VALUES, geometry, make_frame, voxels_of

from NeuralDiffusionLib import DenoiseCancelled, Denoiser, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine.slice_planes import denoise_three_planes
from NeuralDiffusionLib.mrml.nodes.provenance import read_provenance
from NeuralDiffusionLib.mrml.nodes.sequences import browser_and_sequence_of, frames_of, read_frames

pytest_plugins = ["sequence_scenes"]

QUICK = DenoiseSettings(iterations=2)
SHAPE = (6, 20, 24)


@pytest.fixture
def volume(add_volume):
    return add_volume(scan())


def scan(dtype=np.int16, shape=SHAPE):
    return np.random.default_rng(3).normal(100, 8, shape).clip(0, 127).astype(dtype)


def ball(shape=SHAPE):
    inside = np.zeros(shape, bool)
    inside[1:-1, 4:15, 5:18] = True
    return inside


class TestMask:
    @pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32, np.float32, np.float64])
    def test_outside_every_voxel_is_what_it_was(self, logic, add_volume, output, conduction, dtype):
        # A tenth has no exact float32.
        volume = add_volume(scan(dtype) + (dtype(0.1) if np.issubdtype(dtype, np.floating) else dtype(0)))
        before, inside = voxels_of(volume), ball()
        logic.process(volume, output, conduction, QUICK, mask=add_mask_over(volume, inside))
        after = voxels_of(output)
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after[~inside], before[~inside])
        assert (after[inside] != before[inside]).mean() > 0.5
        assert not voxels_of(conduction)[~inside].any()

    def test_inside_it_is_the_run_without_mask(self, logic, volume, output, conduction):
        whole = logic.process(volume, output, conduction, QUICK)
        masked = logic.process(volume, output, conduction, QUICK, mask=add_mask_over(volume, ball()))
        np.testing.assert_array_equal(masked.image[ball()], whole.image[ball()])
        np.testing.assert_array_equal(masked.conduction[ball()], whole.conduction[ball()])
        assert masked.sigma == whole.sigma

    @pytest.mark.parametrize("three_planes", [False, True])
    def test_without_a_node_for_it_no_map_is_computed_or_masked(
        self, logic, volume, output, conduction, monkeypatch, three_planes
    ):
        kept = []
        denoise = Denoiser.denoise

        def spy(self, run, progress, cancelled, scalar_type, conduction):
            kept.append(conduction)
            return denoise(self, run, progress, cancelled, scalar_type, conduction)

        monkeypatch.setattr(Denoiser, "denoise", spy)
        choices = {"mask": add_mask_over(volume, ball()), "threePlanes": three_planes}
        without = logic.process(volume, output, None, QUICK, **choices)
        assert without.conduction is None
        assert not any(kept)
        kept.clear()
        asked = logic.process(volume, output, conduction, QUICK, **choices)
        np.testing.assert_array_equal(asked.image, without.image)
        assert all(kept)

    def test_the_mask_may_leave_the_scene_during_the_run(self, logic, scene, volume, output):
        mask = add_mask_over(volume, ball())
        run = logic.start(volume, output, None, QUICK, mask=mask)
        scene.RemoveNode(mask)
        run.store()
        assert read_provenance(output)["Mask"] == "Brain"

    def test_without_segments_or_voxels_it_stops_the_run(self, logic, scene, volume, output, state):
        none = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "None")
        blank, outside = add_mask_over(volume, np.zeros(SHAPE), "Blank"), add_mask_over(volume, ball(), "Outside")
        move = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        far = np.eye(4)
        far[0, 3] = 500
        move.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(far))
        outside.SetAndObserveTransformNodeID(move.GetID())
        before = state()
        for mask, reason in (
            (none, "'None' has no segments"),
            (blank, "'Blank' is empty"),
            (outside, "'Outside' covers no"),
        ):
            with pytest.raises(InvalidVolumeError, match=reason):
                logic.process(volume, output, None, QUICK, mask=mask)
        with pytest.raises(InvalidVolumeError, match="'Scan' is not a segmentation"):
            logic.process(volume, output, None, QUICK, mask=volume)
        assert state() == before


class TestPlanes:
    @pytest.mark.parametrize("axis", range(3))
    def test_the_slices_are_those_that_were_acquired(self, logic, volume, output, axis):
        spacing = [1.0, 1.0, 1.0]
        spacing[2 - axis] = 4.0
        volume.SetSpacing(spacing)
        result = logic.process(volume, output, None, QUICK)
        assert len(result.slice_sigma) == SHAPE[axis]
        assert read_provenance(output)["SliceAxis"] == str(axis)
        expected = logic.process(volume, output, None, DenoiseSettings(iterations=2, slice_axis=axis))
        np.testing.assert_array_equal(result.image, expected.image)

    def test_an_axis_that_was_chosen_is_taken_whatever_the_spacing(self, logic, volume, output):
        volume.SetSpacing(4.0, 1.0, 1.0)
        logic.process(volume, output, None, DenoiseSettings(iterations=2, slice_axis=0))
        assert read_provenance(output)["SliceAxis"] == "0"

    def test_a_bare_array_has_its_slices_along_its_first_axis(self):
        denoiser = Denoiser("cpu")
        first = denoiser(scan(), DenoiseSettings(iterations=2, slice_axis=0))
        np.testing.assert_array_equal(denoiser(scan(), QUICK).image, first.image)

    def test_a_batch_takes_the_slices_of_each_scan(self, logic, add_volume):
        for name, spacing in (("First", (1, 1, 4)), ("Second", (4, 1, 1))):
            add_volume(scan(), name=name).SetSpacing(spacing)
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        table = logic.denoiseAll(volumes, settings=QUICK).GetTable()
        assert [table.GetValueByName(row, "Slices").ToInt() for row in range(2)] == [SHAPE[0], SHAPE[2]]

    def test_three_planes_are_averaged(self, logic, volume, output, conduction):
        calls = []
        result = logic.process(
            volume, output, conduction, QUICK, lambda *call: calls.append(call), device="cpu", threePlanes=True
        )
        expected = denoise_three_planes(logic.denoiser("cpu"), voxels_of(volume), QUICK)
        np.testing.assert_array_equal(result.image, expected.image)
        assert calls[-1] == (sum(SHAPE), sum(SHAPE))
        for node in (output, conduction):
            assert read_provenance(node)["SliceAxis"] == "0 1 2"


class TestWarnings:
    def test_an_ordinary_scan_has_none(self, logic, volume, output):
        assert logic.process(volume, output, None, QUICK).notes == ()

    def test_they_are_among_the_notes_and_in_the_output(self, logic, volume, output):
        volume.SetSpacing(1.0, 2.0, 1.0)
        result = logic.process(volume, output, None, DenoiseSettings(iterations=2, sigma=90.0, slice_axis=0))
        assert len(result.notes) == 2
        assert "1 x 2 mm" in result.notes[0]
        assert "noise level of 90" in result.notes[1]
        assert read_provenance(output)["Notes"] == " ".join(result.notes)

    def test_each_plane_is_looked_at_and_a_finding_said_once(self, logic, volume, output):
        volume.SetSpacing(1.0, 1.0, 4.0)
        settings = DenoiseSettings(iterations=2, sigma=90.0)
        notes = logic.process(volume, output, None, settings, threePlanes=True).notes
        assert [note for note in notes if "1 x 4 mm" in note]
        assert len([note for note in notes if "noise level of 90" in note]) == 1

    def test_a_speckle_level_is_judged_as_a_share(self, logic, volume, output):
        for sigma, findings in ((0.1, 0), (0.9, 1)):
            settings = DenoiseSettings(noise="speckle", iterations=2, sigma=sigma)
            assert len(logic.process(volume, output, None, settings).notes) == findings


class TestAllFrames:
    @pytest.fixture
    def run(self, logic, proxy):
        """Denoise all frames; returns the result, the new proxy and its sequence."""

        def run(**options):
            result, output = logic.start(proxy, settings=QUICK, device="cpu", allFrames=True, **options).store()
            return result, output, browser_and_sequence_of(output)[1]

        return run

    @pytest.fixture
    def still(self, browser):
        """The sequence with all frames where the one that is shown lies."""
        sequence = browser.GetMasterSequenceNode()
        for number in range(FRAMES):
            sequence.GetNthDataNode(number).SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry(2)))

    def test_every_frame_is_denoised_as_a_volume_is(self, logic, proxy, run, output):
        result, shown, sequence = run()
        assert shown.GetName() == "Cine-Sequence denoised"
        assert frames_of(shown) == FRAMES
        assert [sequence.GetNthIndexValue(number) for number in range(FRAMES)] == list(VALUES)
        for number, frame in enumerate(read_frames(proxy)):
            denoised = sequence.GetNthDataNode(number)
            expected = logic.denoiser("cpu")(voxels_of(frame), QUICK)
            np.testing.assert_array_equal(voxels_of(denoised), np.rint(expected.image).astype(np.int16))
            np.testing.assert_allclose(ijk_to_ras(denoised), geometry(number), atol=1e-12)
            assert result.frame_sigma[number] == pytest.approx(expected.sigma)
            assert read_provenance(denoised)["Sigma"] == f"{expected.sigma:.7g}"
        assert result.sigma == pytest.approx(np.median(result.frame_sigma))
        assert result.device == "cpu"

    def test_each_frame_keeps_its_scalar_type(self, browser, run):
        frame = browser.GetMasterSequenceNode().GetNthDataNode(1)
        frame.SetAndObserveImageData(make_frame(1, vtk.VTK_FLOAT).GetImageData())
        _, _, sequence = run()
        types = [sequence.GetNthDataNode(number).GetImageData().GetScalarType() for number in range(FRAMES)]
        assert types == [vtk.VTK_SHORT, vtk.VTK_FLOAT, vtk.VTK_SHORT, vtk.VTK_SHORT]

    def test_the_result_bears_the_name_that_the_user_sees(self, proxy, run):
        proxy.SetName("Perfusion")
        _, shown, sequence = run()
        assert shown.GetName() == "Perfusion denoised"
        assert read_provenance(sequence.GetNthDataNode(3))["InputVolume"] == "Perfusion"

    @pytest.mark.parametrize(("options", "slices"), [({}, 3), ({"threePlanes": True}, 3 + 20 + 24)])
    def test_progress_counts_the_slices_of_all_frames(self, logic, proxy, options, slices):
        run = logic.start(proxy, settings=QUICK, device="cpu", allFrames=True, **options)
        run.store()
        assert (run.progress.done, run.progress.total) == (FRAMES * slices, FRAMES * slices)

    def test_the_mask_serves_every_frame(self, proxy, still, run):
        inside = ball((3, 20, 24))
        _, _, sequence = run(mask=add_mask_over(proxy, inside))
        for number, frame in enumerate(read_frames(proxy)):
            before, after = voxels_of(frame), voxels_of(sequence.GetNthDataNode(number))
            np.testing.assert_array_equal(after[~inside], before[~inside])
            assert (after[inside] != before[inside]).mean() > 0.5
            assert read_provenance(sequence.GetNthDataNode(number))["Mask"] == "Brain"

    def test_the_mask_is_where_the_transform_of_the_shown_volume_puts_it(self, scene, proxy, still, run):
        inside = ball((3, 20, 24))
        mask = add_mask_over(proxy, inside)
        move = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        move.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([-1.0, 2.0, 1.0, 1.0])))
        for node in (proxy, mask):
            node.SetAndObserveTransformNodeID(move.GetID())
        _, _, sequence = run(mask=mask)
        before, after = voxels_of(read_frames(proxy)[0]), voxels_of(sequence.GetNthDataNode(0))
        assert (after[inside] != before[inside]).mean() > 0.5
        np.testing.assert_array_equal(after[~inside], before[~inside])

    def test_one_mask_cannot_serve_frames_that_lie_elsewhere(self, logic, proxy, state):
        mask = add_mask_over(proxy, ball((3, 20, 24)))
        before = state()
        with pytest.raises(InvalidVolumeError, match="Frame 1 of 4 does not lie where"):
            logic.start(proxy, settings=QUICK, mask=mask, allFrames=True)
        assert state() == before

    def test_each_sentence_is_said_once(self, logic, proxy):
        settings = DenoiseSettings(iterations=2, slice_axis=1)
        result, _ = logic.start(proxy, settings=settings, allFrames=True).store()
        assert len(result.notes) == len(set(result.notes))
        assert len([note for note in result.notes if "3 x 24 pixels" in note]) == 1

    def test_a_cancelled_run_leaves_the_scene_as_it_was(self, logic, proxy, state, monkeypatch):
        before, done = state(), []
        real = Denoiser.__call__

        def cancels_in_the_third_frame(self, *arguments):
            done.append(True)
            if len(done) == 3:
                run.cancel()
            return real(self, *arguments)

        monkeypatch.setattr(Denoiser, "__call__", cancels_in_the_third_frame)
        run = logic.start(proxy, settings=QUICK, device="cpu", allFrames=True)
        with pytest.raises(DenoiseCancelled):
            run.store()
        assert len(done) == 3
        assert state() == before

    @pytest.mark.parametrize(
        ("value", "fault"), [(np.nan, "is NaN or infinite in 1 of its voxels"), (1e39, "holds values beyond 1e.38")]
    )
    def test_a_frame_that_cannot_be_denoised_is_named(self, logic, browser, proxy, state, value, fault):
        frame = browser.GetMasterSequenceNode().GetNthDataNode(1)
        voxels = slicer.util.arrayFromVolume(frame).astype(np.float64)
        voxels[0, 0, 0] = value
        slicer.util.updateVolumeFromArray(frame, voxels)
        before = state()
        with pytest.raises(InvalidVolumeError, match=rf"^Frame 2 of \d: .*{fault}"):
            logic.start(proxy, settings=DenoiseSettings(iterations=1), device="cpu", allFrames=True).store()
        assert state() == before

    def test_a_frame_that_is_added_meanwhile_stops_the_run(self, logic, scene, browser, proxy):
        run = logic.start(proxy, settings=QUICK, allFrames=True)
        browser.GetMasterSequenceNode().SetDataNodeAtValue(make_frame(9), "500")
        with pytest.raises(InvalidVolumeError, match="were changed or removed during the run"):
            run.store()
        assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 1

    def test_a_volume_that_is_removed_meanwhile_is_named(self, logic, scene, proxy):
        run = logic.start(proxy, settings=QUICK, allFrames=True)
        scene.RemoveNode(proxy)
        with pytest.raises(InvalidVolumeError, match="'Cine-Sequence' left the scene"):
            run.store()

    def test_what_cannot_hold_all_frames_is_refused(self, logic, proxy, output, conduction, state):
        before = state()
        for volumes in ((output,), (None, conduction)):
            with pytest.raises(InvalidVolumeError, match="holds one frame, not all"):
                logic.start(proxy, *volumes, settings=QUICK, allFrames=True)
        assert state() == before

    def test_a_recording_sequence_is_refused(self, logic, browser, proxy):
        browser.SetRecordingActive(True)
        with pytest.raises(InvalidVolumeError, match="'Browser' is recording frames"):
            logic.start(proxy, settings=QUICK, allFrames=True)

    def test_a_frame_that_is_moved_meanwhile_stops_the_run(self, logic, scene, browser, proxy):
        run = logic.start(proxy, settings=QUICK, allFrames=True)
        browser.GetMasterSequenceNode().GetNthDataNode(0).SetSpacing(5, 5, 5)
        with pytest.raises(InvalidVolumeError, match="was given another place, size or scalar type meanwhile"):
            run.store()
        assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 1

    def test_nothing_goes_where_a_sequence_of_one_frame_is_shown(self, logic, browser, proxy, volume, state):
        sequence = browser.GetMasterSequenceNode()
        for value in VALUES[1:]:
            sequence.RemoveDataNodeAtValue(value)
        browser.SetSelectedItemNumber(0)
        before = state()
        with pytest.raises(InvalidVolumeError, match="shows frames of a sequence, which would replace the result"):
            logic.process(volume, proxy, None, QUICK)
        assert state() == before

    def test_one_frame_does_not_go_where_other_frames_are_shown(self, logic, proxy, volume, output, run):
        _, shown, _ = run()
        with pytest.raises(InvalidVolumeError, match="'Cine-Sequence denoised' shows frames of a sequence"):
            logic.process(volume, shown, None, QUICK)
        logic.process(proxy, output, None, QUICK)
        assert frames_of(output) == 1
