"""Files and places that make trouble: the command line writes the whole result, or one sentence and nothing."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from shell import command, environment, files_in, head, image, raw_file, voxels_of, without_privileges, write
from shell_in_process import denoised, refused, run

from NeuralDiffusionLib.image_headers import is_sound

FORMATS = (".nii", ".nii.gz", ".nrrd", ".mha")
LONG = "x" * 300 + ".nrrd"
NAMES = ["with space", "Schädel Ä ö ß", "脳の画像 磁気共鳴", "'quoted' \"twice\"", "-dash", "100% {name}", "new\nline"]


def nifti(path: Path, voxels: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(np.ascontiguousarray((head() if voxels is None else voxels).T), np.eye(4)), path)
    return path


class TestNames:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
    def test_any_name_is_read_and_written(self, tmp_path, monkeypatch, name, suffix):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        scan = write(tmp_path / f"scan{suffix}").rename(folder / f"{name} in{suffix}")
        assert denoised(scan, folder / f"{name} out{suffix}").voxels.shape == head().shape

    def test_a_path_of_more_than_300_characters_is_taken(self, tmp_path):
        folder = tmp_path.joinpath(*["deep " * 12] * 5)
        folder.mkdir(parents=True)
        assert len(str(folder)) > 300
        scan = write(tmp_path / "scan.nii.gz").rename(folder / "scan.nii.gz")
        assert denoised(scan, folder / "clean.nii.gz").voxels.shape == head().shape

    def test_a_name_that_no_disk_can_hold_is_refused(self, tmp_path):
        scan = write(tmp_path / "scan.nrrd")
        before = files_in(tmp_path)
        for arguments in ((tmp_path / LONG, tmp_path / "clean.nrrd"), (scan, tmp_path / LONG)):
            with pytest.MonkeyPatch.context() as patch:
                # `refused` looks at the output itself.
                patch.setattr(Path, "is_file", lambda path: False)
                assert "x" * 300 in refused(*arguments)
        assert "x" * 300 in refused(scan, tmp_path / "clean.nrrd", "--conduction", tmp_path / LONG)
        assert files_in(tmp_path) == before


class TestFormats:
    @pytest.mark.parametrize(
        ("made", "named"),
        [(made, named) for made in FORMATS for named in (*FORMATS, ".png", ".dcm", "") if made != named],
    )
    def test_a_file_with_the_wrong_ending_is_refused(self, tmp_path, made, named):
        scan = tmp_path / f"wrong{named}"
        shutil.copy(write(tmp_path / f"scan{made}"), scan)
        assert "cannot be read" in refused(scan, tmp_path / "clean.nii")

    @pytest.mark.parametrize("packed", ["", ".gz"])
    @pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Spm99AnalyzeImage])
    def test_a_pair_of_files_is_taken_and_refused_where_it_was_cut(self, tmp_path, kind, packed):
        nib.save(kind(np.ascontiguousarray(head().T), np.eye(4)), tmp_path / f"scan.img{packed}")
        named = tmp_path / ("scan.hdr" if not packed else "scan.hdr.gz")
        done = denoised(named, tmp_path / "clean.nrrd")
        assert done.voxels.shape == head().shape
        (tmp_path / "clean.nrrd").unlink()
        content = (tmp_path / f"scan.img{packed}").read_bytes()
        (tmp_path / f"scan.img{packed}").write_bytes(content[: len(content) // 2])
        for name in ("scan.hdr", "scan.img"):
            assert "cannot be read" in refused(tmp_path / f"{name}{packed}", tmp_path / "clean.nrrd")

    @pytest.mark.parametrize(("unit", "millimetres"), [("meter", 1000), ("mm", 1), ("micron", 0.001)])
    def test_lengths_of_nifti_become_millimetres_elsewhere_and_stay_in_nifti(self, tmp_path, unit, millimetres):
        scan = nifti(tmp_path / "scan.nii")
        image = nib.load(scan, mmap=False)
        image.header.set_xyzt_units(unit)
        nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), np.diag([2.0, 3, 4, 1]), image.header), scan)
        denoised(scan, tmp_path / "clean.nrrd")
        expected = [2 * millimetres, 3 * millimetres, 4 * millimetres]
        np.testing.assert_allclose(sitk.ReadImage(str(tmp_path / "clean.nrrd")).GetSpacing(), expected)
        denoised(scan, tmp_path / "clean.nii")
        clean = nib.load(tmp_path / "clean.nii")
        np.testing.assert_allclose(clean.header.get_zooms(), [2, 3, 4])
        assert clean.header.get_xyzt_units()[0] == unit

    @pytest.mark.parametrize("suffix", [".NRRD", ".NII.GZ", ".Nrrd"])
    def test_an_ending_in_capitals_is_written(self, tmp_path, suffix):
        assert run(write(tmp_path / "scan.nrrd"), tmp_path / f"clean{suffix}")[0] == 0
        assert {path.name for path in tmp_path.iterdir()} == {"scan.nrrd", f"clean{suffix}"}
        assert voxels_of(tmp_path / f"clean{suffix}").shape == head().shape

    def test_an_ending_in_capitals_that_nobody_could_read_is_refused(self, tmp_path):
        said = refused(write(tmp_path / "scan.nrrd"), tmp_path / "clean.MHA")
        assert said.endswith("clean.MHA cannot be written: its name must end in .nii.gz, .nii, .nrrd or .mha.")

    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("version", [1, 2])
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_nifti_files_of_either_version_and_byte_order_are_taken(self, tmp_path, order, version, suffix):
        kind, header = ((nib.Nifti1Image, nib.Nifti1Header), (nib.Nifti2Image, nib.Nifti2Header))[version - 1]
        nib.save(kind(head().T, np.eye(4), header(endianness=order)), tmp_path / f"scan{suffix}")
        assert denoised(tmp_path / f"scan{suffix}", tmp_path / f"clean{suffix}").voxels.shape == head().shape

    @pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
    def test_other_files_of_either_byte_order_are_taken(self, tmp_path, suffix):
        images = []
        for order, kind in (("little", "<i2"), ("big", ">i2")):
            scan = tmp_path / f"{order}{suffix}"
            scan.write_bytes(raw_file(suffix, head(), order) + head().astype(kind).tobytes())
            images.append(denoised(scan, tmp_path / f"clean-{order}{suffix}").voxels)
        np.testing.assert_array_equal(*images)

    @pytest.mark.parametrize("name", ["empty.nii", "empty.nii.gz", "empty.nrrd", "empty.mha"])
    def test_an_empty_file_is_refused(self, tmp_path, name):
        (tmp_path / name).touch()
        assert "cannot be read" in refused(tmp_path / name, tmp_path / "clean.nii")

    @pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
    @pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
    def test_a_compressed_file_that_was_cut_anywhere_is_refused(self, tmp_path, suffix, share):
        scan = write(tmp_path / f"scan{suffix}")
        content = scan.read_bytes()
        scan.write_bytes(content[: int(share * len(content))])
        assert "cannot be read" in refused(scan, tmp_path / "clean.nii")

    def test_a_compressed_file_whose_checksum_is_wrong_is_refused(self, tmp_path):
        scan = nifti(tmp_path / "scan.nii.gz")
        content = bytearray(scan.read_bytes())
        content[-6] ^= 1
        scan.write_bytes(content)
        assert "cannot be read" in refused(scan, tmp_path / "clean.nii")

    @pytest.mark.parametrize(
        ("place", "packing", "value"),
        [
            (42, "<hhh", (32767, 32767, 32767)),
            (42, "<hhh", (8, 30361, 32406)),
            (42, "<h", (-3,)),
            (40, "<h", (8,)),
            (70, "<h", (999,)),
            (108, "<f", (float("inf"),)),
            (108, "<f", (float("nan"),)),
            (108, "<f", (1e9,)),
            (116, "<f", (float("inf"),)),
            (344, "<4s", (b"none",)),
        ],
        ids=[
            "huge",
            "larger than the file",
            "negative",
            "eight",
            "type",
            "infinite",
            "no number",
            "beyond",
            "scaling",
            "magic",
        ],
    )
    @pytest.mark.parametrize("packed", [False, True])
    def test_a_damaged_nifti_header_is_refused(self, tmp_path, place, packing, value, packed):
        content = bytearray(nifti(tmp_path / "scan.nii").read_bytes())
        struct.pack_into(packing, content, place, *value)
        scan = tmp_path / ("bad.nii.gz" if packed else "bad.nii")
        scan.write_bytes(gzip.compress(content) if packed else content)
        assert "cannot be read" in refused(scan, tmp_path / "clean.nii")

    @pytest.mark.parametrize("axes", [b"-1", b"0", b"99999999999", b"many", b""])
    def test_a_metaimage_header_with_impossible_axes_is_refused_before_it_crashes_the_reader(self, tmp_path, axes):
        scan = write(tmp_path / "scan.mha")
        scan.write_bytes(scan.read_bytes().replace(b"NDims = 3", b"NDims = " + axes))
        assert "cannot be read" in refused(scan, tmp_path / "clean.nii")

    @pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".nhdr"])
    @pytest.mark.parametrize("packed", [False, True])
    def test_a_header_that_promises_more_than_any_such_file_holds_fills_no_memory(self, tmp_path, suffix, packed):
        scan = tmp_path / f"scan{suffix}"
        sitk.WriteImage(image(head()), str(scan), useCompression=packed)
        assert is_sound(scan)
        content = scan.read_bytes()
        for said in (b"= 20 24 6", b": 20 24 6"):
            content = content.replace(said, said[:1] + b" 20000 24000 60")
        scan.write_bytes(content)
        assert not is_sound(scan)
        assert "cannot be read" in refused(scan, tmp_path / "clean.nii")

    @pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
    def test_what_deflates_best_is_taken(self, tmp_path, suffix):
        scan = tmp_path / f"scan{suffix}"
        sitk.WriteImage(sitk.Image((512, 512, 64), sitk.sitkUInt8), str(scan), useCompression=True)
        assert scan.stat().st_size < 512 * 512 * 64 / 900
        assert is_sound(scan)

    @pytest.mark.parametrize("field", [b"Na\x99me = text", b"Name = te\x99xt"])
    def test_header_fields_that_are_no_plain_text_are_left_behind(self, tmp_path, field):
        scan = write(tmp_path / "scan.mha")
        scan.write_bytes(scan.read_bytes().replace(b"ElementSpacing", field + b"\nstudy = kept\nElementSpacing"))
        assert denoised(scan, tmp_path / "clean.mha").fields["study"] == "kept"

    def test_voxels_in_a_file_that_is_missing_are_named(self, tmp_path):
        scan = tmp_path / "scan.mhd"
        scan.write_text("NDims = 3\nDimSize = 2 3 4\nElementType = MET_SHORT\nElementDataFile = gone.raw\n")
        assert "scan.mhd cannot be read" in refused(scan, tmp_path / "clean.nii")


class TestPlaces:
    def test_a_scan_that_nifti_cannot_count_is_refused_there_and_written_elsewhere(self, tmp_path):
        scan = write(tmp_path / "long.nrrd", np.tile(head(np.int16, (1, 2, 20)), (1, 1, 2000)))
        for named in ("clean.nii", "clean.nii.gz"):
            sentence = refused(scan, tmp_path / named)
            assert sentence == (
                f"{tmp_path / named} cannot hold the scan: it has 40000 voxels along an axis, NIfTI 32767 at most: "
                "name a .nrrd or .mha file."
            )
        assert "cannot hold the scan" in refused(scan, tmp_path / "clean.nrrd", "--conduction", tmp_path / "map.nii")
        assert denoised(scan, tmp_path / "clean.nrrd").voxels.shape == (1, 2, 40000)

    def test_one_file_under_two_names_is_refused(self, tmp_path):
        scan = write(tmp_path / "scan.nrrd")
        (tmp_path / "sub").mkdir()
        same = tmp_path / "sub" / ".." / "clean.nrrd"
        assert "two outputs" in refused(scan, tmp_path / "clean.nrrd", "--conduction", same)

    @pytest.mark.parametrize("named", ["scan.nrrd", "link.nrrd"])
    def test_a_map_never_replaces_the_scan(self, tmp_path, named):
        scan = write(tmp_path / "scan.nrrd")
        (tmp_path / "link.nrrd").symlink_to(scan)
        before = files_in(tmp_path)
        for options in ((), ("--overwrite",)):
            said = refused(scan, tmp_path / "clean.nrrd", "--conduction", tmp_path / named, *options)
        assert said == f"'{tmp_path / named}' would be written over what is read: choose another name for the output."
        assert files_in(tmp_path) == before

    @pytest.mark.parametrize("link", [os.symlink, os.link])
    def test_a_link_to_the_input_counts_as_the_input(self, tmp_path, link):
        scan = write(tmp_path / "scan.nrrd")
        link(scan, tmp_path / "link.nrrd")
        assert "is the input itself" in refused(scan, tmp_path / "link.nrrd")

    def test_a_link_is_replaced_and_what_it_points_to_is_left(self, tmp_path):
        scan = write(tmp_path / "scan.nrrd")
        before = scan.read_bytes()
        (tmp_path / "link.nrrd").symlink_to(scan)
        denoised(scan, tmp_path / "link.nrrd", "--overwrite")
        assert scan.read_bytes() == before
        assert not (tmp_path / "link.nrrd").is_symlink()

    def test_a_link_to_nothing_counts_as_a_file_that_exists(self, tmp_path):
        scan = write(tmp_path / "scan.nrrd")
        (tmp_path / "link.nrrd").symlink_to(tmp_path / "gone" / "nowhere")
        assert "link.nrrd exists already" in refused(scan, tmp_path / "link.nrrd")
        denoised(scan, tmp_path / "link.nrrd", "--overwrite")
        assert not (tmp_path / "link.nrrd").is_symlink()

    @pytest.mark.parametrize("forbidden", ["scan.nrrd", "out", "locked"])
    def test_without_permission_nothing_is_done(self, tmp_path, forbidden):
        scan = write(tmp_path / "scan.nrrd")
        for name in ("out", "locked"):
            (tmp_path / name).mkdir()
        shutil.copy(scan, tmp_path / "locked" / "scan.nrrd")
        source = tmp_path / "locked" / "scan.nrrd" if forbidden == "locked" else scan
        (tmp_path / forbidden).chmod(0o555 if forbidden == "out" else 0o000)
        try:
            done = subprocess.run(
                [*without_privileges(), *command("denoise", source, tmp_path / "out" / "clean.nrrd")],
                capture_output=True,
                text=True,
                env=environment(),
            )
        finally:
            (tmp_path / forbidden).chmod(0o755)
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert str(tmp_path) in done.stderr
        assert list((tmp_path / "out").iterdir()) == []
