"""What a worker of `neural-diffusion batch` does with one scan: result and sidecar, or what was there before."""

from __future__ import annotations

import errno
import hashlib
import os
from unittest.mock import Mock

import numpy as np
import pytest
import SimpleITK as sitk
from batch_runs import write_scan
from shell import head

from NeuralDiffusionLib import DenoiseSettings, whole_files
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS
from NeuralDiffusionTraining.cohort import task
from NeuralDiffusionTraining.cohort.record import Order, read_record
from NeuralDiffusionTraining.cohort.scans import find_cohort, sidecar_of


@pytest.fixture
def one(tmp_path):
    """Denoise a scan in this process; give the outcome, and the paths of result and sidecar."""
    write_scan(tmp_path / "scans" / "scan0.nii")

    def one(run="this run", **settings):
        (scan,) = find_cohort(str(tmp_path / "scans" / "*"), tmp_path / "clean").scans
        sha256 = hashlib.sha256(BUNDLED_WEIGHTS.read_bytes()).hexdigest()
        order = Order(DenoiseSettings(**settings), False, "cpu", None, sha256, run)
        return task.run_task(task.ScanTask(scan, order)), scan.output, sidecar_of(scan.output)

    return one


def test_what_lies_outside_of_the_training_stands_in_the_sidecar(one):
    outcome, _, sidecar = one(iterations=1, sigma=1e6)
    assert outcome.state == "denoised"
    assert any("outside the range of training" in note for note in read_record(sidecar)["Notes"])


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_a_scan_is_denoised_again_where_only_the_voxels_beside_its_header_have_changed(tmp_path, suffix):
    source = tmp_path / "scans" / f"scan{suffix}"
    source.parent.mkdir()
    sha256 = hashlib.sha256(BUNDLED_WEIGHTS.read_bytes()).hexdigest()
    means, states = [], []
    for run, brighter in enumerate((0, 0, 800)):
        sitk.WriteImage(sitk.GetImageFromArray(head(shape=(4, 32, 32)).astype(np.int16) + np.int16(brighter)), source)
        (scan,) = find_cohort(str(tmp_path / "scans" / "*"), tmp_path / "clean").scans
        order = Order(DenoiseSettings(iterations=1), False, "cpu", None, sha256, str(run))
        states.append(task.run_task(task.ScanTask(scan, order)).state)
        means.append(sitk.GetArrayFromImage(sitk.ReadImage(scan.output)).mean())
        held = sum(path.stat().st_size for path in source.parent.iterdir())
        assert read_record(sidecar_of(scan.output))["Bytes"]["Input"] == held
    assert states == ["denoised", "already done", "denoised"]
    assert means[2] > means[0] + 700


@pytest.mark.parametrize("name", ["scan0.nii", "scan0.json"])
def test_a_file_that_appears_while_the_scan_is_denoised_is_not_replaced(one, tmp_path, monkeypatch, name):
    written = tmp_path / "clean" / name

    def write(*arguments):
        written.write_text("mine")
        write_denoised(*arguments)

    write_denoised = task.write_denoised
    monkeypatch.setattr(task, "write_denoised", write)
    outcome, _, _ = one(iterations=1)
    assert outcome.state == "failed"
    what = f"{written} appeared while the scan was denoised and was left as it is"
    assert outcome.reason == f"{what}: choose another folder."
    assert {path.name: path.read_text() for path in written.parent.iterdir()} == {name: "mine"}


def test_a_scan_that_two_workers_of_a_run_were_given_is_done(one, monkeypatch):
    def write(*arguments):
        monkeypatch.setattr(task, "write_denoised", write_denoised)
        # As Dask does if it loses sight of the first.
        assert one(iterations=1)[0].state == "denoised"
        write_denoised(*arguments)

    write_denoised = task.write_denoised
    monkeypatch.setattr(task, "write_denoised", write)
    outcome, output, sidecar = one(iterations=1)
    assert outcome.state == "denoised", outcome
    assert read_record(sidecar)["OutputSha256"] == hashlib.sha256(output.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["scan0.nii", "scan0.json"])
def test_a_disk_that_is_full_at_the_last_moment_leaves_the_former_scan_and_its_sidecar(one, monkeypatch, name):
    assert one(iterations=1)[0].state == "denoised"
    _, output, sidecar = one(iterations=1)
    before = {path: path.read_bytes() for path in (output, sidecar)}

    def flush(path):
        if path.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(whole_files, "_flush_to_disk", flush)
    outcome, _, _ = one("another run", iterations=2)
    assert outcome.state == "failed"
    assert "could not be written (No space left on device)" in outcome.reason
    assert {path: path.read_bytes() for path in output.parent.iterdir()} == before


def test_a_scan_whose_worker_was_killed_before_it_took_its_place_is_not_said_to_be_done(one, monkeypatch):
    assert one(iterations=1)[0].state == "denoised"
    _, output, _ = one(iterations=1)
    # Of this run the sidecar alone is there: the scan is what it was before.
    output.write_bytes(output.read_bytes()[:-100])
    full = Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    monkeypatch.setattr(whole_files, "_flush_to_disk", full)
    outcome, _, _ = one(iterations=1)
    assert outcome.state == "failed"
    assert "could not be written (No space left on device)" in outcome.reason


@pytest.mark.parametrize("settings", [{"iterations": 1}, {"iterations": 2}])
def test_a_result_that_somebody_edited_is_not_replaced(one, settings):
    _, output, sidecar = one(iterations=1)
    edited = sitk.ReadImage(output) * 2
    sitk.WriteImage(edited, output)
    before = {path: path.read_bytes() for path in (output, sidecar)}
    outcome, _, _ = one("another run", **settings)
    assert outcome.state == "failed"
    assert outcome.reason == f"{output} was changed since and was left as it is: move it away to have it made anew."
    assert {path: path.read_bytes() for path in output.parent.iterdir()} == before


def test_a_run_that_was_killed_between_sidecar_and_result_is_made_good_by_the_next(one):
    _, output, sidecar = one(iterations=1)
    former = output.read_bytes()
    # Twice, as that may happen again.
    for iterations in (2, 3):
        assert one("another run", iterations=iterations)[0].state == "denoised"
        output.write_bytes(former)
    assert one("the next", iterations=3)[0].state == "denoised"
    assert read_record(sidecar)["OutputSha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert output.read_bytes() != former


@pytest.mark.parametrize("place", ["read_source", "write_denoised"])
def test_a_scan_that_memory_is_too_small_to_read_or_write_fails_alone(one, monkeypatch, place):
    monkeypatch.setattr(task, place, Mock(side_effect=MemoryError()))
    outcome, output, sidecar = one(iterations=1)
    assert outcome.state == "failed"
    assert outcome.reason == "The main memory is too small for it: run fewer workers, or denoise a part of the scan."
    assert not output.exists()
    assert not sidecar.exists()
