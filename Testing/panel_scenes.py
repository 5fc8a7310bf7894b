"""What the tests of the panel share: a small scan, and what the panel and the views show."""

from __future__ import annotations

import numpy as np
import panel_host
import pytest
import slicer


@pytest.fixture
def add_scan(add_volume):
    """Add a small scan: a disc of 800 on 200 in Rician noise of 40, (6, 40, 48)."""

    def add(name="Scan"):
        random = np.random.default_rng(3)
        rows, columns = np.mgrid[:40, :48]
        clean = np.where((rows - 20) ** 2 + (columns - 24) ** 2 < 196, 800.0, 200.0) * np.ones((6, 1, 1))
        noisy = np.hypot(clean + random.normal(0, 40, clean.shape), random.normal(0, 40, clean.shape))
        return add_volume(noisy.astype(np.int16), name=name)

    return add


@pytest.fixture
def scan(slicer_app, add_scan):
    return add_scan()


def parameters(widget):
    return widget._parameterNode


def layers(*names):
    composites = [slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode() for name in names or ("Red",)]
    return [
        (node.GetBackgroundVolumeID(), node.GetForegroundVolumeID(), node.GetForegroundOpacity()) for node in composites
    ]


def volumes(scene):
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    return [scene.GetNthNodeByClass(index, "vtkMRMLScalarVolumeNode").GetName() for index in range(count)]


def wait_for_the_end(widget) -> None:
    panel_host.wait_until(lambda: widget.ui.applyButton.text == "Apply")
