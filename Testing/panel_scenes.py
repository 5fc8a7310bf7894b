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


def add_like(name, voxels, like):
    volume = slicer.util.addVolumeFromArray(voxels, name=name)
    volume.CopyOrientation(like)
    return volume


@pytest.fixture
def own(scan, add_scan):
    """What the user has in the views: another volume behind, and one in front of it."""
    behind, front = add_scan("Behind"), add_scan("Front")
    slicer.util.setSliceViewerLayers(background=behind, foreground=front, foregroundOpacity=0.3)
    return behind, front


@pytest.fixture
def done(scan, own, open_panel):
    """The panel in a scene with a result: denoised volume and conduction map."""
    widget, voxels = open_panel(), slicer.util.arrayFromVolume(scan)
    parameters(widget).inputVolume = scan
    parameters(widget).outputVolume = add_like("Scan denoised", voxels - 7, scan)
    parameters(widget).conductionVolume = add_like("Conduction", np.full(voxels.shape, 0.5, np.float32), scan)
    return widget


def save(scene, folder):
    """Save a scene with its volumes into a folder, which is made."""
    folder.mkdir(exist_ok=True)
    scene.SetURL(str(folder / "scene.mrml"))
    scene.SetRootDirectory(str(folder))
    for volume in slicer.util.getNodesByClass("vtkMRMLVolumeNode"):
        volume.AddDefaultStorageNode()
        volume.GetStorageNode().SetFileName(str(folder / f"{volume.GetName()}.nrrd"))
        assert volume.GetStorageNode().WriteData(volume)
    scene.Commit()


def load(scene, folder):
    """Close the scene and load the one that was saved in a folder."""
    scene.Clear(0)
    scene.SetURL(str(folder / "scene.mrml"))
    scene.SetRootDirectory(str(folder))
    scene.Import()


def save_and_load(widget, folder):
    """Save the scene, close it and load it again, with the module open; returns the panel."""
    save(slicer.mrmlScene, folder)
    load(slicer.mrmlScene, folder)
    return widget


def reload(widget, folder):
    """Reload the module as its developers do; returns the new panel."""
    return panel_host.reload_module("NeuralDiffusion")


def leave(widget, folder):
    """Open another module and come back; returns the panel."""
    panel_host.leave_module()
    return panel_host.open_module("NeuralDiffusion")


def parameters(widget):
    return widget._parameterNode


def legend_of(widget):
    """Return the legend of the conduction map, or None."""
    return slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(parameters(widget).conductionVolume)


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
