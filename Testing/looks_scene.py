"""What the tests of looks share: two slice views with volumes of the user's own, and volumes to be shown."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def beneath(add_volume):
    """Two volumes of the user's own."""
    return [add_volume(name=name) for name in ("Behind", "In front")]


@pytest.fixture
def views(scene, beneath):
    views = []
    for name, opacity in (("Red", 0.7), ("Yellow", 0.2)):
        view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name)
        view.SetBackgroundVolumeID(beneath[0].GetID())
        view.SetForegroundVolumeID(beneath[1].GetID())
        view.SetForegroundOpacity(opacity)
        views.append(view)
    return views


@pytest.fixture
def before(add_volume):
    return add_volume(name="Scan")


@pytest.fixture
def after(add_volume):
    return add_volume(name="Scan denoised")


@pytest.fixture
def conduction(add_volume):
    return add_volume(np.ones((3, 20, 24), np.float32), name="Conduction")


def layers(views):
    return [(view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity()) for view in views]


def backgrounds(views):
    return [view.GetBackgroundVolumeID() for view in views]
