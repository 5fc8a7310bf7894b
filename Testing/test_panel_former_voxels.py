"""The panel says when what it shows and compares is the result of former voxels of the input."""

from __future__ import annotations

import numpy as np
import panel_host
import pytest
import slicer
from panel_scenes import layers, parameters, wait_for_the_end

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]

MEANWHILE = (
    "'Scan' has other voxels than when the run began: the result is of the former ones, so start again for the new."
)
SINCE = "'Scan denoised' is of former voxels of 'Scan': press Apply for a result of those that it has now."


def edit(volume):
    """As Segment Editor masks a volume."""
    slicer.util.arrayFromVolume(volume)[:, :, :24] = 0
    slicer.util.arrayFromVolumeModified(volume)


@pytest.fixture
def widget(scan, open_panel):
    widget = open_panel()
    parameters(widget).iterations = 1
    return widget


@pytest.fixture
def finished(widget):
    """The panel after a run."""
    widget.ui.applyButton.click()
    wait_for_the_end(widget)
    return widget


def note(widget):
    label = widget.ui.lookNoteLabel
    assert label.visible == bool(label.text)
    return label.text


@pytest.mark.parametrize("button", ["applyButton", "compareButton", "directionsButton", "traceButton"])
def test_of_voxels_edited_during_a_run_it_is_said_that_they_are_the_former_ones(widget, scan, button):
    getattr(widget.ui, button).click()
    wait_for_the_end(widget)
    assert widget.ui.warningsLabel.text == ""
    getattr(widget.ui, button).click()
    edit(scan)
    wait_for_the_end(widget)
    assert widget.ui.warningsLabel.text == MEANWHILE
    assert note(widget) == (SINCE if button == "applyButton" else "")


def test_of_voxels_edited_after_a_run_it_is_said_until_the_next_run(finished, scan):
    assert note(finished) == ""
    edit(scan)
    assert note(finished) == SINCE
    assert finished.ui.beforeAfterButton.enabled
    finished.ui.applyButton.click()
    wait_for_the_end(finished)
    assert note(finished) == ""


def test_it_is_said_of_the_output_that_is_chosen(finished, scan, add_volume):
    edit(scan)
    output = parameters(finished).outputVolume
    parameters(finished).outputVolume = None
    assert note(finished) == ""
    parameters(finished).outputVolume = output
    assert note(finished) == SINCE


def test_what_was_removed_is_that_of_the_voxels_that_are_there(finished, scan):
    finished.ui.removedButton.click()
    removed = slicer.mrmlScene.GetNodeByID(layers()[0][0])
    edit(scan)

    def difference():
        before, after = (slicer.util.arrayFromVolume(each) for each in (scan, parameters(finished).outputVolume))
        return before.astype(float) - after

    panel_host.wait_until(lambda: np.array_equal(slicer.util.arrayFromVolume(removed), difference()))
    assert note(finished) == SINCE
    slicer.util.arrayFromVolume(parameters(finished).outputVolume)[:] += 3
    slicer.util.arrayFromVolumeModified(parameters(finished).outputVolume)
    panel_host.wait_until(lambda: np.array_equal(slicer.util.arrayFromVolume(removed), difference()))
    assert finished.ui.removedButton.checked


def test_the_result_of_former_voxels_is_not_compared_with_filters_of_the_new_ones(finished, scan, add_scan):
    checkBox = finished.ui.sideBySideCheckBox
    finished.ui.compareButton.click()
    wait_for_the_end(finished)
    checkBox.click()
    edit(scan)
    assert (checkBox.checked, checkBox.enabled) == (False, False)
    parameters(finished).referenceVolume = add_scan("Truth")
    finished.ui.compareButton.click()
    wait_for_the_end(finished)
    assert not checkBox.enabled
    assert checkBox.toolTip == SINCE
    assert finished.ui.warningsLabel.text == SINCE
    table = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTableNode")
    rows = [table.GetCellText(row, 0) for row in range(table.GetNumberOfRows())]
    assert "Scan denoised" not in rows
    finished.ui.applyButton.click()
    wait_for_the_end(finished)
    assert checkBox.enabled
    finished.ui.compareButton.click()
    wait_for_the_end(finished)
    assert table.GetCellText(1, 0) == "Scan denoised"


def test_an_output_that_changes_is_looked_at_again(finished, scan):
    output = parameters(finished).outputVolume
    output.SetOrigin(50, 0, 0)
    panel_host.wait_until(lambda: not finished.ui.removedButton.enabled)
    output.SetOrigin(0, 0, 0)
    panel_host.wait_until(lambda: finished.ui.removedButton.enabled)


@pytest.mark.parametrize("end", [panel_host.leave_module, lambda: slicer.mrmlScene.Clear(0)], ids=["left", "closed"])
def test_the_output_is_not_watched_any_more_afterwards(finished, end):
    output = parameters(finished).outputVolume
    section = next(section for section in finished._sections if type(section).__name__ == "LookSection")
    end()
    output.Modified()
    assert not section._rest.isActive()
    assert all(watch.node is None for watch in section._ofOutput)
