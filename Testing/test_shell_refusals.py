"""How `neural-diffusion denoise` says no: status 2, one sentence, and a folder as it was before."""

from __future__ import annotations

import gzip
import os
import pty
import resource
import signal
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import shell_in_process
import SimpleITK as sitk
from shell import ROOT, command, environment, head, image, refused, rest, run, write


@pytest.fixture
def unchanged(tmp_path):
    """A folder that must not change after the test has filled it; call it to say that it is filled."""
    before: dict[Path, bytes] = {}

    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def filled() -> Path:
        before.update(content())
        return tmp_path

    yield filled
    assert content() == before
    assert not list(tmp_path.glob(".*"))


def _nan(path: Path) -> None:
    voxels = head(np.float32)
    voxels[2, 3, 4] = np.nan
    sitk.WriteImage(image(voxels), str(path))


def _colour(path: Path) -> None:
    sitk.WriteImage(sitk.Compose([image(head(np.uint8))] * 3), str(path))


def _two_volumes(path: Path) -> None:
    sitk.WriteImage(sitk.JoinSeries(image(head()), image(head())), str(path))


def _complex(path: Path) -> None:
    sitk.WriteImage(sitk.Cast(image(head()), sitk.sitkComplexFloat32), str(path))


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no image" * 100)


def _half(path: Path) -> None:
    write(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _half_unpacked(path: Path) -> None:
    """A file that was cut before it was compressed: the compression itself is sound."""
    write(path)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[: len(content) // 2]))


def _nifti_colour(path: Path) -> None:
    colours = np.zeros((4, 5, 6), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    nib.save(nib.Nifti1Image(colours, np.eye(4)), path)


def _nifti_labels(path: Path) -> None:
    labels = nib.Nifti1Image(head(np.uint8), np.eye(4))
    labels.header.set_intent("label")
    nib.save(labels, path)


def _pair_of_labels(path: Path) -> None:
    labels = nib.Nifti1Pair(head(np.uint8), np.eye(4))
    labels.header.set_intent("label")
    nib.save(labels, path)


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (_nifti_labels, "scan.nii.gz", "a label map by its header"),
        (_pair_of_labels, "scan.hdr", "a label map by its header"),
        (_pair_of_labels, "scan.img", "a label map by its header"),
        (write, "scan-label.nrrd", "a label map by its name"),
        (write, "sub-01_dseg.nii.gz", "a label map by its name"),
        (_nan, "scan.nrrd", "NaN"),
        (_nan, "scan.nii.gz", "NaN"),
        (_colour, "scan.nrrd", "per voxel"),
        (_nifti_colour, "scan.nii", "colours"),
        (_two_volumes, "scan.nii.gz", "2"),
        (_two_volumes, "scan.nrrd", "2"),
        (_complex, "scan.nrrd", "complex"),
        (_complex, "scan.nii", "complex"),
        (_garbage, "scan.nii.gz", "cannot be read"),
        (_garbage, "scan.nrrd", "cannot be read"),
        (_garbage, "scan.xyz", "cannot be read"),
        (_half, "scan.nii.gz", "cannot be read"),
        (_half, "scan.nii", "cannot be read"),
        (_half, "scan.nrrd", "cannot be read"),
        (_half, "scan.mha", "cannot be read"),
        (_half_unpacked, "scan.nii.gz", "cannot be read"),
        (lambda path: None, "scan.nrrd", "does not exist"),
        (lambda path: path.mkdir(), "scan", "no DICOM"),
    ],
)
def test_refuses_what_is_no_scan(unchanged, tmp_path, make, name, words):
    make(tmp_path / name)
    folder = unchanged()

    said = shell_in_process.refused(folder / name, folder / "clean.nii.gz", "--conduction", folder / "map.nrrd")

    assert words in said
    assert str(folder / name) in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clean.png"], ".nii.gz"),
        (["clean"], ".nii.gz"),
        (["missing/clean.nrrd"], "missing' does not exist: create it first."),
        (["scan.nrrd/clean.nrrd"], "scan.nrrd' is a file, in which nothing can be written: name a folder."),
        (["old.nrrd"], "--overwrite"),
        (["scan.nrrd"], "the input itself"),
        (["folder.nrrd"], "'folder.nrrd' is a folder: name a file."),
        (["clean.nrrd", "--conduction", "clean.nrrd"], "two outputs"),
        (["clean.nrrd", "--conduction", "old.nrrd"], "old.nrrd"),
        (["clean.nrrd", "--conduction", "map.jpg"], "map.jpg"),
        (["clean.nrrd", "--iterations", "0"], "1 to 64"),
        (["clean.nrrd", "--iterations", "many"], "--iterations"),
        (["clean.nrrd", "--neighbours", "6"], "4 or 8"),
        (["clean.nrrd", "--noise", "poisson"], "rician"),
        (["clean.nrrd", "--sigma", "-1"], "0 or more"),
        (["clean.nrrd", "--intensity-range", "5", "1"], "the lower first"),
        (["clean.nrrd", "--slice-axis", "z"], "auto, i, j or k"),
        (["clean.nrrd", "--series", "1"], "--series"),
        (["clean.nrrd", "--device", "quantum"], "quantum"),
        (["clean.nrrd", "--device", "cuda:99"], "cuda:99"),
        (["clean.nrrd", "--nonsense"], "--nonsense"),
        ([""], "One of the arguments is empty"),
        (["clean.nrrd", "--conduction", ""], "One of the arguments is empty"),
        ([], "OUTPUT"),
    ],
)
def test_refuses_what_cannot_be_done(unchanged, tmp_path, monkeypatch, arguments, words):
    write(tmp_path / "scan.nrrd")
    (tmp_path / "old.nrrd").write_text("a former result")
    (tmp_path / "folder.nrrd").mkdir()

    monkeypatch.chdir(unchanged())
    assert words in shell_in_process.sentence("scan.nrrd", *arguments)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_a_full_disk_leaves_what_was_there(unchanged, tmp_path, suffix):
    write(tmp_path / "scan.nrrd", head(np.float32, (20, 40, 40)))
    (tmp_path / f"clean{suffix}").write_text("a former result")

    # The system refuses to let any file grow beyond this, as it does when a disk is full.
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    sentence = refused(
        "scan.nrrd", f"clean{suffix}", "--overwrite", "--conduction", "map.nii", cwd=unchanged(), preexec_fn=small_disk
    )
    assert "could not be written" in sentence


def test_a_map_that_does_not_fit_takes_the_scan_with_it(unchanged, tmp_path):
    write(tmp_path / "scan.nii", head(np.int16, (20, 40, 40)))

    # Enough for 16-bit voxels, not for the 32-bit map.
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000))

    refused("scan.nii", "clean.nii", "--conduction", "map.nii", cwd=unchanged(), preexec_fn=small_disk)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_shows_its_progress_and_leaves_nothing_when_cancelled(unchanged, tmp_path, stop):
    write(tmp_path / "scan.nii", head(np.int16, (400, 96, 96)))
    terminal, process_side = pty.openpty()
    process = subprocess.Popen(
        command("denoise", "scan.nii", "clean.nii", "--iterations", "64"),
        cwd=unchanged(),
        env={**environment(), "TERM": "xterm"},
        stderr=process_side,
        stdout=process_side,
        # A background process of a shell ignores Ctrl-C; a test runner may be one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(process_side)
    shown = b""
    try:
        while b"/400" not in shown:
            shown += os.read(terminal, 1000)
        process.send_signal(stop)
        assert process.wait() == 130
    finally:
        process.kill()
        shown += rest(terminal)
    assert b"Denoising" in shown
    assert b"Cancelled" in shown
    assert b"Traceback" not in shown


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Only Linux has a disk that is always full.")
@pytest.mark.parametrize("arguments", [("denoise", "scan.nrrd", "clean.nrrd", "--device", "cpu"), ("--version",)])
def test_says_in_one_sentence_that_nothing_can_be_shown(tmp_path, arguments):
    write(tmp_path / "scan.nrrd")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command(*arguments), stdout=full, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"Standard output cannot be written (No space left on device), so that not all")
    assert done.stderr.count(b"\n") == 1
    assert (tmp_path / "clean.nrrd").exists() == (arguments[0] == "denoise")


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no folder that is the current one.")
@pytest.mark.parametrize("program", ["the command", "the command-line module"])
def test_refuses_to_run_in_a_folder_that_is_gone(tmp_path, program):
    scan, clean, gone = write(tmp_path / "scan.nrrd"), tmp_path / "clean.nrrd", tmp_path / "gone"
    gone.mkdir()
    module = [sys.executable, str(ROOT / "NeuralDiffusion" / "CommandLine" / "NeuralDiffusionCommandLine.py")]
    begin, status = (command("denoise"), 2) if program == "the command" else (module, 1)
    words = ["sh", "-c", 'rmdir "$PWD" && "$@"', "sh", *begin, str(scan), str(clean), "--device", "cpu"]
    done = subprocess.run(words, capture_output=True, env=environment(), cwd=gone, check=False)
    assert (done.returncode, done.stderr) == (status, b"The current folder is gone: change into another.\n")
    assert not clean.exists()


def test_refuses_an_unknown_command_in_one_sentence():
    done = run("denoize")

    assert done.returncode == 2
    assert "denoize" in done.stderr
    assert done.stderr.count("\n") == 1
