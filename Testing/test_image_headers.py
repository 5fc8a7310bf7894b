"""What headers say of the files that hold their voxels."""

from __future__ import annotations

import pytest

from NeuralDiffusionLib.image_headers import files_of, is_sound


@pytest.mark.parametrize(
    ("name", "header", "beside"),
    [
        ("scan.mhd", "NDims = 3\nElementDataFile = scan.raw\n", ["scan.raw"]),
        ("scan.mha", "NDims = 3\nElementDataFile = LOCAL\n\x00\x01", []),
        ("scan.mhd", "ElementDataFile = LIST\na.raw\nb b.raw\n\n", ["a.raw", "b b.raw"]),
        ("scan.mhd", "DimSize = 4 4 3\nElementDataFile = s%02d.raw\n", ["s01.raw", "s02.raw", "s03.raw"]),
        ("scan.mhd", "ElementDataFile = a\0b.raw\n", []),
        ("scan.mhd", "ElementDataFile = \xa0\n", []),
        ("scan.mhd", "ElementDataFile = folder\n", []),
        ("scan.mhd", "ElementDataFile = /dev/null\n", []),
        ("scan.mhd", "ElementDataFile = part%03d.raw 9 11 1\n", ["part009.raw", "part010.raw", "part011.raw"]),
        ("scan.nhdr", "NRRD0004\ndata file: sub/scan.raw.gz\n", ["sub/scan.raw.gz"]),
        ("scan.nhdr", "NRRD0004\ndatafile: part%d.raw 1 5 2 2\n", ["part1.raw", "part3.raw", "part5.raw"]),
        ("scan.nhdr", "NRRD0004\ndata file: LIST 2\na.raw\nb.raw\n", ["a.raw", "b.raw"]),
        ("scan.nrrd", "NRRD0004\ntype: short\n\n", []),
        ("SCAN.MHD", "ElementDataFile = %s%d.raw 1 2 1\n", ["%s%d.raw 1 2 1"]),
        ("scan.mhd", "ElementDataFile = missing.raw\n", []),
        ("scan.nii", "anything", []),
        ("scan.dcm", "ElementDataFile = scan.raw\n", []),
    ],
)
def test_the_files_of_an_image_are_those_that_its_header_names(tmp_path, name, header, beside):
    (tmp_path / name).write_text(header, encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for one in beside:
        (tmp_path / one).parent.mkdir(exist_ok=True)
        (tmp_path / one).touch()
    assert files_of(tmp_path / name) == (tmp_path / name, *(tmp_path / one for one in beside))


@pytest.mark.parametrize("given", ["scan.hdr", "scan.img"])
def test_a_pair_is_two_files_whichever_is_given(tmp_path, given):
    for name in ("scan.hdr", "scan.img"):
        (tmp_path / name).touch()
    assert files_of(tmp_path / given) == (tmp_path / "scan.hdr", tmp_path / "scan.img")


def test_half_of_a_pair_or_an_image_of_another_format_is_one_file(tmp_path):
    (tmp_path / "alone.img").touch()
    assert files_of(tmp_path / "alone.img") == (tmp_path / "alone.img",)
    assert is_sound(tmp_path / "alone.img")
    (tmp_path / "dicom.hdr").touch()
    (tmp_path / "dicom.img").write_bytes(128 * b"\0" + b"DICM")
    assert files_of(tmp_path / "dicom.img") == (tmp_path / "dicom.img",)
    assert is_sound(tmp_path / "dicom.img")


def test_a_pattern_of_very_many_names_ends(tmp_path):
    (tmp_path / "scan.mhd").write_text("ElementDataFile = part%d.raw 0 999999999 1\n")
    (tmp_path / "part7.raw").touch()
    assert files_of(tmp_path / "scan.mhd") == (tmp_path / "scan.mhd", tmp_path / "part7.raw")
