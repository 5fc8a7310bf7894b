"""File names that are not UTF-8, as old disks have them: read, written and told of, or refused in one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from batch_runs import run_here
from shell import ROOT, command, environment, head, image, voxels_of, write
from shell_in_process import refused
from test_shell_dicom import rounded, write_series

from NeuralDiffusionLib.file_names import is_text, shown
from NeuralDiffusionTraining.files.result_files import read_json

OLD = os.fsdecode(b"Sch\xe4del")
REFUSED = "has characters that are not valid UTF-8: give the file, or its folder, another name."
STRICT = {**environment(), "PYTHONIOENCODING": "utf-8:strict"}


@pytest.fixture
def scans(tmp_path):
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


def old_scan(folder: Path, suffix: str) -> Path:
    return write(folder / f"scan{suffix}").rename(folder / f"{OLD}{suffix}")


def test_a_name_is_shown_with_its_bytes_where_it_is_no_text():
    assert (is_text(Path("Schädel 脳")), shown(Path("Schädel 脳"))) == (True, "Schädel 脳")
    assert (is_text(Path(OLD)), shown(Path(OLD))) == (False, "Sch\\xe4del")


def test_denoise_takes_nifti_files_and_names_them_on_a_terminal_that_cannot_show_them(scans):
    scan, clean = old_scan(scans, ".nii.gz"), scans / f"{OLD} clean.nii.gz"
    done = subprocess.run(
        command("denoise", scan, clean, "--iterations", 1, "--device", "cpu"), capture_output=True, env=STRICT
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Sch" in done.stdout
    assert done.stdout.count(b"\n") == 1
    assert voxels_of(clean.rename(scans / "clean.nii.gz")).shape == head().shape


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_others_are_refused_before_they_end_the_process(scans, suffix):
    scan = old_scan(scans, suffix)
    sound = write(scans / f"sound{suffix}")
    before = sorted(scans.iterdir())
    refusal = "has characters that are not valid UTF-8, which only NIfTI files may have: give it another name."
    assert refused(scan, scans / "clean.nrrd").endswith(f"Sch\\xe4del{suffix} {refusal}")
    assert refused(sound, scans / f"{OLD}.clean{suffix}").endswith(f"Sch\\xe4del.clean{suffix} {refusal}")
    assert refusal in refused(sound, scans / f"clean{suffix}", "--conduction", scans / f"{OLD}.map{suffix}")
    assert sorted(scans.iterdir()) == before


@pytest.mark.parametrize("part", ["folder", "file"])
def test_dicom_images_of_such_a_name_are_refused(scans, part):
    folder = scans / (OLD if part == "folder" else "dicom")
    write_series(folder, rounded(image(head())))
    if part == "file":
        for number, path in enumerate(sorted(folder.iterdir())):
            path.rename(folder / f"{OLD}{number}.dcm")
    sentence = refused(scans, scans / "clean.nrrd")
    assert re.search(r"Sch\\xe4del(\d\.dcm)? has characters that are not valid UTF-8", sentence)


def test_a_refusal_can_name_them_there_too(scans):
    (scans / f"{OLD}.nii").write_text("no scan")
    done = subprocess.run(
        command("denoise", scans / f"{OLD}.nii", scans / "clean.nrrd"), capture_output=True, env=STRICT
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"cannot be read" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_batch_takes_them_and_describes_them(scans, tmp_path):
    old_scan(scans, ".nii")
    (scans / f"{OLD} broken.nii").write_text("no scan")
    write(scans / "scan.nrrd").rename(scans / f"{OLD} 2.nrrd")
    done = subprocess.run(
        command("batch", scans / "*", tmp_path / "clean", "--workers", 1, "--iterations", 1, "--device", "cpu"),
        capture_output=True,
        env={**STRICT, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 1, done.stderr
    assert b"Denoised 1 of 3 scans" in done.stdout
    assert b"| Sch\\xe4del broken.nii | Cannot be read as NIfTI" in done.stdout
    assert b"has characters that are not valid UTF-8" in done.stdout
    assert b"Traceback" not in done.stderr
    assert read_json(tmp_path / "clean" / f"{OLD}.json")["Sources"] == [f"{OLD}.nii"]
    again = run_here("batch", scans / "*", tmp_path / "clean", "--workers", 1, "--iterations", 1, "--device", "cpu")
    assert "1 was done already, 2 failed" in again.out


IN_SLICER = """
import sys
import slicer_host
slicer_host.install()
from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseSettings
settings = DenoiseSettings(iterations=1)
table = NeuralDiffusionLogic().denoiseAll(*sys.argv[1:], settings=settings, device="cpu").GetTable()
for row in range(table.GetNumberOfRows()):
    print(table.GetValueByName(row, "Name").ToString(), "|", table.GetValueByName(row, "Status").ToString())
"""


def in_slicer(*arguments: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([environment()["PYTHONPATH"], str(ROOT / "Testing")])
    return subprocess.run(
        [sys.executable, "-c", IN_SLICER, *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        env={**environment(), "PYTHONPATH": path},
    )


def test_a_folder_in_slicer_goes_on_past_them_instead_of_ending_slicer(scans, tmp_path):
    old_scan(scans, ".nii")
    write(scans / "sound.nii")
    done = in_slicer(scans, tmp_path / "clean")
    assert done.returncode == 0, done.stderr
    old, sound = done.stdout.splitlines()
    assert old.startswith("Sch\\xe4del.nii | ")
    assert old.endswith(REFUSED)
    assert sound == "sound.nii | Denoised."
    assert [path.name for path in (tmp_path / "clean").iterdir()] == ["sound.nii"]


def test_an_output_folder_of_such_a_name_is_refused_in_slicer_before_it_is_made(scans, tmp_path):
    write(scans / "sound.nii")
    done = in_slicer(scans, tmp_path / OLD)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith(REFUSED)
    assert not (tmp_path / OLD).exists()


def test_the_command_line_module_refuses_them(scans):
    script = ROOT / "NeuralDiffusion" / "CommandLine" / "NeuralDiffusionCommandLine.py"
    old, sound = old_scan(scans, ".nrrd"), write(scans / "sound.nrrd")
    before = sorted(scans.iterdir())
    for arguments in ((old, scans / "clean.nrrd"), (sound, scans / f"{OLD} clean.nrrd")):
        done = subprocess.run([sys.executable, script, *arguments, "--device", "cpu"], capture_output=True)
        assert done.returncode == 1
        assert done.stderr.strip().endswith(b"has characters that are not valid UTF-8: give it another name.")
        assert done.stderr.count(b"\n") == 1
    assert sorted(scans.iterdir()) == before


def test_tables_of_a_scan_of_such_a_name_are_written(scans, tmp_path):
    scan = write(scans / "scan.nii.gz", head(shape=(6, 40, 48))).rename(scans / f"{OLD}.nii.gz")
    done = run_here(
        "evaluate-volumes", scan, "--no-peers", "--sigma", 0.1, "--iterations", 1, "--device", "cpu",
        "--markdown", tmp_path / "v.md", "--csv", tmp_path / "v.csv", "--json", tmp_path / "v.json",
    )  # fmt: skip
    assert done.status == 0, done.err
    for name in ("v.md", "v.csv", "v.json"):
        assert "Sch\\udce4del.nii.gz" in (tmp_path / name).read_text(encoding="utf-8"), name
