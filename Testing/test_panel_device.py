"""The panel's device section: what it lists, keeps and says, with PyTorch there, missing, old, declined or offline."""

from __future__ import annotations

import subprocess
import sys

import panel_host
import pytest
import slicer
import torch
from panel_scenes import parameters, volumes
from sequence_scenes import FRAMES
from torch_extension import torch_of

from NeuralDiffusionLib.mrml.parameters import Frames, SlicesAlong

pytest_plugins = ["panel_host.fixtures", "panel_scenes", "sequence_scenes", "torch_extension"]

GIGABYTE = 2**30


@pytest.fixture
def unfold(open_panel):
    """Open the module and unfold the section."""

    def open_it():
        widget = open_panel()
        widget.ui.deviceCollapsibleButton.collapsed = False
        return widget

    return open_it


@pytest.fixture
def two_gpus(monkeypatch):
    """Let PyTorch report two GPUs with 8 GB free."""
    names = ["Small card", "Large card"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", names.__getitem__)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 * GIGABYTE, 80 * GIGABYTE))


@pytest.fixture
def torch_not_loaded(monkeypatch):
    """Forget that PyTorch was imported; importing it takes no seconds, for this process has it already."""
    real = __import__

    def put_back(name, *arguments, **named):
        if name == "torch":
            sys.modules.setdefault("torch", torch)
        return real(name, *arguments, **named)

    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr("builtins.__import__", put_back)


def rows(widget):
    box = widget.ui.deviceComboBox
    return [box.itemText(index) for index in range(box.count)]


def notes(widget):
    return widget.ui.memoryNoteLabel.text, widget.ui.torchNoteLabel.text


# Devices


def test_a_folded_section_asks_nothing(scan, open_panel, torch_not_loaded):
    widget = open_panel()
    parameters(widget).iterations = 3
    panel_host.process_events(50)
    assert "torch" not in sys.modules


def test_unfolded_it_lists_the_devices_and_says_which_pytorch_it_is(scan, unfold):
    widget = unfold()
    assert rows(widget) == ["Automatic (CPU)", "CPU"]
    memory, build = notes(widget)
    assert memory.startswith("Needs about 0.1 GB; ")
    assert memory.endswith(" GB free.")
    assert build == "{}, CPU build".format(torch.__version__.partition("+")[0])
    assert not widget.ui.installTorchButton.visible


def test_while_pytorch_is_imported_the_panel_says_so(scan, unfold, torch_not_loaded):
    widget = unfold()
    assert notes(widget) == ("", "Looking for devices...")
    assert not widget.ui.installTorchButton.visible
    panel_host.wait_until(lambda: len(rows(widget)) == 2 and "CPU" in rows(widget)[0])
    assert "build" in notes(widget)[1]


def test_gpus_are_listed_by_name_and_the_choice_is_kept_in_the_scene(scan, unfold, two_gpus):
    widget = unfold()
    assert rows(widget) == ["Automatic (Small card)", "CPU", "Small card", "Large card"]
    widget.ui.deviceComboBox.currentIndex = 3
    assert parameters(widget).device == "cuda:1"
    parameters(widget).device = "cpu"
    assert widget.ui.deviceComboBox.currentText == "CPU"
    parameters(widget).device = "auto"
    assert widget.ui.deviceComboBox.currentIndex == 0


def test_another_name_of_a_gpu_shows_that_gpu_and_is_not_changed(scan, unfold, two_gpus):
    widget = unfold()
    parameters(widget).device = "cuda"
    assert widget.ui.deviceComboBox.currentText == "Small card"
    assert parameters(widget).device == "cuda"


def test_a_device_of_another_computer_is_shown_and_refused_by_name(scan, unfold, scene):
    widget = unfold()
    parameters(widget).device = "cuda:3"
    assert widget.ui.deviceComboBox.currentText == "cuda:3 (not on this computer)"
    sentence = "Device 'cuda:3' is not there (0 CUDA devices found): choose another, or cpu."
    assert notes(widget)[0] == sentence
    widget.ui.applyButton.click()
    (popup,) = panel_host.popups.shown
    assert sentence in popup.text
    assert parameters(widget).device == "cuda:3"
    assert volumes(scene) == ["Scan"]
    widget.ui.deviceComboBox.currentIndex = 1
    assert rows(widget) == ["Automatic (CPU)", "CPU"]
    panel_host.console_errors.clear()


def test_the_choice_survives_saving_and_loading_the_scene(scan, unfold, two_gpus, scene, tmp_path):
    widget = unfold()
    widget.ui.deviceComboBox.currentIndex = 3
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    scene.Clear(0)
    assert widget.ui.deviceComboBox.currentIndex == 0
    scene.Import()
    assert widget.ui.deviceComboBox.currentText == "Large card"


def test_a_gpu_that_does_not_answer_is_said(scan, unfold, two_gpus, monkeypatch):
    def fail(index):
        raise RuntimeError("The NVIDIA driver is too old.\nUpdate it.")

    monkeypatch.setattr(torch.cuda, "get_device_name", fail)
    widget = unfold()
    assert notes(widget)[1].endswith("A GPU does not answer: The NVIDIA driver is too old.")
    assert rows(widget) == ["Automatic", "CPU"]


# Memory


def test_memory_follows_the_input_and_the_device(scan, unfold, two_gpus, add_volume):
    import numpy as np

    widget = unfold()
    large = add_volume(np.zeros((40, 256, 256), np.int16), name="Large")
    parameters(widget).inputVolume = large
    assert notes(widget)[0] == "Needs about 1.6 GB; 8.0 GB free."
    widget.ui.deviceComboBox.currentIndex = 1
    assert notes(widget)[0].startswith("Needs about 0.2 GB; ")
    parameters(widget).inputVolume = None
    assert "choose a scalar volume" in notes(widget)[0]


def test_memory_follows_planes_frames_and_the_map(scan, unfold, proxy, scene, monkeypatch):
    from NeuralDiffusionLib.engine import device_report

    asked = []
    need = device_report.memory_need
    monkeypatch.setattr(device_report, "memory_need", lambda *args, **more: asked.append(more) or need(*args, **more))
    widget = unfold()
    parameters(widget).inputVolume = proxy
    parameters(widget).slicesAlong = SlicesAlong.THREE_PLANES
    assert asked[-1] == {"three_planes": True, "frames": 1, "conduction": False}
    parameters(widget).conductionVolume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Map")
    assert asked[-1] == {"three_planes": True, "frames": 1, "conduction": True}
    parameters(widget).conductionVolume = None
    parameters(widget).frames = Frames.ALL
    assert asked[-1] == {"three_planes": True, "frames": FRAMES, "conduction": False}


@pytest.mark.parametrize(
    ("device", "free", "said"),
    [
        (
            "cuda:0",
            1.0,
            "Needs about 1.6 GB, but only 1.0 GB is free: the slices go in smaller batches, which takes longer.",
        ),
        (
            "cuda:0",
            0.01,
            "Needs about 1.6 GB, but only 0.0 GB is free: the run will continue on the CPU, which takes longer.",
        ),
        ("cpu", 0.01, "Needs about 0.2 GB, but only 0.0 GB is free: close other programs or crop the volume."),
    ],
)
def test_little_memory_is_said_with_what_follows(scan, unfold, two_gpus, add_volume, monkeypatch, device, free, said):
    import numpy as np

    from NeuralDiffusionLib.engine import device_report

    monkeypatch.setattr(device_report, "free_memory", lambda place: int(free * GIGABYTE))
    widget = unfold()
    parameters(widget).inputVolume = add_volume(np.zeros((40, 256, 256), np.int16), name="Large")
    parameters(widget).device = device
    assert notes(widget)[0] == said


# PyTorch missing


def test_without_pytorch_its_button_is_there_and_the_choice_stays(scan, unfold, no_torch):
    widget = unfold()
    parameters(widget).device = "cuda:1"
    assert notes(widget) == ("Known once PyTorch is installed.", "Not installed.")
    assert widget.ui.installTorchButton.visible
    assert rows(widget) == ["Automatic", "CPU", "cuda:1"]
    assert widget.ui.deviceComboBox.currentText == "cuda:1"


def test_without_the_extension_the_user_is_told_where_to_get_it(scan, unfold, no_torch):
    widget = unfold()
    widget.ui.installTorchButton.click()
    assert notes(widget)[1].endswith("install the PyTorch extension in the Extensions Manager and restart Slicer.")
    assert widget.ui.installTorchButton.visible
    assert panel_host.popups.shown == []


def test_declined_nothing_is_installed_and_the_way_back_is_said(scan, unfold, extension, state):
    widget = unfold()
    before = state()
    panel_host.popups.answer("Cancel")
    widget.ui.installTorchButton.click()
    (asked,) = panel_host.popups.shown
    assert "up to 3 GB" in asked.text
    assert "does not respond" in asked.text
    assert extension.installations == 0
    assert notes(widget)[1] == (
        "PyTorch was not installed, as you chose: press Apply or Install PyTorch whenever you want it."
    )
    assert widget.ui.installTorchButton.visible
    assert state() == before


def test_a_failed_installation_is_said_with_details_and_can_be_tried_again(scan, unfold, extension):
    extension.outcome = subprocess.CalledProcessError(1, ["python", "-m", "pip", "install", "torch"])
    widget = unfold()
    panel_host.popups.answer("OK", "OK")
    widget.ui.installTorchButton.click()
    sentence = notes(widget)[1]
    assert sentence.startswith("PyTorch could not be installed (the installer ended with code 1): check the network")
    _asked, told = panel_host.popups.shown
    assert told.text == sentence
    assert "pip" in told.details
    assert widget.ui.installTorchButton.visible
    extension.outcome = torch
    panel_host.popups.answer("OK")
    widget.ui.installTorchButton.click()
    assert "build" in notes(widget)[1]
    panel_host.console_errors.clear()


def test_installed_the_devices_are_listed_and_the_button_goes(scan, unfold, extension):
    extension.outcome = torch
    widget = unfold()
    panel_host.popups.answer("OK")
    widget.ui.installTorchButton.click()
    assert extension.installations == 1
    assert rows(widget) == ["Automatic (CPU)", "CPU"]
    assert notes(widget)[1].endswith("CPU build")
    assert not widget.ui.installTorchButton.visible


def test_pytorch_installed_elsewhere_meanwhile_is_found(scan, unfold, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "torch", None)
        widget = unfold()
        assert notes(widget)[1] == "Not installed."
    panel_host.leave_module()
    panel_host.open_module("NeuralDiffusion")
    assert notes(widget)[1].endswith("build")
    assert not widget.ui.installTorchButton.visible


def test_an_old_pytorch_is_named_with_what_to_do(scan, unfold, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", torch_of("1.13.1"))
    widget = unfold()
    assert notes(widget)[1].startswith("PyTorch 1.13.1 is too old: uninstall it in the PyTorch Utils module")
    assert widget.ui.installTorchButton.visible
    widget.ui.installTorchButton.click()
    assert notes(widget)[1].startswith("PyTorch 1.13.1 is too old")


def test_the_button_waits_for_a_run(scan, unfold, no_torch, monkeypatch):
    widget = unfold()
    assert widget.ui.installTorchButton.enabled
    widget.ui.compareButton.click()
    assert not widget.ui.installTorchButton.enabled
    panel_host.wait_until(lambda: widget.ui.applyButton.text == "Apply")
    assert widget.ui.installTorchButton.enabled
    assert slicer.util.getNode("Scan, non-local means slice by slice")
