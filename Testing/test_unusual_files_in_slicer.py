"""Files and disks that make trouble, through Slicer's readers and writers: `denoiseAll` and the command-line module.

ITK, which they are built on, takes a NIfTI file that was cut for a whole one, says nothing of a full disk when it
writes one, and ends the process over some headers.
"""

from __future__ import annotations

import gzip
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from shell import ROOT, environment, head, raw_file, voxels_of, without_privileges, write
from shell_in_process import denoised

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionTraining.files.image_files import read_scan

pytest_plugins = ("small_disk",)
FORMATS = (".nii", ".nii.gz", ".nrrd", ".mha")
SCRIPT = ROOT / "NeuralDiffusion" / "CommandLine" / "NeuralDiffusionCommandLine.py"
QUICK = DenoiseSettings(iterations=1)
# Stops itself in the second file of a folder.
STOPPED = """
import os, signal, sys
import slicer_host
slicer_host.install()
from NeuralDiffusion import NeuralDiffusionLogic
def progress(done, files):
    if done > 1.1:
        os.kill(os.getpid(), signal.Signals[sys.argv[1]])
signal.signal(signal.SIGINT, signal.default_int_handler)
NeuralDiffusionLogic().denoiseAll(*sys.argv[2:], progress=progress, overwrite=True, device="cpu")
"""
STATUSES = """
import sys
import slicer_host
slicer_host.install()
from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseSettings
settings = DenoiseSettings(iterations=1)
table = NeuralDiffusionLogic().denoiseAll(*sys.argv[1:], settings=settings, device="cpu").GetTable()
for row in range(table.GetNumberOfRows()):
    print(table.GetValueByName(row, "Status").ToString())
"""
TESTING = {**environment(), "PYTHONPATH": os.pathsep.join([environment()["PYTHONPATH"], str(ROOT / "Testing")])}


def with_bytes(place: int, packing: str, *values: object):
    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        struct.pack_into(packing, changed, place, *values)
        return bytes(changed)

    return change


def with_words(words: bytes, others: bytes):
    def change(content: bytes) -> bytes:
        assert words in content
        return content.replace(words, others)

    return change


def cut(share: float):
    return lambda content: content[: int(share * len(content))]


DAMAGE = {
    **{f"cut at {share} {suffix}": (suffix, cut(share)) for share in (0.02, 0.5, 0.97) for suffix in FORMATS},
    **{f"empty {suffix}": (suffix, cut(0)) for suffix in FORMATS},
    "cut, then compressed": (".nii.gz", lambda content: gzip.compress(cut(0.5)(gzip.decompress(content)))),
    "wrong checksum": (".nii.gz", with_bytes(-6, "B", 255)),
    "larger than its file": (".nii", with_bytes(42, "<hhh", 8, 30361, 32406)),
    "larger than any memory": (".nii", with_bytes(42, "<hhh", 32767, 32767, 32767)),
    "eight axes": (".nii", with_bytes(40, "<h", 8)),
    "no type": (".nii", with_bytes(70, "<h", 999)),
    "voxels beyond the end": (".nii", with_bytes(108, "<f", 1e9)),
    "voxels nowhere": (".nii", with_bytes(108, "<f", float("nan"))),
    "no magic": (".nii", with_bytes(344, "<4s", b"none")),
    "minus one axis": (".mha", with_words(b"NDims = 3", b"NDims = -1")),
    "many axes": (".mha", with_words(b"NDims = 3", b"NDims = 99999999999")),
    "minus one column": (".mha", with_words(b"DimSize = 20", b"DimSize = -1")),
    "more columns than a number holds": (".mha", with_words(b"DimSize = 20", b"DimSize = 99999999999")),
    "more than its file holds": (".mha", with_words(b"DimSize = 20 24", b"DimSize = 20000 24000")),
    "more rows than any file holds": (".nrrd", with_words(b"sizes: 20 24", b"sizes: 20 99999999999")),
    "minus one row": (".nrrd", with_words(b"sizes: 20 24", b"sizes: 20 -1")),
}
NAMES = ["with space", "Schädel Ä ö ß", "脳の画像 磁気共鳴", "'quoted' \"twice\"", "-dash", "100% {name}", "new\nline"]


@pytest.fixture
def run(scene):
    """Denoise the files of a folder; give what the table says of each."""
    logic = NeuralDiffusionLogic()

    def run(folder: Path, output: Path, **options: object) -> dict[str, str]:
        table = logic.denoiseAll(folder, output, settings=QUICK, device="cpu", **options).GetTable()
        rows = range(table.GetNumberOfRows())
        return {
            table.GetValueByName(row, "Name").ToString(): table.GetValueByName(row, "Status").ToString() for row in rows
        }

    yield run
    logic.close()


@pytest.fixture
def scans(tmp_path):
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


def assert_sentence(text: str, words: str) -> None:
    assert words in text
    assert text.endswith(".")
    assert "\n" not in text


class TestFolder:
    def test_no_damaged_file_is_taken_and_none_stops_another(self, tmp_path, scans, run):
        sound = {suffix: write(scans / f"sound {FORMATS.index(suffix)}{suffix}").read_bytes() for suffix in FORMATS}
        names = {f"{name.replace(' ', '-')}{suffix}": change for name, (suffix, change) in DAMAGE.items()}
        for name, change in names.items():
            suffix = next(end for end in (".nii.gz", ".nii", ".nrrd", ".mha") if name.endswith(end))
            (scans / name).write_bytes(change(sound[suffix]))
        found = run(scans, tmp_path / "clean")
        for name in names:
            assert_sentence(found.pop(name), f"'{name}' cannot be read as one scalar volume: it is damaged")
        assert found == {f"sound {number}{suffix}": "Denoised." for number, suffix in enumerate(FORMATS)}
        assert {path.name for path in (tmp_path / "clean").iterdir()} == set(found)

    @pytest.mark.parametrize("made", FORMATS)
    @pytest.mark.parametrize("named", FORMATS)
    def test_a_wrong_ending_is_refused_or_read_rightly(self, tmp_path, scans, run, made, named):
        write(tmp_path / f"scan{made}").rename(scans / f"scan{named}")
        (status,) = run(scans, tmp_path / "clean").values()
        # A NIfTI file need not be compressed to be read under the name of a compressed one.
        if made == named or (made, named) == (".nii", ".nii.gz"):
            assert voxels_of(tmp_path / "clean" / f"scan{named}").shape == head().shape
        else:
            assert_sentence(status, "cannot be read as one scalar volume")

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_nifti_files_of_either_byte_order_are_taken(self, tmp_path, scans, run, order):
        image = nib.Nifti1Image(head().T, np.eye(4), nib.Nifti1Header(endianness=order))
        nib.save(image, scans / "scan.nii")
        nib.save(image, scans / "packed.nii.gz")
        assert set(run(scans, tmp_path / "clean").values()) == {"Denoised."}

    @pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
    def test_other_files_of_either_byte_order_are_taken(self, tmp_path, scans, run, suffix):
        for order, kind in (("little", "<i2"), ("big", ">i2")):
            (scans / f"{order}{suffix}").write_bytes(raw_file(suffix, head(), order) + head().astype(kind).tobytes())
        assert set(run(scans, tmp_path / "clean").values()) == {"Denoised."}
        little, big = (voxels_of(tmp_path / "clean" / f"{order}{suffix}") for order in ("little", "big"))
        np.testing.assert_array_equal(little, big)

    @pytest.mark.parametrize("shape", [(4, 5, 6, 2), (4, 5, 1, 2), (4, 5, 6, 1, 3)])
    def test_more_than_one_volume_is_refused(self, tmp_path, scans, run, shape):
        nib.save(nib.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), scans / "scan.nii")
        assert_sentence(run(scans, tmp_path / "clean")["scan.nii"], "cannot be read as one scalar volume")
        assert list((tmp_path / "clean").iterdir()) == []

    def test_a_compressed_file_is_not_read_from_another_one_of_its_name(self, tmp_path, scans, run):
        write(scans / "scan.nii", head(np.int16))
        write(scans / "scan.nii.gz", head(np.int16)[::-1].copy())
        found = run(scans, tmp_path / "clean")
        assert found["scan.nii"] == "Denoised."
        assert_sentence(found["scan.nii.gz"], "would be read from 'scan.nii' beside it")
        assert [path.name for path in (tmp_path / "clean").iterdir()] == ["scan.nii"]

    def test_any_name_is_read_and_written(self, tmp_path, scans, run):
        for number, name in enumerate(NAMES):
            suffix = FORMATS[number % len(FORMATS)]
            write(tmp_path / f"scan{suffix}").rename(scans / f"{name}{suffix}")
        found = run(scans, tmp_path / "脳 ä" / "clean")
        assert set(found.values()) == {"Denoised."}
        assert {path.name for path in (tmp_path / "脳 ä" / "clean").iterdir()} == set(found)

    def test_a_path_of_more_than_300_characters_is_taken(self, tmp_path, run):
        folder = tmp_path.joinpath(*["deep " * 12] * 5)
        folder.mkdir(parents=True)
        for number, suffix in enumerate(FORMATS):
            write(tmp_path / f"scan{suffix}").rename(folder / f"scan {number}{suffix}")
        assert set(run(folder, folder / "clean").values()) == {"Denoised."}
        assert len(list((folder / "clean").iterdir())) == len(FORMATS)

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_a_full_disk_is_said_and_leaves_what_was_there(self, scans, run, small_disk, suffix):
        write(scans / f"scan{suffix}", head(np.float32, (30, 40, 40)))
        (small_disk / f"scan{suffix}").write_text("a former result")
        (status,) = run(scans, small_disk, overwrite=True).values()
        assert_sentence(status, f"scan{suffix}' could not be written")
        assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == {f"scan{suffix}": b"a former result"}

    def in_process_without_privileges(self, *arguments: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*without_privileges(), sys.executable, "-c", STATUSES, *arguments],
            capture_output=True,
            text=True,
            env=TESTING,
        )

    def test_a_file_that_may_not_be_read_is_named(self, tmp_path, scans):
        write(scans / "scan.nii").chmod(0)
        done = self.in_process_without_privileges(scans, tmp_path / "clean")
        assert done.stdout == (
            "'scan.nii' cannot be read (Permission denied): ask for the permission to read it, or try again.\n"
        )

    @pytest.mark.parametrize("made", [False, True])
    def test_an_output_folder_that_may_not_be_written_into_is_named(self, tmp_path, scans, made):
        write(scans / "scan.nii")
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o555)
        done = self.in_process_without_privileges(scans, locked if made else locked / "clean")
        said = done.stdout if made else done.stderr.strip().splitlines()[-1]
        assert "Permission denied" in said
        assert "choose another" in said
        assert list(locked.iterdir()) == []

    def test_a_folder_that_may_not_be_read_is_named(self, tmp_path, scans):
        write(scans / "scan.nii")
        scans.chmod(0)
        try:
            done = self.in_process_without_privileges(scans, tmp_path / "clean")
        finally:
            scans.chmod(0o755)
        assert f"'{scans}' cannot be read (Permission denied)" in done.stderr.strip().splitlines()[-1]
        assert not (tmp_path / "clean").exists()

    def test_a_folder_whose_name_no_disk_can_hold_is_none(self, tmp_path, run):
        with pytest.raises(InvalidVolumeError, match="xxx' is not a folder: choose the folder of the scans"):
            run(tmp_path / ("x" * 300), tmp_path / "clean")

    def test_axes_without_extent_are_refused(self, tmp_path, scans, run):
        sound = {suffix: write(scans / f"scan{suffix}").read_bytes() for suffix in (".mha", ".nrrd")}
        for path in scans.iterdir():
            path.unlink()
        no_spacing = re.sub(rb"(?m)^ElementSpacing = .*$", b"ElementSpacing = 0 0 0", sound[".mha"])
        (scans / "spacing.mha").write_bytes(no_spacing)
        no_axes = re.sub(rb"(?m)^space directions: .*$", b"space directions: (0,0,0) (0,0,0) (0,0,0)", sound[".nrrd"])
        (scans / "axes.nrrd").write_bytes(no_axes)
        affine = np.diag([0.8, 0.9, 0.0, 1.0])
        image = nib.Nifti1Image(np.ascontiguousarray(head().T), np.eye(4))
        image.set_sform(affine, 1)
        image.header["qform_code"] = 0
        image.header["pixdim"][1:4] = 0
        image.to_filename(scans / "sform.nii")
        for status in run(scans, tmp_path / "clean").values():
            assert_sentence(status, "'")
            assert status != "Denoised."
        assert list((tmp_path / "clean").iterdir()) == []

    @pytest.mark.parametrize("batch", range(1, 7))
    def test_a_run_that_is_cancelled_at_any_batch_leaves_the_former_file(
        self, tmp_path, scans, run, monkeypatch, batch
    ):
        monkeypatch.setattr(engine, "batch_size", lambda *_: 1)
        write(scans / "scan.nii")
        (tmp_path / "clean").mkdir()
        (tmp_path / "clean" / "scan.nii").write_text("a former result")
        asked = []

        def cancelled():
            asked.append(True)
            return len(asked) > batch

        found = run(scans, tmp_path / "clean", overwrite=True, cancelled=cancelled)
        assert found == {"scan.nii": "Cancelled: nothing was written."}
        assert {path.name: path.read_text() for path in (tmp_path / "clean").iterdir()} == {
            "scan.nii": "a former result"
        }

    def test_a_link_to_nothing_is_named(self, tmp_path, scans, run):
        (scans / "scan.nii").mkdir()
        write(scans / "other.nii")
        (scans / "gone.nii").symlink_to(tmp_path / "gone.nii")
        assert run(scans, tmp_path / "clean") == {"other.nii": "Denoised."}

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_a_nifti_file_with_sheared_axes_is_named_and_taken_as_nrrd(self, tmp_path, scans, run, suffix):
        affine = np.diag([0.8, 0.9, 3.0, 1.0])
        affine[0, 1] = 0.3
        nib.save(nib.Nifti1Image(np.ascontiguousarray(head().T), affine), scans / f"scan{suffix}")
        (status,) = run(scans, tmp_path / "clean").values()
        assert status.startswith(f"'scan{suffix}' has sheared axes")
        (tmp_path / "converted").mkdir()
        denoised(scans / f"scan{suffix}", tmp_path / "converted" / "scan.nrrd")
        assert run(tmp_path / "converted", tmp_path / "clean") == {"scan.nrrd": "Denoised."}
        np.testing.assert_allclose(read_scan(tmp_path / "clean" / "scan.nrrd").affine, affine, atol=1e-6)

    @pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
    def test_a_stopped_run_leaves_whole_files_and_former_ones_alone(self, tmp_path, scans, stop):
        """Stopped after some batches of the second file."""
        write(scans / "a.nii", head(np.int16, (3, 24, 20)))
        write(scans / "b.nii", head(np.int16, (400, 64, 64)))
        (tmp_path / "clean").mkdir()
        (tmp_path / "clean" / "b.nii").write_text("a former result")
        done = subprocess.run([sys.executable, "-c", STOPPED, stop.name, "scans", "clean"], cwd=tmp_path, env=TESTING)
        assert done.returncode == -stop
        assert (tmp_path / "clean" / "b.nii").read_text() == "a former result"
        assert voxels_of(tmp_path / "clean" / "a.nii").shape == (3, 24, 20)
        assert {path.name for path in (tmp_path / "clean").iterdir()} == {"a.nii", "b.nii"}


class TestCommandLineModule:
    def refused(self, *arguments: object, **options: object) -> str:
        done = subprocess.run(
            [sys.executable, SCRIPT, *map(str, arguments), "--iterations", "1", "--device", "cpu"],
            capture_output=True,
            text=True,
            **options,
        )
        assert done.returncode == 1, done
        # ITK's own complaint may stand before.
        return done.stderr.splitlines()[-1]

    @pytest.mark.parametrize("kind", ["cut at 0.5 .nii", "cut at 0.97 .nii.gz", "larger than its file", "many axes"])
    def test_a_damaged_file_is_refused(self, tmp_path, kind):
        suffix, change = DAMAGE[kind]
        scan = write(tmp_path / f"scan{suffix}")
        scan.write_bytes(change(scan.read_bytes()))
        assert_sentence(self.refused(scan, tmp_path / "clean.nrrd"), "cannot be read as an image")
        assert [path.name for path in tmp_path.iterdir()] == [scan.name]

    def test_a_name_that_no_disk_can_hold_is_refused(self, tmp_path):
        scan, long = write(tmp_path / "scan.nrrd"), tmp_path / ("x" * 300 + ".nrrd")
        assert_sentence(self.refused(scan, long), "cannot be used (File name too long): choose another name")
        assert_sentence(self.refused(long, tmp_path / "clean.nrrd"), "cannot be read as an image")
        assert [path.name for path in tmp_path.iterdir()] == [scan.name]

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_a_full_disk_leaves_nothing(self, tmp_path, small_disk, suffix):
        scan = tmp_path / "scan.nrrd"
        sitk.WriteImage(sitk.GetImageFromArray(head(np.float32, (30, 40, 40))), str(scan))
        assert_sentence(self.refused(scan, small_disk / f"clean{suffix}"), "could not be written")
        assert list(small_disk.iterdir()) == []
