"""Sequences on real MRML, with Slicer's own sequences logic: results kept beside all frames, or the scene as it was."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from mrml_geometries import ijk_to_ras
from sequence_scenes import FRAMES, VALUES, geometry, make_frame, make_sequence, voxels_of

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.provenance import PREFIX, read_provenance
from NeuralDiffusionLib.mrml.nodes.sequences import (
    browser_and_sequence_of,
    frame_shown_in,
    frames_of,
    read_frames,
    write_frames,
)
from NeuralDiffusionLib.mrml.nodes.volumes import make_image

pytest_plugins = ["sequence_scenes"]


def negated(frame):
    """A stand-in for denoising that is told apart from the frame by its values."""
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetAndObserveImageData(make_image(-voxels_of(frame).astype(float), frame.GetImageData().GetScalarType()))
    node.SetAttribute(PREFIX + "Sigma", frame.GetAttribute("Trigger"))
    return node


def denoise_sequence(proxy, denoise, name):
    frames = read_frames(proxy)
    return write_frames(proxy, frames, [denoise(frame) for frame in frames], name)


class TestFinding:
    def test_a_proxy_knows_its_browser_sequence_and_number_of_frames(self, browser, proxy):
        assert browser_and_sequence_of(proxy) == (browser, browser.GetMasterSequenceNode())
        assert frames_of(proxy) == FRAMES

    def test_a_volume_that_shows_no_sequence_is_one_frame(self, browser, add_volume):
        volume = add_volume()
        assert browser_and_sequence_of(volume) is None
        assert frames_of(volume) == 1
        assert frames_of(slicer.vtkMRMLScalarVolumeNode()) == 1

    def test_the_proxy_of_a_synchronised_sequence_knows_its_own(self, scene, browser, proxy):
        other = make_sequence(scene, VALUES[:3], "Other-Sequence")
        browser.AddSynchronizedSequenceNodeID(other.GetID())
        assert browser_and_sequence_of(browser.GetProxyNode(other)) == (browser, other)
        assert frames_of(browser.GetProxyNode(other)) == 3

    def test_the_frame_that_is_shown_is_one_of_its_own_sequence(self, scene, browser, proxy):
        other = make_sequence(scene, VALUES[::2], "Other-Sequence")
        browser.AddSynchronizedSequenceNodeID(other.GetID())
        volume, seen = browser.GetProxyNode(other), []
        for number in range(FRAMES):
            browser.SetSelectedItemNumber(number)
            seen.append((frame_shown_in(proxy), frame_shown_in(volume), volume.GetAttribute("Trigger")))
        own = [(VALUES[0], "0"), (VALUES[0], "0"), (VALUES[2], "1"), (VALUES[2], "1")]
        assert seen == [(value, *frame) for value, frame in zip(VALUES, own, strict=True)]

    def test_of_a_volume_that_does_not_follow_its_browser_no_frame_is_told(self, browser, proxy):
        assert frame_shown_in(proxy) == VALUES[2]
        browser.SetPlayback(browser.GetMasterSequenceNode(), False)
        browser.SetSelectedItemNumber(0)
        assert proxy.GetAttribute("Trigger") == "2"
        assert frame_shown_in(proxy) is None

    def test_frames_come_in_the_order_of_the_sequence(self, proxy):
        assert [frame.GetAttribute("Trigger") for frame in read_frames(proxy)] == ["0", "1", "2", "3"]


class TestDenoising:
    @pytest.fixture
    def output(self, proxy):
        return denoise_sequence(proxy, negated, "Cine denoised")

    @pytest.fixture
    def sequence(self, output):
        return browser_and_sequence_of(output)[1]

    def test_the_result_is_a_second_sequence_in_the_same_browser(self, scene, browser, output, sequence):
        assert browser_and_sequence_of(output)[0] is browser
        assert output.GetName() == "Cine denoised"
        assert sequence.GetName() == "Cine denoised-Sequence"
        assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 2
        assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2
        assert browser.GetMasterSequenceNode() is not sequence

    def test_index_name_unit_and_values_are_those_of_the_original(self, browser, sequences_logic, sequence):
        assert (sequence.GetIndexName(), sequence.GetIndexUnit()) == ("trigger delay", "ms")
        assert tuple(sequence.GetNthIndexValue(number) for number in range(FRAMES)) == VALUES
        assert sequences_logic.IsNodeCompatibleForBrowsing(browser.GetMasterSequenceNode(), sequence)

    def test_a_text_index_keeps_its_order(self, scene, browser, proxy):
        original = browser.GetMasterSequenceNode()
        original.RemoveAllDataNodes()
        original.SetIndexType(slicer.vtkMRMLSequenceNode.TextIndex)
        names = ("systole", "diastole", "arterial")
        for number, name in enumerate(names):
            original.SetDataNodeAtValue(make_frame(number), name)
        _, sequence = browser_and_sequence_of(denoise_sequence(proxy, negated, "Denoised"))
        assert sequence.GetIndexType() == slicer.vtkMRMLSequenceNode.TextIndex
        assert tuple(sequence.GetNthIndexValue(number) for number in range(3)) == names

    def test_frames_within_a_tolerance_that_was_set_later_are_all_kept(self, scene, sequences_logic):
        browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
        sequence = make_sequence(scene, ("0", "0.4", "0.8", "1.2"))
        sequence.SetNumericIndexValueTolerance(0.5)
        browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
        output = denoise_sequence(browser.GetProxyNode(sequence), negated, "Cine denoised")
        result = browser.GetSequenceNode(output)
        assert result.GetNumberOfDataNodes() == FRAMES
        assert [result.GetNthIndexValue(number) for number in range(FRAMES)] == ["0", "0.4", "0.8", "1.2"]
        assert result.GetNumericIndexValueTolerance() == 0.5

    def test_frames_whose_voxels_are_not_numbered_from_0_keep_their_place(self, browser, proxy):
        frame = browser.GetMasterSequenceNode().GetNthDataNode(1)
        frame.GetImageData().SetExtent(5, 28, 3, 22, 1, 3)
        output = denoise_sequence(proxy, negated, "Cine denoised")
        result = browser_and_sequence_of(output)[1].GetNthDataNode(1)
        assert result.GetImageData().GetExtent() == (5, 28, 3, 22, 1, 3)
        np.testing.assert_array_equal(ijk_to_ras(result), ijk_to_ras(frame))

    def test_each_frame_keeps_geometry_scalar_type_and_attributes(self, proxy, sequence):
        for number, original in enumerate(read_frames(proxy)):
            frame = sequence.GetNthDataNode(number)
            np.testing.assert_array_equal(ijk_to_ras(frame), geometry(number))
            np.testing.assert_array_equal(voxels_of(frame), -voxels_of(original))
            assert frame.GetImageData().GetScalarType() == vtk.VTK_SHORT
            assert frame.GetAttribute("Trigger") == str(number)
            assert read_provenance(frame) == {"Sigma": str(number)}

    def test_the_proxy_shows_the_frame_that_is_selected(self, browser, output, sequence):
        for number in (2, 0, 3):
            browser.SetSelectedItemNumber(number)
            np.testing.assert_array_equal(voxels_of(output), voxels_of(sequence.GetNthDataNode(number)))
            np.testing.assert_allclose(ijk_to_ras(output), geometry(number), atol=1e-12)
            assert read_provenance(output) == {"Sigma": str(number)}

    def test_what_is_done_to_the_proxy_is_not_done_to_the_frame(self, output, sequence):
        before = voxels_of(sequence.GetNthDataNode(2))
        slicer.util.arrayFromVolume(output)[:] = 7
        np.testing.assert_array_equal(voxels_of(sequence.GetNthDataNode(2)), before)

    def test_the_original_stays_as_it_was(self, browser, proxy):
        original = browser.GetMasterSequenceNode()
        before = [voxels_of(frame) for frame in read_frames(proxy)]
        seen = voxels_of(proxy)
        denoise_sequence(proxy, negated, "Cine denoised")
        assert browser_and_sequence_of(proxy) == (browser, original)
        assert browser.GetSelectedItemNumber() == 2
        np.testing.assert_array_equal([voxels_of(frame) for frame in read_frames(proxy)], before)
        np.testing.assert_array_equal(voxels_of(proxy), seen)

    def test_parent_transform_window_and_place_are_those_of_the_input(self, scene, browser, proxy):
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
        hierarchy.CreateItem(study, proxy)
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([-1.0, 2.0, 1.0, 1.0])))
        proxy.SetAndObserveTransformNodeID(transform.GetID())
        output = denoise_sequence(proxy, negated, "Cine denoised")
        for number in (2, 1):
            browser.SetSelectedItemNumber(number)
            assert output.GetParentTransformNode() is transform
            display = output.GetDisplayNode()
            assert display is not proxy.GetDisplayNode()
            assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (33, 44, 0)
            assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(output)) == study

    def test_units_are_those_of_the_input_in_all_frames(self, browser, proxy):
        units = slicer.vtkCodedEntry()
        units.SetValueSchemeMeaning("[hnsf'U]", "UCUM", "Hounsfield unit")
        proxy.SetVoxelValueUnits(units)
        output = denoise_sequence(proxy, negated, "Cine denoised")
        for number in (2, 1):
            browser.SetSelectedItemNumber(number)
            assert output.GetVoxelValueUnits().GetCodeValue() == "[hnsf'U]"

    def test_it_plays_as_the_original_does(self, browser, proxy):
        original = browser.GetMasterSequenceNode()
        browser.SetPlayback(original, False)
        browser.SetMissingItemMode(original, slicer.vtkMRMLSequenceBrowserNode.MissingItemSetToDefault)
        _, sequence = browser_and_sequence_of(denoise_sequence(proxy, negated, "Cine denoised"))
        assert not browser.GetPlayback(sequence)
        assert browser.GetMissingItemMode(sequence) == slicer.vtkMRMLSequenceBrowserNode.MissingItemSetToDefault

    def test_a_record_of_an_earlier_run_is_replaced(self, proxy):
        for frame in read_frames(proxy):
            frame.SetAttribute(PREFIX + "Notes", "The memory of cuda:0 ran out.")
        _, sequence = browser_and_sequence_of(denoise_sequence(proxy, negated, "Cine denoised"))
        assert [list(read_provenance(sequence.GetNthDataNode(number))) for number in range(FRAMES)] == [["Sigma"]] * 4

    def test_without_slicers_sequences_logic_the_proxy_holds_the_selected_frame(self, scene):
        browser = scene.AddNode(slicer.vtkMRMLSequenceBrowserNode())
        original = make_sequence(scene)
        browser.SetAndObserveMasterSequenceNodeID(original.GetID())
        proxy = browser.AddProxyNode(scene.AddNode(make_frame(2)), original, False)
        browser.SetSelectedItemNumber(2)
        output = denoise_sequence(proxy, negated, "Cine denoised")
        np.testing.assert_array_equal(voxels_of(output), -voxels_of(original.GetNthDataNode(2)))
        np.testing.assert_allclose(ijk_to_ras(output), geometry(2), atol=1e-12)


class TestUnfinishedRuns:
    def test_a_frame_that_is_added_meanwhile_stops_the_run(self, scene, browser, proxy):
        def adds(frame):
            browser.GetMasterSequenceNode().SetDataNodeAtValue(make_frame(9), "500")
            return negated(frame)

        with pytest.raises(InvalidVolumeError, match="were changed or removed during the run"):
            denoise_sequence(proxy, adds, "Denoised")
        assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 1

    def test_a_scene_that_is_closed_meanwhile_stops_the_run(self, scene, proxy):
        def closes(frame):
            content = negated(frame)
            scene.Clear(True)
            return content

        with pytest.raises(InvalidVolumeError, match="were changed or removed during the run"):
            denoise_sequence(proxy, closes, "Denoised")
        assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode") == 0

    def test_a_memory_that_ends_at_the_proxy_leaves_nothing(self, proxy, state, monkeypatch):
        def full(*_):
            raise MemoryError

        before = state()
        monkeypatch.setattr("NeuralDiffusionLib.mrml.nodes.sequences.copy_display", full)
        with pytest.raises(MemoryError):
            denoise_sequence(proxy, negated, "Denoised")
        assert state() == before

    def test_too_few_results_change_nothing(self, proxy, state):
        before, frames = state(), read_frames(proxy)
        with pytest.raises(ValueError, match="shorter"):
            write_frames(proxy, frames, [negated(frame) for frame in frames[1:]], "Denoised")
        assert state() == before


class TestRefusals:
    def refused(self, volume, complaint):
        calls = []
        with pytest.raises(InvalidVolumeError, match=complaint) as raised:
            denoise_sequence(volume, calls.append, "Denoised")
        assert str(raised.value).endswith(".")
        assert str(raised.value).count(".") == 1
        assert calls == []

    def test_a_volume_that_shows_no_sequence(self, add_volume, state):
        volume = add_volume()
        before = state()
        self.refused(volume, "'Scan' shows no frames of a sequence: denoise it as a single volume")
        assert state() == before

    def test_a_browser_that_is_recording(self, browser, proxy):
        browser.SetRecordingActive(True)
        self.refused(proxy, "'Browser' is recording frames")

    def test_a_frame_that_cannot_be_denoised_is_named(self, browser, proxy):
        frame = browser.GetMasterSequenceNode().GetNthDataNode(3)
        frame.SetAndObserveImageData(None)
        self.refused(proxy, "Frame 4 of 4: 'Cine' has no image data")
