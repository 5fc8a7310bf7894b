"""What `neural-diffusion batch` writes, what it makes again, and what it leaves alone."""

from __future__ import annotations

import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from batch_runs import record, run_here, voxels, write_scan

from NeuralDiffusionLib import __version__
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS

pytest_plugins = ("batch_fixtures", "small_disk")


def test_the_sidecar_says_how_the_scan_was_made(three, tmp_path, address):
    done = run_here("batch", three / "*", tmp_path / "clean", "--scheduler", address, "--sigma", 30, "--float")

    assert done.status == 0
    assert done.err == ""
    assert done.out.count("\n") == 1
    assert voxels(tmp_path / "clean" / "scan1.nii").dtype == np.float32
    content = json.loads((tmp_path / "clean" / "scan1.json").read_text())
    assert content["Sources"] == ["scan1.nii"]
    found = content["NeuralDiffusion"]
    assert found["Version"] == __version__
    assert found["InputSha256"] == hashlib.sha256((three / "scan1.nii").read_bytes()).hexdigest()
    assert found["WeightsSha256"] == hashlib.sha256(BUNDLED_WEIGHTS.read_bytes()).hexdigest()
    assert found["Settings"]["sigma"] == found["NoiseLevel"] == 30
    assert found["Settings"]["float"] is True
    assert found["Settings"]["slice_axis"] == "auto"
    assert found["SliceAxis"] == "k"
    assert found["Settings"]["across_slices"] is None
    assert found["StepAcrossSlices"] is False
    assert found["Bytes"]["Input"] == (three / "scan1.nii").stat().st_size
    assert str(tmp_path) not in json.dumps(content)


def test_only_what_is_not_done_is_done(three, tmp_path, address):
    output = tmp_path / "clean"

    def run(*options):
        before = {path: path.stat().st_mtime_ns for path in output.glob("*")}
        done = run_here("batch", three / "*", output, "--scheduler", address, *options)
        assert done.status == 0, done
        return {path.name for path in output.glob("*.nii") if path.stat().st_mtime_ns != before.get(path)}

    every = {"scan0.nii", "scan1.nii", "scan2.nii"}
    assert run() == every
    assert run() == set()
    write_scan(three / "scan1.nii", 9)
    assert run() == {"scan1.nii"}
    (output / "scan2.nii").write_bytes((output / "scan2.nii").read_bytes()[:-100])
    assert run() == {"scan2.nii"}
    (output / "scan0.nii").unlink()
    assert run() == {"scan0.nii"}
    assert run("--iterations", 2) == every
    assert record(output / "scan1.json")["Settings"]["iterations"] == 2
    assert run("--iterations", 2) == set()
    assert run("--iterations", 2, "--no-across") == every
    assert record(output / "scan1.json")["Settings"]["across_slices"] is False


def test_other_weights_do_it_again(three, tmp_path, address):
    content = torch.load(BUNDLED_WEIGHTS, weights_only=True)
    content["metadata"] = {**content["metadata"], "note": "others"}
    torch.save(content, tmp_path / "others.pt")
    arguments = ("batch", three / "*", tmp_path / "clean", "--scheduler", address)

    run_here(*arguments)
    done = run_here(*arguments, "--weights", tmp_path / "others.pt")

    assert "Denoised 3 of 3" in done.out


def test_a_file_that_no_batch_wrote_is_not_replaced(three, tmp_path, address):
    output = tmp_path / "clean"
    output.mkdir()
    (output / "scan1.nii").write_text("mine")
    (output / "scan2.json").write_text('{"mine": true}')

    done = run_here("batch", three / "*", output, "--scheduler", address)

    assert done.status == 1
    assert "scan1.nii" in done.out
    assert "scan2.nii" in done.out
    assert (output / "scan1.nii").read_text() == "mine"
    assert (output / "scan2.json").read_text() == '{"mine": true}'
    assert sorted(path.name for path in output.iterdir()) == ["scan0.json", "scan0.nii", "scan1.nii", "scan2.json"]


def test_a_full_disk_is_said_of_each_scan_and_holds_no_half_of_one(three, address, small_disk):
    for path in three.iterdir():
        nib.save(nib.Nifti1Image(np.random.default_rng(0).integers(0, 999, (60, 60, 20), np.int16), np.eye(4)), path)

    done = run_here("batch", three / "*", small_disk, "--scheduler", address, "--iterations", 1)

    assert done.status == 1
    assert done.out.count("could not be written") == 3
    assert list(small_disk.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="There is a CUDA device here.")
def test_workers_without_the_device_that_is_asked_for_say_so_of_each_scan(three, tmp_path, address):
    done = run_here("batch", three / "*", tmp_path / "clean", "--scheduler", address, "--device", "cuda")
    assert done.status == 1
    assert done.out.count("Device 'cuda' is not there (0 CUDA devices found): choose another, or cpu.") == 3
    assert not list((tmp_path / "clean").iterdir())
