"""What the tests of the panel's preview share: a panel with a scan, the views, and waiting for the preview."""

from __future__ import annotations

import time

import panel_host
import pytest
import slicer
from panel_scenes import parameters

VIEWS = ("Red", "Green", "Yellow")


def view(name):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def composite(name):
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def preview():
    return slicer.mrmlScene.GetFirstNodeByName("Neural Diffusion preview")


def nodes(scene):
    return [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())]


def is_shown(name):
    return preview() is not None and composite(name).GetForegroundVolumeID() == preview().GetID()


def section_of(widget):
    return next(section for section in widget._sections if type(section).__name__ == "PreviewSection")


def settle(widget):
    """Wait until nothing is about to be previewed any more."""
    section = section_of(widget)
    panel_host.wait_until(lambda: not section._rest.isActive() and section._computed is None)


def wait_for_preview(widget, name="Red"):
    panel_host.wait_until(lambda: is_shown(name))
    settle(widget)


def voxels():
    return slicer.util.arrayFromVolume(preview()).copy()


def switch_on(widget, name="Red"):
    widget.ui.previewCheckBox.click()
    wait_for_preview(widget, name)


def wait(seconds):
    """Let the event loop run for a while, where nothing is expected to happen or the user rests."""
    until = time.monotonic() + seconds
    panel_host.wait_until(lambda: time.monotonic() > until)


def stay_in(name):
    """Move the mouse into a slice view and leave it there."""
    crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    crosshair.SetCursorPositionXYZ([100, 100, 0], view(name))
    wait(0.4)


def leave_views():
    slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode").SetCursorPositionInvalid()


@pytest.fixture
def in_all_views(add_volume):
    """Volumes of the user's own, in all views."""
    in_all_views = [add_volume(name=name) for name in ("Behind", "In front")]
    for name in VIEWS:
        composite(name).SetBackgroundVolumeID(in_all_views[0].GetID())
        composite(name).SetForegroundVolumeID(in_all_views[1].GetID())
        composite(name).SetForegroundOpacity(0.3)
    return in_all_views


@pytest.fixture
def widget(scan, in_all_views, open_panel):
    """The panel with a scan, whose views show slices in its middle; few steps."""
    widget = open_panel()
    parameters(widget).inputVolume = scan
    parameters(widget).iterations = 2
    for name in VIEWS:
        view(name).JumpSliceByOffsetting(24, 20, 2)
    return widget


@pytest.fixture
def previewing(widget):
    switch_on(widget)
    return widget
