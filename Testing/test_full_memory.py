"""Memory that runs out, on a graphics card and on the CPU, at any batch: the result is whole, or one sentence."""

from __future__ import annotations

import copy
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from functools import partial
from unittest.mock import Mock

import numpy as np
import pytest
import shell_in_process
import slicer
import torch
from shell import environment, head, voxels_of, write

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import Denoiser, DenoiseSettings, DeviceError
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionLib.engine import slice_run
from NeuralDiffusionLib.engine.scalar_types import cast_to
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionTraining.cohort import task
from NeuralDiffusionTraining.cohort.record import Order, read_record
from NeuralDiffusionTraining.cohort.scans import find_cohort, sidecar_of
from NeuralDiffusionTraining.files import image_files

QUICK = DenoiseSettings(iterations=2)
SLICES = 7


class Short(torch.nn.Module):
    """The real network, whose memory is too small for more than `fits` slices at once, or in the calls `failing`.

    A copy is one in main memory, where it has enough unless it is short `also_on_cpu`.
    """

    def __init__(self, network, error, fits=10**6, failing=(), also_on_cpu=False):
        super().__init__()
        self.network, self.error, self.fits, self.failing = network, error, fits, failing
        self.short, self.also_on_cpu, self.calls = True, also_on_cpu, 0

    def forward(self, slices, *arguments, **options):
        self.calls += 1
        if self.short and (len(slices) > self.fits or self.calls in self.failing):
            raise self.error
        return self.network(slices, *arguments, **options)

    def __deepcopy__(self, memo):
        other = Short(copy.deepcopy(self.network, memo), self.error, self.fits, self.failing, self.also_on_cpu)
        other.short = self.also_on_cpu
        return other


@pytest.fixture
def volume():
    return head(np.float32, (SLICES, 16, 12))


@pytest.fixture
def expected(volume):
    return Denoiser("cpu", precision="float32")(volume, QUICK).image


@pytest.fixture
def card(monkeypatch):
    """A denoiser on a card that is not there: its device has another name, its tensors stay where they are."""
    monkeypatch.setattr(engine, "batch_size", lambda *_: 4)
    denoiser = Denoiser("cpu", precision="float32")
    denoiser._device = torch.device("meta")
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.inference_mode())
    return denoiser


@pytest.mark.parametrize("fits", range(5))
def test_every_batch_size_down_to_the_cpu_gives_the_whole_result(card, volume, expected, fits):
    network = card.network = Short(card.network, torch.OutOfMemoryError("CUDA out of memory"), fits)
    seen = []
    result = card(volume, QUICK, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_allclose(result.image, expected, atol=0.01)
    assert seen[-1] == (SLICES, SLICES)
    assert seen == sorted(set(seen))
    # 4 halved to 2 halved to 1, then the CPU.
    assert len(result.notes) == {0: 3, 1: 2, 2: 1, 3: 1, 4: 0}[fits]
    assert all("halved to" in note for note in result.notes[:2])
    assert [note.endswith("the run continued on the CPU.") for note in result.notes[2:]] == [True] * (fits == 0)
    assert result.device == ("cpu" if fits == 0 else "meta")
    # The next run starts on the card again, whatever became of its memory meanwhile.
    assert card.network is network
    assert network.short


@pytest.mark.parametrize("failing", [(1,), (2,), (1, 2), (1, 2, 3), (2, 3, 4), (2, 4)])
def test_memory_that_another_program_takes_meanwhile_costs_no_slice(card, volume, expected, failing):
    card.network = Short(card.network, torch.OutOfMemoryError("CUDA out of memory"), failing=failing)
    result = card(volume, QUICK)
    np.testing.assert_allclose(result.image, expected, atol=0.01)
    assert len(result.notes) == len(failing)


def test_weights_go_into_main_memory_without_taking_any_of_the_card(monkeypatch):
    network = Denoiser("cpu").network
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    # Whatever would take memory where the weights are: a copy of them made there.
    monkeypatch.setattr(torch.Tensor, "clone", Mock(side_effect=torch.OutOfMemoryError("CUDA out of memory")))
    copied = engine._on_cpu(network)
    for name, tensor in copied.state_dict().items():
        assert torch.equal(tensor, weights[name])
        assert tensor.data_ptr() != network.state_dict()[name].data_ptr()
    assert not copied.training


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: no kernel image\nfor the device")]
)
def test_a_card_that_does_not_take_the_weights_is_named_in_one_sentence(monkeypatch, error):
    monkeypatch.setattr(engine, "resolve_device", lambda name: torch.device("cuda:0"))
    monkeypatch.setattr(torch.nn.Module, "to", Mock(side_effect=error))
    with pytest.raises(DeviceError) as refusal:
        Denoiser("cuda")
    reason = str(error).partition("\n")[0]
    assert str(refusal.value) == (f"Device 'cuda:0' does not work ({reason}): close what else uses it, or choose cpu.")


CARD_ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
]


@pytest.mark.parametrize("error", CARD_ERRORS, ids=["PyTorch", "CUDA", "cuDNN", "cuBLAS", "MPS"])
@pytest.mark.parametrize("place", ["upload", "network", "download"])
def test_a_card_may_say_in_any_words_and_at_any_time_that_it_is_full(card, volume, expected, monkeypatch, place, error):
    left = [error, error]

    def full_twice(work, *arguments):
        if left:
            raise left.pop()
        return work(*arguments)

    if place == "network":
        card.network = Short(card.network, error, failing=(1, 2))
    elif place == "upload":
        monkeypatch.setattr(slice_run, "upload", partial(full_twice, slice_run.upload))
    else:
        download = engine.download
        monkeypatch.setattr(engine, "download", lambda tensors: partial(full_twice, download(tensors)))
    result = card(volume, QUICK)
    np.testing.assert_allclose(result.image, expected, atol=0.01)
    assert len(result.notes) == 2
    assert "halved to 1" in result.notes[-1]


def test_an_error_that_is_none_of_memory_is_not_taken_for_one(card, volume, monkeypatch):
    def broken(tensors):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(engine, "download", lambda tensors: partial(broken, tensors))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        card(volume, QUICK)


CPU_ERRORS = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("std::bad_alloc"),
    MemoryError(),
]


@pytest.mark.parametrize("error", CPU_ERRORS, ids=["PyTorch", "C++", "Python"])
class TestMainMemory:
    def test_a_smaller_batch_gives_the_whole_result(self, monkeypatch, volume, expected, error):
        monkeypatch.setattr(engine, "batch_size", lambda *_: 4)
        denoiser = Denoiser("cpu", precision="float32")
        denoiser.network = Short(denoiser.network, error, fits=1, also_on_cpu=True)
        result = denoiser(volume, QUICK)
        np.testing.assert_allclose(result.image, expected, atol=0.01)
        assert "halved to 1" in result.notes[-1]

    def test_one_slice_too_many_ends_in_a_sentence(self, volume, error):
        denoiser = Denoiser("cpu", precision="float32")
        denoiser.network = Short(denoiser.network, error, fits=0, also_on_cpu=True)
        with pytest.raises(MemoryError, match="too small for one slice of 192 pixels: close other programs"):
            denoiser(volume, QUICK)


class TestModule:
    @pytest.fixture
    def short(self, monkeypatch):
        """Make a logic that runs out of memory beyond some slices at once."""
        monkeypatch.setattr(engine, "batch_size", lambda *_: 4)

        def short(fits: int) -> NeuralDiffusionLogic:
            logic = NeuralDiffusionLogic()
            denoiser = logic.denoiser("cpu")
            denoiser.network = Short(denoiser.network, MemoryError(), fits, also_on_cpu=True)
            return logic

        return short

    @pytest.mark.parametrize("fits", [1, 2, 3, 4])
    def test_a_smaller_batch_gives_the_whole_result_and_is_noted(self, short, add_volume, fits):
        volume = add_volume(head(np.int16, (SLICES, 16, 12)))
        plain, output = (short(4).addOutputVolume(volume) for _ in range(2))
        short(4).process(volume, plain, None, QUICK, device="cpu")
        short(fits).process(volume, output, None, QUICK, device="cpu")
        images = [slicer.util.arrayFromVolume(one).astype(int) for one in (plain, output)]
        assert np.abs(images[1] - images[0]).max() <= 1
        noted = output.GetAttribute("NeuralDiffusion.Notes") or ""
        assert ("halved" in noted) == (fits < 4)

    def test_one_slice_too_many_leaves_the_scene_as_it_was(self, short, add_volume, state):
        logic, volume = short(0), add_volume()
        output = logic.addOutputVolume(volume)
        before = state()
        with pytest.raises(MemoryError, match="too small for one slice of 480 pixels"):
            logic.process(volume, output, None, QUICK, device="cpu")
        assert state() == before


@pytest.fixture
def small_card(monkeypatch):
    """Make every denoiser start on a card that is not there, whose memory takes this many slices at once."""

    def small_card(fits: int) -> None:
        load = engine.load_weights

        def loaded(path):
            weights = load(path)
            return replace(weights, network=Short(weights.network, torch.OutOfMemoryError("CUDA out of memory"), fits))

        monkeypatch.setattr(engine, "batch_size", lambda *_: 4)
        monkeypatch.setattr(engine, "load_weights", loaded)
        monkeypatch.setattr(engine, "resolve_device", lambda name: torch.device("meta"))
        monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_, **__: module)
        monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
        monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.inference_mode())

    return small_card


@pytest.mark.parametrize("fits", [0, 1, 4])
class TestSmallCardOnEveryPath:
    """The result is whole, the user is told, and it is said where the run ended."""

    def test_in_the_module(self, small_card, add_volume, volume, expected, fits):
        small_card(fits)
        logic, scan = NeuralDiffusionLogic(), add_volume(volume)
        output = logic.addOutputVolume(scan)
        logic.process(scan, output, None, replace(QUICK, across_slices=False))
        np.testing.assert_allclose(slicer.util.arrayFromVolume(output), expected, atol=0.01)
        assert output.GetAttribute("NeuralDiffusion.Device") == ("cpu" if fits == 0 else "meta")
        assert ("ran out" in (output.GetAttribute("NeuralDiffusion.Notes") or "")) == (fits < 4)

    def test_in_a_folder_of_the_module(self, small_card, scene, tmp_path, volume, fits):
        (tmp_path / "scans").mkdir()
        write(tmp_path / "scans" / "scan.nrrd", volume)
        small_card(fits)
        table = NeuralDiffusionLogic().denoiseAll(tmp_path / "scans", tmp_path / "clean", QUICK).GetTable()
        status = table.GetValueByName(0, "Status").ToString()
        assert status.startswith("Denoised.")
        assert ("halved to 1" in status, "continued on the CPU" in status) == (fits < 2, fits == 0)
        assert (tmp_path / "clean" / "scan.nrrd").exists()

    def test_on_the_command_line(self, small_card, tmp_path, volume, expected, fits):
        scan = write(tmp_path / "scan.nrrd", volume)
        small_card(fits)
        status, told, said = shell_in_process.run(scan, tmp_path / "clean.nrrd", "--iterations", 2)
        assert status == 0
        assert f"on {'cpu' if fits == 0 else 'meta'} (" in told
        assert ("halved to 1" in said, "continued on the CPU" in said) == (fits < 2, fits == 0)
        np.testing.assert_allclose(voxels_of(tmp_path / "clean.nrrd"), expected, atol=0.01)

    def test_in_a_cohort(self, small_card, tmp_path, volume, expected, fits):
        write(tmp_path / "scan.nrrd", volume)
        small_card(fits)
        (scan,) = find_cohort(str(tmp_path / "*.nrrd"), tmp_path / "clean").scans
        task._denoiser.cache_clear()
        order = Order(QUICK, False, "cuda", None, load_weights(BUNDLED_WEIGHTS).sha256, "run")
        try:
            assert task.run_task(task.ScanTask(scan, order)).state == "denoised"
        finally:
            task._denoiser.cache_clear()
        found = read_record(sidecar_of(scan.output))
        assert found["Device"] == ("cpu" if fits == 0 else "meta")
        assert sum("The memory of" in note for note in found["Notes"]) == {0: 3, 1: 2, 4: 0}[fits]
        np.testing.assert_allclose(voxels_of(scan.output), expected, atol=0.01)


def test_any_other_failure_is_not_taken_for_full_memory(volume):
    denoiser = Denoiser("cpu", precision="float32")
    denoiser.network = Short(denoiser.network, RuntimeError("shapes do not fit"), fits=0, also_on_cpu=True)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        denoiser(volume, QUICK)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells the memory of a process in /proc.")
def test_the_command_line_says_so_and_writes_nothing(tmp_path):
    scan = write(tmp_path / "scan.nii", np.resize(head(np.float32), (2, 1500, 1500)))
    # What libraries occupy differs from computer to computer: 300 MB beyond that.
    program = (
        "import re, resource, sys\n"
        "from NeuralDiffusionLib import Denoiser\n"
        "from NeuralDiffusionTraining.cli import main\n"
        "from NeuralDiffusionTraining.files import dicom_folders, scan_denoising\n"
        "Denoiser('cpu')\n"
        "size = 1024 * int(re.search(r'VmSize:\\s*(\\d+)', open('/proc/self/status').read())[1]) + 300 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))\n"
        "sys.argv[0] = 'neural-diffusion'\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "denoise", scan, tmp_path / "clean.nii", "--device", "cpu"],
        capture_output=True,
        text=True,
        env={**environment(), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stderr == (
        f"{scan}: the main memory is too small for it; close other programs, or denoise a part of the scan.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii"]


def test_memory_that_runs_out_while_the_result_is_written_leaves_no_file(tmp_path, monkeypatch):
    def full(values, voxel_type):
        raise MemoryError("Unable to allocate 9.4 GiB")

    scan = write(tmp_path / "scan.nrrd")
    monkeypatch.setattr(image_files, "cast_to", full)
    status, _, message = shell_in_process.run(scan, tmp_path / "clean.nrrd", "--iterations", 1)
    assert status == 2
    assert message.startswith("The memory is full (Unable to allocate 9.4 GiB): close other programs")
    assert len(message.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [scan]


def test_casting_to_whole_numbers_needs_no_second_copy_in_double_precision():
    values = np.linspace(-40_000, 40_000, 200 * 64 * 64, dtype=np.float32).reshape(200, 64, 64)
    tracemalloc.start()
    whole = cast_to(values, np.dtype(np.int16))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * whole.nbytes
    np.testing.assert_array_equal(whole, np.clip(np.rint(values.astype(np.float64)), -(2**15), 2**15 - 1))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells the peak of a process in kB.")
@pytest.mark.parametrize("path", ["denoise", "batch"])
def test_a_file_needs_memory_for_its_voxels_before_and_after_and_for_no_other_form_of_them(tmp_path, path):
    program = (
        "import pathlib, sys\n"
        "from NeuralDiffusionLib import DenoiseSettings\n"
        "from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights\n"
        "from NeuralDiffusionTraining.cli import app\n"
        "from NeuralDiffusionTraining.cohort.record import Order\n"
        "from NeuralDiffusionTraining.cohort.scans import find_cohort\n"
        "from NeuralDiffusionTraining.cohort.task import ScanTask, run_task\n"
        "from NeuralDiffusionTraining.speed.timing import peak, reset_peak\n"
        "path, source, output = sys.argv[1:]\n"
        "reset_peak('cpu')\n"
        "if path == 'denoise':\n"
        "    app([path, source, output, '--iterations', '1', '--device', 'cpu'], standalone_mode=False)\n"
        "else:\n"
        "    (scan,) = find_cohort(source, pathlib.Path(output).parent / 'clean').scans\n"
        "    sha256 = load_weights(BUNDLED_WEIGHTS).sha256\n"
        "    order = Order(DenoiseSettings(iterations=1), False, 'cpu', None, sha256, 'run')\n"
        "    assert run_task(ScanTask(scan, order)).state == 'denoised'\n"
        "print(peak('cpu'))\n"
    )
    peaks = []
    for slices in (16, 216):
        scan = write(tmp_path / f"scan{slices}.nii", np.resize(head(np.int16, (8, 192, 192)), (slices, 192, 192)))
        done = subprocess.run(
            [sys.executable, "-c", program, path, scan, tmp_path / f"clean{slices}.nii"],
            capture_output=True,
            text=True,
            env={**environment(), "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.splitlines()[-1]))
    voxels = 200 * 192 * 192
    # 16 bits before and after, and what the libraries keep or not, by chance; an image and a map in float32 would be 8
    # bytes a voxel more.
    assert peaks[1] - peaks[0] < (2 + 2 + 7) * voxels
