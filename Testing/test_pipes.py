"""Pipes in the place of files: refused in one sentence, as a reader would wait for ever for somebody to write."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import slicer
import test_command_line_module as module
from shell import ROOT, write
from shell_in_process import refused
from typer.testing import CliRunner

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError, WeightsError
from NeuralDiffusionLib.file_names import WRITTEN_AS
from NeuralDiffusionLib.image_headers import Fault, fault_of, files_of, is_sound
from NeuralDiffusionLib.mrml.nodes.volume_files import read_volume_file
from NeuralDiffusionTraining.cli import app
from NeuralDiffusionTraining.cohort.record import Order
from NeuralDiffusionTraining.cohort.scans import CohortScan
from NeuralDiffusionTraining.cohort.task import ScanTask, run_task
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.image_files import read_scan
from NeuralDiffusionTraining.files.result_files import read_json

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders.")


@pytest.fixture(autouse=True)
def patience():
    """Without the refusal a test would hang."""

    def end(*_):
        raise AssertionError("The pipe was waited for.")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nii", "scan.nrrd", "scan.mha", "scan.hdr", "scan.tif", "scan"])
def test_a_scan_that_is_a_pipe_is_refused(tmp_path, name):
    scan = pipe(tmp_path / name)
    said = refused(scan, tmp_path / "clean.nrrd")
    assert said == f"{scan} is no file but a pipe or a device: name a file."


META = "ObjectType = Image\nNDims = 3\nDimSize = 8 8 2\nElementType = MET_SHORT\nElementDataFile = {}\n"
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 8 8 2\nencoding: raw\nendian: little\ndata file: {}\n"
VOXELS = pytest.mark.parametrize(
    ("header", "voxels"),
    [
        (META, "pipe1.raw"),
        (META, "LIST\nreal.raw\npipe1.raw"),
        (META, "pipe%d.raw 1 2 1"),
        (NRRD, "pipe1.raw"),
        (NRRD, "LIST\nreal.raw\n./pipe1.raw"),
        (NRRD, "pipe%01d.raw 1 2 1 2"),
    ],
    ids=["MetaImage", "MetaImage, list", "MetaImage, pattern", "NRRD", "NRRD, list", "NRRD, pattern"],
)


def with_voxels_in_a_pipe(folder: Path, header: str, voxels: str) -> Path:
    scan = folder / ("scan.mhd" if header is META else "scan.nhdr")
    scan.write_text(header.format(voxels))
    (folder / "real.raw").write_bytes(bytes(2 * 8 * 8))
    pipe(folder / "pipe1.raw")
    return scan


@VOXELS
def test_a_scan_whose_header_names_a_pipe_is_refused(tmp_path, header, voxels):
    scan = with_voxels_in_a_pipe(tmp_path, header, voxels)
    said = refused(scan, tmp_path / "clean.nrrd")
    assert said == (
        f"{scan} names '{tmp_path / 'pipe1.raw'}' for its voxels, which is no file but a pipe or a device: put a file "
        "there."
    )


@pytest.mark.parametrize("voxels", ["real1.raw", "LIST\nreal1.raw", "real%d.raw 1 1 1"])
def test_pipes_that_a_header_does_not_name_are_no_reason_to_refuse(tmp_path, voxels):
    for number in (1, 2):
        pipe(tmp_path / f"other{number}.raw")
    (tmp_path / "real1.raw").write_bytes(bytes(range(128)))
    (tmp_path / "scan.mhd").write_text(META.replace("8 8 2", "8 8 1").format(voxels))
    assert read_scan(tmp_path / "scan.mhd").voxels.shape == (1, 8, 8)


@VOXELS
def test_in_a_batch_it_fails_alone_and_for_the_same_reason(tmp_path, header, voxels):
    scan = with_voxels_in_a_pipe(tmp_path, header, voxels)
    written = tmp_path / "clean" / scan.with_suffix(WRITTEN_AS[scan.suffix]).name
    order = Order(DenoiseSettings(), False, "cpu", None, "", "run")
    outcome = run_task(ScanTask(CohortScan(scan.name, scan, written, {}), order))
    assert outcome.state == "failed"
    assert outcome.reason.startswith(f"Names '{tmp_path / 'pipe1.raw'}' for its voxels, which is no file but a pipe")


def test_a_json_file_that_is_a_pipe_is_not_waited_for(tmp_path):
    with pytest.raises(OSError, match="pipe"):
        read_json(pipe(tmp_path / "scan.json"))


@pytest.mark.parametrize("name", ["scan.nii", "scan"])
def test_the_command_line_module_refuses_a_pipe(tmp_path, name):
    pipe(tmp_path / name)
    said = module.refused(tmp_path, name, "clean.nrrd")
    assert said == f"{name} is no file but a pipe or a device: name a file.\n"


@VOXELS
def test_the_command_line_module_refuses_a_header_that_names_a_pipe(tmp_path, header, voxels):
    scan = with_voxels_in_a_pipe(tmp_path, header, voxels)
    said = module.refused(tmp_path, scan.name, "clean.nrrd")
    assert said == (
        f"{scan.name} names 'pipe1.raw' for its voxels, which is no file but a pipe or a device: put a file there.\n"
    )


@VOXELS
def test_slicer_refuses_a_header_that_names_a_pipe(tmp_path, header, voxels):
    scan = with_voxels_in_a_pipe(tmp_path, header, voxels)
    with pytest.raises(
        InvalidVolumeError, match=rf"^'{scan.name}' names 'pipe1\.raw' for its voxels, which is no file"
    ):
        read_volume_file(scan, slicer.vtkMRMLScene())


def test_slicer_refuses_a_pipe(tmp_path):
    with pytest.raises(InvalidVolumeError, match=r"^'scan\.nrrd' is no file but a pipe or a device: name a file\.$"):
        read_volume_file(pipe(tmp_path / "scan.nrrd"), slicer.vtkMRMLScene())


@pytest.mark.parametrize(
    "line",
    [
        "ElementDataFile: pipe1.raw",
        " ElementDataFile = pipe1.raw",
        "ElementDataFile\t=\tpipe1.raw",
        "ElementDataFile = pipe%i.raw 1 2 1",
        "ElementDataFile = pipe%-.1ld.raw 1 2 1",
        "ElementDataFile = pi%%pe%x.raw 1 2 1",
        "Data File: pipe1.raw",
        "data file: pipe%d.raw 2 1 -1 2",
    ],
)
def test_every_way_in_which_a_reader_would_find_a_pipe_is_known(tmp_path, line):
    header = META if "Element" in line else NRRD
    scan = tmp_path / ("scan.mhd" if header is META else "scan.nhdr")
    scan.write_text("\n".join([*header.splitlines()[:-1], line, ""]))
    named = pipe(tmp_path / ("pi%pe1.raw" if "%%" in line else "pipe1.raw"))
    assert fault_of(scan) == Fault("named pipe", named)


def test_weights_that_are_a_pipe_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot be read \(it is no file but a pipe or a device\): name a file"):
        Denoiser("cpu", weights=pipe(tmp_path / "weights.pt"))
    said = refused(write(tmp_path / "scan.nrrd"), tmp_path / "clean.nrrd", "--weights", tmp_path / "weights.pt")
    assert "no file but a pipe" in said


@pytest.mark.parametrize(
    "command",
    [
        ("adapt", "PIPE", "--output", "weights.pt"),
        ("evaluate-volumes", "PIPE", "--device", "cpu"),
        ("report", str(ROOT / "Resources" / "Results"), "report.html", "--example", "PIPE"),
        ("export", "PIPE", "weights.pt"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_reads_a_file_refuses_a_pipe(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    pipe(tmp_path / "scan.nii")
    done = CliRunner().invoke(app, [("scan.nii" if word == "PIPE" else word) for word in command])
    assert isinstance(done.exception, CommandError)
    assert "is no file but a pipe or a device" in str(done.exception)
    assert os.listdir(tmp_path) == ["scan.nii"]


def test_a_pipe_beside_the_half_of_a_pair_is_not_waited_for(tmp_path):
    pipe(tmp_path / "scan.hdr")
    (tmp_path / "scan.img").write_bytes(bytes(200))
    for look in (is_sound, files_of):
        with pytest.raises(OSError, match="pipe"):
            look(tmp_path / "scan.hdr")
    with pytest.raises(OSError, match="pipe"):
        is_sound(tmp_path / "scan.img")
