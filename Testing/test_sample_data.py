"""The scan that the module offers in Slicer's Sample Data module."""

from __future__ import annotations

import hashlib

import numpy as np
import panel_host
import pytest
import SimpleITK as sitk
import slicer
from panel_host import sample_data
from panel_scenes import layers, volumes

from NeuralDiffusionLib.engine.intensity import estimate_range
from NeuralDiffusionLib.mrml.nodes.noisy_copy import add_noisy_copy

pytest_plugins = ["panel_host.fixtures", "panel_scenes"]


@pytest.fixture
def offered(open_panel):
    """The one source that the module registers."""
    open_panel()
    ((source,),) = (slicer.modules.sampleDataSources["Neural Diffusion"],)
    return source


@pytest.fixture
def head(tmp_path):
    """A file in the place of MRHead."""
    rows, columns = np.mgrid[:48, :48]
    disc = np.where((rows - 24) ** 2 + (columns - 24) ** 2 < 300, 200, 10) * np.ones((8, 1, 1))
    sitk.WriteImage(sitk.GetImageFromArray(disc.astype(np.int16)), str(tmp_path / "MR-head.nrrd"))
    return tmp_path / "MR-head.nrrd"


def test_the_scan_is_offered_once_with_a_checksum(offered, open_panel):
    panel_host.reload_module("NeuralDiffusion")
    assert slicer.modules.sampleDataSources["Neural Diffusion"] == [offered]
    ((kind, checksum),) = (each.split(":") for each in offered.checksums)
    assert (kind, len(checksum)) == ("SHA256", 64)
    assert [address.endswith(checksum) for address in offered.uris] == [True]


def test_its_button_loads_the_scan_and_a_noisy_copy_and_shows_the_copy(offered, head, scene, monkeypatch):
    offered.checksums = ["SHA256:" + hashlib.sha256(head.read_bytes()).hexdigest()]
    monkeypatch.setitem(sample_data.files, *offered.uris, head)
    offered.customDownloader(offered)
    assert volumes(scene) == ["MRHead", "MRHead with noise"]
    assert layers()[0][0] == scene.GetFirstNodeByName("MRHead with noise").GetID()


@pytest.mark.parametrize("downloaded", [False, True])
def test_a_scan_that_cannot_be_had_is_said_and_nothing_is_added(offered, scene, monkeypatch, tmp_path, downloaded):
    if downloaded:
        (tmp_path / "MR-head.nrrd").write_text("no scan")
        offered.checksums = [f"SHA256:{hashlib.sha256(b'no scan').hexdigest()}"]
        monkeypatch.setitem(sample_data.files, *offered.uris, tmp_path / "MR-head.nrrd")
    with pytest.raises(RuntimeError, match="check the network connection"):
        offered.customDownloader(offered)
    (popup,) = panel_host.popups.shown
    assert "MRHead could not be loaded." in popup.text
    assert volumes(scene) == []


def test_the_noise_of_a_copy_is_rician_of_the_share_that_was_asked_for(add_volume):
    clean = np.zeros((8, 64, 64), np.int16)
    clean[:, :, 32:] = 1000
    volume = add_volume(clean, name="Head")
    noisy = slicer.util.arrayFromVolume(add_noisy_copy(volume, 0.05)).astype(float)
    low, high = estimate_range(clean)
    sigma = 0.05 * (high - low)
    assert noisy[:, :, 32:].std() == pytest.approx(sigma, rel=0.05)
    # Rayleigh in the air: its mean is sigma times the root of pi / 2.
    assert noisy[:, :, :32].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.05)


def test_a_copy_has_the_place_type_and_display_of_the_scan_and_the_same_noise_each_time(add_volume):
    volume = add_volume(np.arange(6 * 40 * 48, dtype=np.int16).reshape(6, 40, 48) % 700, name="Head")
    before = slicer.util.arrayFromVolume(volume).copy()
    first, second = add_noisy_copy(volume), add_noisy_copy(volume)
    assert slicer.vtkSlicerVolumesLogic().CompareVolumeGeometry(volume, first) == ""
    assert slicer.util.arrayFromVolume(first).dtype == np.int16
    assert np.array_equal(slicer.util.arrayFromVolume(first), slicer.util.arrayFromVolume(second))
    assert np.array_equal(slicer.util.arrayFromVolume(volume), before)
    assert first.GetName() == "Head with noise"
