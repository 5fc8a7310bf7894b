"""Devices by name, the memory that a volume needs, and the build of PyTorch; GPUs as PyTorch reports them."""

from __future__ import annotations

import pytest
import torch

from NeuralDiffusionLib import Denoiser, DenoiseSettings, DeviceError
from NeuralDiffusionLib.engine import devices
from NeuralDiffusionLib.engine.device_report import list_devices, memory_need, torch_build

GIGABYTE = 2**30


@pytest.fixture
def gpus(monkeypatch):
    """Let PyTorch report these GPUs, with so much memory free in each."""

    def report(*names, free=8 * GIGABYTE):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(names))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(names))
        monkeypatch.setattr(torch.cuda, "get_device_name", names.__getitem__)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 * GIGABYTE))

    return report


@pytest.fixture
def main_memory(monkeypatch, tmp_path):
    """Let Linux report so much main memory."""

    def report(free):
        text = "" if free is None else f"MemTotal: 1 kB\nMemAvailable:   {free // 1024} kB\nBuffers: 3 kB\n"
        (tmp_path / "meminfo").write_text(text)
        monkeypatch.setattr(devices, "_MEMORY_REPORT", tmp_path / "meminfo")

    return report


def rows():
    return [(device.name, device.label) for device in list_devices()]


def test_the_cpu_is_always_there(gpus):
    gpus()
    assert rows() == [("cpu", "CPU")]


def test_gpus_are_listed_by_name_and_two_of_a_kind_by_number(gpus):
    gpus("Small", "Large", "Small")
    assert rows() == [("cpu", "CPU"), ("cuda:0", "Small (0)"), ("cuda:1", "Large"), ("cuda:2", "Small (2)")]


def test_every_device_listed_is_one_that_can_be_asked_for(gpus):
    gpus("Small", "Large")
    assert [str(devices.resolve_device(name)) for name, _label in rows()] == ["cpu", "cuda:0", "cuda:1"]


def test_free_main_memory_is_what_linux_calls_available(main_memory):
    main_memory(5 * GIGABYTE)
    assert devices.free_memory(torch.device("cpu")) == 5 * GIGABYTE
    main_memory(None)
    assert devices.free_memory(torch.device("cpu")) is None


def test_free_main_memory_is_not_known_where_the_system_does_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_MEMORY_REPORT", tmp_path / "none")
    assert devices.free_memory(torch.device("cpu")) is None
    assert devices.batch_size(torch.device("cpu"), 256 * 256) == 4
    need = memory_need("cpu", (10, 256, 256))
    assert (need.free, need.fits, need.fits_slice) == (None, True, True)


def test_a_batch_takes_half_of_what_is_free_at_most(gpus, main_memory):
    main_memory(3 * 256 * 256 * 800 * 2)
    assert devices.batch_size(torch.device("cpu"), 256 * 256) == 3
    gpus("Card", free=5 * 256 * 256 * 800 * 2)
    assert devices.batch_size(torch.device("cuda:0"), 256 * 256) == 5
    gpus("Card", free=1000 * GIGABYTE)
    assert devices.batch_size(torch.device("cuda:0"), 256 * 256) == 32


def test_a_gpu_needs_one_batch_and_the_cpu_the_volumes_as_well(gpus, main_memory):
    gpus("Card")
    main_memory(20 * GIGABYTE)
    shape, batch = (100, 256, 256), 256 * 256 * 800
    on_cpu, on_gpu = memory_need("cpu", shape), memory_need("cuda:0", shape)
    assert (on_gpu.device, on_gpu.needed, on_gpu.free) == ("cuda:0", 32 * batch, 8 * GIGABYTE)
    assert (on_cpu.device, on_cpu.needed, on_cpu.free) == ("cpu", 4 * batch + 100 * 256 * 256 * 12, 20 * GIGABYTE)
    assert memory_need("auto", shape) == on_gpu
    assert memory_need("cuda", shape) == on_gpu


def test_three_planes_take_the_largest_batch_and_sums(gpus, main_memory):
    gpus("Card")
    main_memory(20 * GIGABYTE)
    shape = (4, 8, 40)
    assert memory_need("cuda:0", shape, three_planes=True).needed == 4 * 8 * 40 * 800
    plain, three = memory_need("cpu", shape), memory_need("cpu", shape, three_planes=True)
    assert three.needed - plain.needed == 4 * 8 * 40 * 8


def test_a_conduction_map_takes_its_bytes_and_its_sums(gpus, main_memory):
    gpus("Card")
    main_memory(20 * GIGABYTE)
    shape = (4, 8, 40)
    for planes, more in ((False, 4), (True, 12)):
        without, kept = (memory_need("cpu", shape, three_planes=planes, conduction=map_) for map_ in (False, True))
        assert kept.needed - without.needed == 4 * 8 * 40 * more
    assert memory_need("cuda:0", shape, conduction=True) == memory_need("cuda:0", shape)


def test_all_frames_are_held_until_the_last_is_done(gpus, main_memory):
    gpus("Card")
    main_memory(20 * GIGABYTE)
    shape = (100, 256, 256)
    assert memory_need("cpu", shape, frames=5).needed - memory_need("cpu", shape).needed == 4 * 100 * 256 * 256 * 8
    assert memory_need("cuda:0", shape, frames=5) == memory_need("cuda:0", shape)


def test_a_volume_of_few_slices_needs_no_more_than_these(gpus):
    gpus("Card")
    assert memory_need("cuda:0", (2, 256, 256)).needed == 2 * 256 * 256 * 800


def test_the_slices_lie_across_the_axis_that_is_named(gpus):
    gpus("Card")
    needs = [memory_need("cuda:0", (4, 8, 40), axis).needed for axis in range(3)]
    assert needs == [4 * 8 * 40 * 800, 8 * 4 * 40 * 800, 32 * 4 * 8 * 800]


@pytest.mark.parametrize(
    ("free_slices", "fits", "fits_slice"),
    [(64.1, True, True), (63.9, False, True), (1.1, False, True), (0.9, False, False)],
)
def test_it_is_known_whether_batches_get_smaller(gpus, free_slices, fits, fits_slice):
    gpus("Card", free=int(free_slices * 256 * 256 * 800))
    need = memory_need("cuda:0", (100, 256, 256))
    assert (need.fits, need.fits_slice) == (fits, fits_slice)
    # Which is what the run does.
    assert (devices.batch_size(torch.device("cuda:0"), 256 * 256) == 32) is fits


def test_a_device_that_is_absent_is_named(gpus):
    gpus("Card")
    with pytest.raises(DeviceError, match="'cuda:1' is not there"):
        memory_need("cuda:1", (3, 20, 24))


@pytest.mark.parametrize(
    ("version", "cuda", "hip", "metal", "said"),
    [
        ("2.13.0+cpu", None, None, False, "2.13.0, CPU build"),
        ("2.13.0+cu128", "12.8", None, False, "2.13.0, CUDA 12.8"),
        ("2.13.0+rocm6.4", None, "6.4.43482-0f2d60242", False, "2.13.0, ROCm 6.4"),
        ("2.13.0", None, None, True, "2.13.0, Apple GPU build"),
    ],
)
def test_version_and_build_are_said(monkeypatch, version, cuda, hip, metal, said):
    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", hip)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: metal)
    assert torch_build() == said


def test_a_run_in_little_memory_goes_in_smaller_batches(main_memory):
    import numpy as np

    main_memory(int(2.5 * 40 * 48 * 800 * 2))
    told = []
    voxels = np.random.default_rng(0).normal(300, 30, (6, 40, 48)).astype(np.float32)
    Denoiser("cpu")(voxels, DenoiseSettings(iterations=1), lambda done, total: told.append(done))
    assert told == [2, 4, 6]
