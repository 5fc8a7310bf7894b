"""What the tests of sequences share: a sequence of four frames, its browser, and the volume that shows it."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk

from NeuralDiffusionLib.mrml.nodes.volumes import make_image

FRAMES = 4
VALUES = ("0", "40", "80.5", "130")


@pytest.fixture
def sequences_logic(scene):
    """Slicer's logic, which brings the selected frame into the proxy volumes, as in the application."""
    logic = slicer.vtkSlicerSequencesLogic()
    logic.SetMRMLScene(scene)
    return logic


def geometry(number):
    """Oblique and left-handed, and of its own for each frame."""
    angle = np.deg2rad(20 + 3 * number)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]]
    matrix[:3, :3] *= (0.8, 0.9, 3.0)
    matrix[:3, 3] = (10 + number, -5.5, 2)
    return matrix


def voxels_of(volume):
    return np.array(slicer.util.arrayFromVolume(volume))


def make_frame(number, scalar_type=vtk.VTK_SHORT):
    frame = slicer.vtkMRMLScalarVolumeNode()
    frame.SetName("Cine")
    noise = np.random.default_rng(number).normal(0, 5, (3, 20, 24))
    frame.SetAndObserveImageData(make_image(np.clip(noise + 60 + number, 0, 127), scalar_type))
    frame.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry(number)))
    frame.SetAttribute("Trigger", str(number))
    return frame


def make_sequence(scene, values=VALUES, name="Cine-Sequence"):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("trigger delay")
    sequence.SetIndexUnit("ms")
    for number, value in enumerate(values):
        sequence.SetDataNodeAtValue(make_frame(number), value)
    return sequence


@pytest.fixture
def browser(scene, sequences_logic):
    """A browser that shows a sequence of four frames."""
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Browser")
    browser.SetAndObserveMasterSequenceNodeID(make_sequence(scene).GetID())
    return browser


@pytest.fixture
def proxy(browser):
    """The proxy volume, which shows the third frame."""
    browser.SetSelectedItemNumber(2)
    proxy = browser.GetProxyNode(browser.GetMasterSequenceNode())
    proxy.GetDisplayNode().AutoWindowLevelOff()
    proxy.GetDisplayNode().SetWindowLevel(33, 44)
    return proxy
