"""The result of one frame of a sequence is not compared with another frame, and says which one it was made of."""

from __future__ import annotations

import time

import numpy as np
import panel_host
import pytest
import slicer
from mrml_geometries import ijk_to_ras
from panel_scenes import layers, parameters, volumes, wait_for_the_end
from preview_panel import wait
from sequence_scenes import FRAMES, VALUES, geometry, voxels_of

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.provenance import read_provenance
from NeuralDiffusionLib.mrml.nodes.sequences import frame_shown_in
from NeuralDiffusionLib.mrml.parameters import Frames
from NeuralDiffusionLib.mrml.runs.run_checks import check_input_with_result
from NeuralDiffusionLib.mrml.views import removed_volumes
from NeuralDiffusionLib.mrml.views.removed import make_removed

pytest_plugins = ["panel_host.fixtures", "panel_scenes", "sequence_scenes"]


@pytest.fixture
def cine(slicer_app, proxy, browser, open_panel):
    """The panel with a sequence as input whose frames lie in the same place; the third is shown."""
    sequence = browser.GetMasterSequenceNode()
    for number in range(FRAMES):
        sequence.GetNthDataNode(number).SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.eye(4)))
    show(browser, 0)
    show(browser, 2)
    widget = open_panel()
    parameters(widget).inputVolume = proxy
    parameters(widget).iterations = 1
    return widget


def show(browser, number):
    browser.SetSelectedItemNumber(number)


def test_a_result_says_which_frame_it_was_made_of_even_if_another_is_shown_by_the_end(cine, browser):
    cine.ui.applyButton.click()
    show(browser, 0)
    wait_for_the_end(cine)
    assert read_provenance(parameters(cine).outputVolume)["Frame"] == VALUES[2]
    assert not cine.ui.removedButton.enabled
    show(browser, 2)
    assert cine.ui.removedButton.enabled


def test_the_result_of_another_frame_is_not_compared(cine, proxy, browser, scene):
    cine.ui.conductionSelector.addNode()
    cine.ui.applyButton.click()
    wait_for_the_end(cine)
    output = parameters(cine).outputVolume
    cine.ui.removedButton.click()
    assert cine.ui.removedButton.checked
    removed = scene.GetNodeByID(layers()[0][0])
    np.testing.assert_array_equal(voxels_of(removed), voxels_of(proxy).astype(float) - voxels_of(output))

    show(browser, 0)
    reason = (
        "'Cine-Sequence denoised' was made of the frame at 80.5 ms of 'Cine-Sequence', which shows the one at 0 ms: go "
        "back to that frame, or denoise this one."
    )
    for button in (cine.ui.removedButton, cine.ui.beforeAfterButton):
        assert not button.enabled
        assert button.toolTip == reason
    assert not cine.ui.removedButton.checked
    assert not cine.ui.showConductionCheckBox.enabled
    assert layers()[0][0] != removed.GetID()
    with pytest.raises(InvalidVolumeError, match="which shows the one at 0 ms"):
        make_removed(proxy, output, removed)

    show(browser, 2)
    assert cine.ui.removedButton.enabled
    assert cine.ui.showConductionCheckBox.enabled


def test_the_result_of_all_frames_is_compared_at_each(cine, proxy, browser):
    parameters(cine).frames = Frames.ALL
    cine.ui.applyButton.click()
    wait_for_the_end(cine)
    output = parameters(cine).outputVolume
    for number in range(FRAMES):
        show(browser, number)
        assert "Frame" not in read_provenance(output)
        check_input_with_result(proxy, output)
        assert cine.ui.removedButton.enabled


@pytest.fixture
def followed(cine, browser, scene):
    """The panel with the result of all frames, whose difference is shown; and the volume of that."""
    parameters(cine).frames = Frames.ALL
    cine.ui.applyButton.click()
    wait_for_the_end(cine)
    cine.ui.removedButton.click()
    return cine, scene.GetNodeByID(layers()[0][0])


def is_difference(removed, cine):
    node = parameters(cine)
    difference = voxels_of(node.inputVolume).astype(float) - voxels_of(node.outputVolume)
    return np.array_equal(voxels_of(removed), difference)


def test_what_was_removed_follows_the_browser(followed, browser, scene):
    cine, removed = followed
    count = len(volumes(scene))
    for number in (0, 3, 2):
        show(browser, number)
        panel_host.wait_until(lambda: is_difference(removed, cine))
        assert cine.ui.removedButton.checked
        assert layers()[0][0] == removed.GetID()
        assert cine.ui.lookNoteLabel.text == ""
    assert len(volumes(scene)) == count


def test_what_was_removed_follows_to_frames_that_lie_elsewhere(slicer_app, proxy, browser, scene, open_panel):
    widget = open_panel()
    parameters(widget).inputVolume, parameters(widget).iterations = proxy, 1
    parameters(widget).frames = Frames.ALL
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    widget.ui.removedButton.click()
    removed = scene.GetNodeByID(layers()[0][0])
    for number in (1, 3):
        show(browser, number)
        panel_host.wait_until(lambda: is_difference(removed, widget))
        assert widget.ui.removedButton.checked
        np.testing.assert_allclose(ijk_to_ras(removed), geometry(number))


def test_what_was_removed_is_not_computed_while_it_is_not_shown(followed, browser):
    cine, removed = followed
    cine.ui.removedButton.click()
    before = removed.GetImageData()
    show(browser, 0)
    wait(0.1)
    assert removed.GetImageData() is before
    cine.ui.removedButton.click()
    assert is_difference(removed, cine)


def test_of_frames_that_follow_each_other_fast_not_each_has_its_difference_computed(followed, browser, monkeypatch):
    cine, removed = followed
    made = []

    def slow(*pair_and_removed):
        made.append(time.monotonic())
        time.sleep(0.2)
        make_removed(*pair_and_removed)

    monkeypatch.setattr(removed_volumes, "make_removed", slow)
    shown, until = 0, time.monotonic() + 1.5
    while time.monotonic() < until:
        shown += 1
        show(browser, shown % FRAMES)
        panel_host.process_events(20)
    panel_host.wait_until(lambda: is_difference(removed, cine))
    between = np.diff(made)
    assert 2 < len(made) < shown
    # As long as it takes, it rests.
    assert between.min() > 0.35


def test_back_in_the_module_what_was_removed_is_that_of_the_frame_that_is_shown_by_then(followed, browser, open_panel):
    cine, removed = followed
    before = removed.GetImageData()
    panel_host.leave_module()
    show(browser, 1)
    wait(0.1)
    assert removed.GetImageData() is before
    open_panel()
    panel_host.wait_until(lambda: is_difference(removed, cine))
    assert cine.ui.removedButton.checked


def test_a_difference_that_cannot_be_computed_any_more_goes_with_a_sentence(followed, browser, monkeypatch):
    cine, removed = followed

    def fail(*_):
        raise MemoryError("No memory is left.")

    monkeypatch.setattr(removed_volumes, "make_removed", fail)
    show(browser, 0)
    panel_host.wait_until(lambda: panel_host.popups.shown)
    assert not cine.ui.removedButton.checked
    assert layers()[0][0] != removed.GetID()
    assert cine.ui.statusLabel.text == "What was removed cannot be shown. No memory is left."
    wait(0.1)
    assert len(panel_host.popups.shown) == 1
    panel_host.console_errors.clear()


def test_the_result_of_a_volume_that_shows_no_frames_names_none(cine, scan):
    parameters(cine).inputVolume = scan
    assert frame_shown_in(scan) is None
    cine.ui.applyButton.click()
    wait_for_the_end(cine)
    assert "Frame" not in read_provenance(parameters(cine).outputVolume)
    assert cine.ui.removedButton.enabled
