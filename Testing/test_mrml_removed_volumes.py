"""One volume of what was removed for each denoised volume, found again and kept up to date."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.views.removed_volumes import RemovedVolumes


@pytest.fixture
def pair(add_volume):
    voxels = np.full((3, 20, 24), 50, np.int16)
    return add_volume(voxels), add_volume(voxels - 5, name="Scan denoised")


def change(volume, by):
    slicer.util.arrayFromVolume(volume)[:] += by
    slicer.util.arrayFromVolumeModified(volume)


def difference(volume):
    (value,) = np.unique(slicer.util.arrayFromVolume(volume))
    return value


def test_it_is_made_when_first_asked_for_and_named_after_the_input(pair):
    volumes = RemovedVolumes()
    assert volumes.find(pair[1]) is None
    removed = volumes.up_to_date(*pair)
    assert removed.GetName() == "Scan removed"
    assert difference(removed) == 5
    assert volumes.find(pair[1]) is removed


def test_it_is_computed_again_only_after_a_change(pair):
    volumes = RemovedVolumes()
    removed = volumes.up_to_date(*pair)
    image = removed.GetImageData()
    assert volumes.up_to_date(*pair).GetImageData() is image
    for volume, by, expected in ((pair[0], 3, 8), (pair[1], 1, 7)):
        change(volume, by)
        assert volumes.up_to_date(*pair) is removed
        assert difference(removed) == expected


def test_a_volume_that_a_run_has_written_to_since_is_left_alone(scene, pair):
    first = RemovedVolumes()
    removed = first.up_to_date(*pair)
    # Chosen as the output of the next run.
    change(removed, 37)
    removed.SetAttribute("NeuralDiffusion.WeightsSHA256", "0123")
    for volumes in (first, RemovedVolumes()):
        assert volumes.find(pair[1]) is None
        other = volumes.up_to_date(*pair)
        assert other is not removed
        assert (difference(other), difference(removed)) == (5, 42)
        scene.RemoveNode(other)
        pair[1].SetNodeReferenceID("NeuralDiffusion.RemovedVolume", removed.GetID())


def test_it_follows_both_volumes_under_another_transform(scene, pair):
    volumes = RemovedVolumes()
    removed = volumes.up_to_date(*pair)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    for volume in pair:
        volume.SetAndObserveTransformNodeID(transform.GetID())
    assert volumes.up_to_date(*pair).GetParentTransformNode() is transform
    assert volumes.find(pair[1]) is removed


def test_a_result_of_another_input_reuses_it_under_that_name(pair, add_volume):
    volumes = RemovedVolumes()
    removed = volumes.up_to_date(*pair)
    other = add_volume(np.full((3, 20, 24), 47, np.int16), name="Other")
    assert volumes.up_to_date(other, pair[1]) is removed
    assert removed.GetName() == "Other removed"
    assert difference(removed) == 2


def test_a_name_that_the_user_gave_stays(pair):
    volumes = RemovedVolumes()
    removed = volumes.up_to_date(*pair)
    removed.SetName("Mine")
    change(pair[0], 1)
    assert volumes.up_to_date(*pair).GetName() == "Mine"


def test_each_result_has_its_own(pair, add_volume):
    volumes = RemovedVolumes()
    second = add_volume(np.full((3, 20, 24), 40, np.int16), name="Second")
    found = [volumes.up_to_date(pair[0], result) for result in (pair[1], second)]
    assert [difference(each) for each in found] == [5, 10]
    assert len({each.GetName() for each in found}) == 2


def test_saved_and_loaded_it_is_found_again(scene, pair, tmp_path):
    RemovedVolumes().up_to_date(*pair)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    scene.Clear(0)
    scene.Import()
    denoised = scene.GetFirstNodeByName("Scan denoised")
    assert RemovedVolumes().find(denoised).GetName() == "Scan removed"


def test_volumes_that_do_not_fit_are_refused_and_the_scene_stays_as_it_was(pair, state):
    pair[1].SetOrigin(9, 0, 0)
    before = state()
    with pytest.raises(InvalidVolumeError, match="'Scan denoised' does not lie voxel on voxel over 'Scan'"):
        RemovedVolumes().up_to_date(*pair)
    assert state() == before
