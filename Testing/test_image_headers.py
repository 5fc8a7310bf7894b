"""What headers say of the files that hold their voxels."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from mrml_segments import add_mask

from NeuralDiffusionLib.image_headers import Fault, fault_of, files_of, is_sound


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
        ("scan.nhdr", "NRRD0004\nDATA FILE: part%i.raw 3 1 -2 2\n", ["part3.raw", "part1.raw"]),
        ("scan.mhd", "ElementDataFile: 50%%%03x.raw 9 10 1\n", ["50%009.raw", "50%00a.raw"]),
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


def write_labels(path, kind=nib.Nifti1Image, intent=1002):
    image = kind(np.ones((4, 5, 6), np.uint8), np.eye(4))
    image.header.set_intent(intent)
    nib.save(image, path)
    return path


def as_big_endian(path):
    image = nib.Nifti1Image(np.ones((4, 5, 6), ">i2"), np.eye(4), nib.Nifti1Header(endianness=">"))
    image.header.set_intent(1002)
    nib.save(image, path)
    return path


def by_itk(path):
    image = sitk.Image(4, 5, 6, sitk.sitkUInt8)
    image.SetMetaData("intent_code", "1002")
    sitk.WriteImage(image, str(path))
    return path


def by_slicer(path):
    """A segmentation that Slicer saved, under another name or as another program passes it on."""
    saved = path.with_name("Segmentation.seg.nrrd")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(saved))
    assert storage.WriteData(add_mask(slicer.vtkMRMLScene(), np.ones((4, 5, 6))))
    assert fault_of(saved) == Fault("label name")
    sitk.WriteImage(sitk.ReadImage(str(saved)), str(path)) if path.suffix != ".nrrd" else saved.rename(path)
    return path


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_labels, "scan.nii"),
        (write_labels, "SCAN.NII.GZ"),
        (as_big_endian, "scan.nii"),
        (lambda path: write_labels(path, nib.Nifti2Image), "scan.nii.gz"),
        (lambda path: write_labels(path, nib.Nifti1Pair), "scan.hdr"),
        (lambda path: write_labels(path, nib.Nifti1Pair), "scan.img"),
        (lambda path: write_labels(path, nib.Nifti2Pair), "scan.img"),
        (by_itk, "scan.nrrd"),
        (by_itk, "scan.mha"),
        (by_slicer, "scan.nrrd"),
        (by_slicer, "scan.mha"),
        (by_slicer, "scan.nhdr"),
    ],
)
def test_a_label_map_is_one_by_its_header_in_every_format_that_can_say_so(tmp_path, write, name):
    scan = write(tmp_path / name)
    assert fault_of(scan) == Fault("label header")
    assert fault_of(scan, may_be_labels=True) is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [(nib.Nifti1Image, "scan.nii"), (nib.Nifti1Pair, "scan.img"), (nib.Nifti2Image, "scan.nii.gz")],
)
def test_other_intents_are_no_reason_to_refuse(tmp_path, kind, name):
    assert fault_of(write_labels(tmp_path / name, kind, intent="estimate")) is None


def test_what_analyze_holds_in_the_place_of_an_intent_is_none(tmp_path):
    scan = write_labels(tmp_path / "scan.img", nib.Nifti1Pair)
    header = bytearray((tmp_path / "scan.hdr").read_bytes())
    header[344:348] = bytes(4)
    (tmp_path / "scan.hdr").write_bytes(header)
    assert fault_of(scan) is None


def test_the_faults_of_a_file_are_told_apart(tmp_path):
    labels = by_itk(tmp_path / "scan_label.nrrd")
    assert fault_of(labels) == Fault("label name")
    assert fault_of(labels, may_be_labels=True) is None
    whole = write_labels(tmp_path / "scan.nii", intent="none")
    packed = write_labels(tmp_path / "scan.nii.gz", intent="none")
    assert fault_of(whole) is None
    assert fault_of(packed) == Fault("taken for", whole)
    assert fault_of(packed, by_itk=False) is None
    whole.write_bytes(whole.read_bytes()[:400])
    assert fault_of(whole) == Fault("damaged")
    with pytest.raises(FileNotFoundError):
        fault_of(tmp_path / "missing.nii")
