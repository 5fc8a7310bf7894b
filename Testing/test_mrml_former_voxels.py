"""A result of voxels that the input no longer has says so: those that a run was given, and those that are there."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from sequence_scenes import voxels_of

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.mrml.comparison.comparison import Comparison
from NeuralDiffusionLib.mrml.nodes.input_voxels import CurrentVoxels, checksum

pytest_plugins = ["sequence_scenes"]

QUICK = DenoiseSettings(iterations=1)


def edit(volume, by=1):
    slicer.util.arrayFromVolume(volume)[:, :5] += by
    slicer.util.arrayFromVolumeModified(volume)


def sentence(name):
    return (
        f"'{name}' has other voxels than when the run began: the result is of the former ones, so start again for the "
        "new."
    )


class TestDuringARun:
    def test_the_result_is_of_the_former_voxels_and_says_so(self, logic, add_volume, output):
        volume = add_volume()
        undisturbed = logic.process(volume, output, None, QUICK)
        expected = voxels_of(output)
        assert sentence("Scan") not in undisturbed.notes
        result = logic.process(volume, output, None, QUICK, progress=lambda *_: edit(volume))
        np.testing.assert_array_equal(voxels_of(output), expected)
        assert result.notes == (*undisturbed.notes, sentence("Scan"))

    def test_voxels_that_are_as_they_were_by_the_end_are_not_remarked_on(self, logic, add_volume, output):
        volume, by = add_volume(), iter((1, -1))
        result = logic.process(
            volume, output, None, QUICK, progress=lambda *_: edit(volume, next(by, 0)), threePlanes=True
        )
        assert sentence("Scan") not in result.notes

    def test_a_worker_reads_nothing_of_the_scene(self, logic, add_volume):
        volume = add_volume()
        run = logic.start(volume, settings=QUICK)
        edit(volume, 20)
        result, output = run.store()
        assert result.notes[-1] == sentence("Scan")
        assert CurrentVoxels().why_not_of(volume, output)
        edit(volume, -20)
        assert not CurrentVoxels().why_not_of(volume, output)

    def test_another_frame_that_is_shown_by_the_end_is_remarked_on(self, logic, browser, proxy):
        sequence = browser.GetMasterSequenceNode()
        # Of a frame that lies elsewhere nothing would be written.
        sequence.GetNthDataNode(0).CopyOrientation(sequence.GetNthDataNode(2))
        run = logic.start(proxy, settings=QUICK)
        browser.SetSelectedItemNumber(0)
        assert sentence("Cine-Sequence") in run.store()[0].notes

    def test_a_frame_that_was_edited_is_remarked_on_once_by_the_name_that_the_user_sees(self, logic, browser, proxy):
        proxy.SetName("Perfusion")
        frames = [browser.GetMasterSequenceNode().GetNthDataNode(number) for number in range(4)]
        for number in (1, 3):
            run = logic.start(proxy, settings=QUICK, allFrames=True)
            edit(frames[number])
            edit(frames[2])
            assert run.store()[0].notes.count(sentence("Perfusion")) == 1

    def test_all_frames_are_those_of_the_sequence_whichever_is_shown_by_the_end(self, logic, browser, proxy):
        run = logic.start(proxy, settings=QUICK, allFrames=True)
        browser.SetSelectedItemNumber(0)
        assert sentence("Cine-Sequence") not in run.store()[0].notes

    def test_a_comparison_says_it_too(self, add_volume):
        volume = add_volume()
        comparison = Comparison(volume)
        before = comparison.notes
        compared = comparison.work()
        edit(volume)
        comparison.store(compared)
        assert comparison.notes == [sentence("Scan"), *before]


class TestAfterARun:
    @pytest.fixture
    def pair(self, logic, add_volume, output):
        volume = add_volume()
        logic.process(volume, output, None, QUICK)
        return volume, output

    def test_a_result_of_the_voxels_that_are_there_needs_no_word(self, pair):
        assert CurrentVoxels().why_not_of(*pair) == ""

    @pytest.mark.parametrize(
        "change",
        [edit, lambda volume: slicer.util.updateVolumeFromArray(volume, voxels_of(volume) + 1)],
        ids=["in place", "replaced"],
    )
    def test_one_of_former_voxels_says_so_until_these_are_back(self, pair, change):
        current, before = CurrentVoxels(), voxels_of(pair[0])
        assert current.why_not_of(*pair) == ""
        change(pair[0])
        assert current.why_not_of(*pair) == (
            "'Output' is of former voxels of 'Scan': press Apply for a result of those that it has now."
        )
        slicer.util.updateVolumeFromArray(pair[0], before)
        assert current.why_not_of(*pair) == ""

    def test_it_is_known_of_the_volume_in_a_scene_that_is_loaded(self, scene, pair, tmp_path):
        for volume in pair:
            volume.AddDefaultStorageNode()
            volume.GetStorageNode().SetFileName(str(tmp_path / f"{volume.GetName()}.nrrd"))
            volume.GetStorageNode().WriteData(volume)
        scene.SetURL(str(tmp_path / "scene.mrml"))
        scene.SetRootDirectory(str(tmp_path))
        scene.Commit()
        scene.Clear(0)
        scene.Import()
        volume, output = (scene.GetFirstNodeByName(name) for name in ("Scan", "Output"))
        assert CurrentVoxels().why_not_of(volume, output) == ""
        edit(volume)
        assert CurrentVoxels().why_not_of(volume, output) != ""

    def test_of_another_input_or_a_result_that_does_not_say_nothing_is_known(self, pair, add_volume):
        other = add_volume(np.full((3, 20, 24), 9, np.int16), name="Other")
        assert CurrentVoxels().why_not_of(other, pair[1]) == ""
        edit(pair[0])
        pair[1].RemoveAttribute("NeuralDiffusion.InputChecksum")
        assert CurrentVoxels().why_not_of(*pair) == ""

    def test_voxels_are_read_only_where_they_have_changed(self, pair, monkeypatch):
        current, read = CurrentVoxels(), []
        real = slicer.util.arrayFromVolume
        monkeypatch.setattr(slicer.util, "arrayFromVolume", lambda volume: read.append(volume) or real(volume))
        for _ in range(3):
            current.why_not_of(*pair)
        assert read == [pair[0]]

    def test_checksums_do_not_depend_on_how_voxels_lie_in_memory(self):
        voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        assert checksum(voxels) == checksum(np.asfortranarray(voxels)) != checksum(voxels[::-1])
