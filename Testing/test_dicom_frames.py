"""Several frames in one DICOM file, as newer scanners write them: each lies where the file says, or none is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid
from shell import denoise, head, voxels_of

from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.image_files import Scan
from NeuralDiffusionTraining.files.scan_denoising import read_source

ORIENTATION = [1.0, 0.0, 0.0, 0.0, 0.8, 0.6]
NORMAL = np.array([0.0, -0.6, 0.8])
SHAPE = (5, 16, 18)


def group(**elements: object) -> pydicom.Sequence:
    item = pydicom.Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def write_frames(
    path: Path, places: list[float], shared: dict | None = None, each: list[dict] | None = None
) -> np.ndarray:
    """Write frames at these places along the normal; give the voxels in the order in which they are stored."""
    voxels = np.resize(head(shape=SHAPE), (len(places), *SHAPE[1:])).astype(np.int16)
    voxels += np.arange(len(places), dtype=np.int16)[:, None, None]
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file.SeriesInstanceUID, file.StudyInstanceUID = generate_uid(), generate_uid()
    file.Modality, file.SeriesNumber, file.NumberOfFrames = "MR", "3", len(places)
    file.Rows, file.Columns = voxels.shape[1:]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated = file.BitsStored = 16
    file.HighBit, file.PixelRepresentation = 15, 1
    usual = {
        "PlaneOrientationSequence": group(ImageOrientationPatient=ORIENTATION),
        "PixelMeasuresSequence": group(PixelSpacing=[0.7, 0.9], SliceThickness=2.0),
    }
    file.SharedFunctionalGroupsSequence = group(**{**usual, **(shared or {})})
    frames = []
    for number, place in enumerate(places):
        position = [float(round(one, 6)) for one in np.array([10.0, 20.0, 30.0]) + place * NORMAL]
        own = {"PlanePositionSequence": group(ImagePositionPatient=position), **(each[number] if each else {})}
        frames += group(**own)
    file.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames)
    file.PixelData = voxels.astype("<i2").tobytes()
    path.parent.mkdir(exist_ok=True)
    file.save_as(path, enforce_file_format=True)
    return voxels


def read(path: Path) -> Scan:
    """The file as itself, and as the only one of a folder: both must be the same."""
    alone, of_folder = read_source(path), read_source(path.parent)
    np.testing.assert_array_equal(alone.voxels, of_folder.voxels)
    assert (alone.origin, alone.spacing, alone.direction) == (of_folder.origin, of_folder.spacing, of_folder.direction)
    return alone


@pytest.mark.parametrize("places", [[0, 2, 4, 6, 8], [8, 6, 4, 2, 0], [4, 0, 8, 2, 6]])
def test_frames_lie_where_they_say_in_whatever_order_they_are_stored(tmp_path, places):
    stored = write_frames(tmp_path / "dicom" / "scan.dcm", places)
    scan = read(tmp_path / "dicom" / "scan.dcm")
    np.testing.assert_array_equal(scan.voxels, stored[np.argsort(places)])
    np.testing.assert_allclose(scan.origin, [10, 20, 30], atol=1e-5)
    np.testing.assert_allclose(scan.spacing, [0.9, 0.7, 2.0], atol=1e-5)
    direction = np.reshape(scan.direction, (3, 3))
    np.testing.assert_allclose(direction.T, [ORIENTATION[:3], ORIENTATION[3:], NORMAL], atol=1e-6)


def test_they_are_denoised(tmp_path):
    write_frames(tmp_path / "dicom" / "scan.dcm", [4, 0, 8, 2, 6])
    denoise(tmp_path / "dicom" / "scan.dcm", tmp_path / "clean.nrrd")
    assert voxels_of(tmp_path / "clean.nrrd").shape == SHAPE


def scaled(slope: float | None) -> dict:
    return {"PixelValueTransformationSequence": group(RescaleSlope=slope, RescaleIntercept=0, RescaleType="US")}


def sized(spacing: float) -> dict:
    return {"PixelMeasuresSequence": group(PixelSpacing=[spacing, spacing], SliceThickness=2.0)}


def placed(position: list[float]) -> dict:
    return {"PlanePositionSequence": group(ImagePositionPatient=position)}


def turned(degrees: float) -> dict:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {"PlaneOrientationSequence": group(ImageOrientationPatient=[1.0, 0.0, 0.0, 0.0, cosine, sine])}


@pytest.mark.parametrize(
    ("places", "each", "words"),
    [
        ([0, 2, 4, 0, 2, 4], None, "holds several images at one position: split it into single volumes first"),
        ([0, 0, 2, 2, 4, 4], None, "holds several images at one position"),
        ([0, 2, 4, 10, 12], None, "is not an evenly spaced stack: slices are missing"),
        ([0, 2, 4], [turned(one) for one in (30, 30, 40)], "mixes frames of several orientations"),
        ([0, 2, 4], [scaled(one) for one in (1, 1, 2)], "scales its frames by different factors: convert it"),
        ([0, 2, 4], [sized(one) for one in (1, 2, 3)], "mixes frames of several orientations or pixel sizes"),
        ([0, 2, 4], [{}, {}, placed([])], "does not say of each where it lies and how it is scaled"),
        ([0, 2, 4], [{}, {}, placed([1.0, 2.0])], "does not say of each where it lies and how it is scaled"),
        (
            [0, 2, 4],
            [scaled(1), scaled(1), scaled(None)],
            "does not say of each where it lies and how it is scaled",
        ),
    ],
    ids=[
        "two echoes",
        "echoes interleaved",
        "gap",
        "turned",
        "scaled",
        "sized",
        "no place",
        "half a place",
        "no slope",
    ],
)
def test_frames_that_are_no_volume_are_refused(tmp_path, places, each, words):
    write_frames(tmp_path / "dicom" / "scan.dcm", places, each=each)
    for named in (tmp_path / "dicom" / "scan.dcm", tmp_path / "dicom"):
        with pytest.raises(CommandError, match=words) as refusal:
            read_source(named)
        assert str(refusal.value).startswith(str(named))


def test_frames_that_are_scaled_alike_are_taken(tmp_path):
    stored = write_frames(tmp_path / "dicom" / "scan.dcm", [0, 2, 4], scaled(2.5))
    np.testing.assert_allclose(read(tmp_path / "dicom" / "scan.dcm").voxels, 2.5 * stored)


@pytest.mark.parametrize("shared", [pydicom.Sequence(), None])
def test_frames_that_share_nothing_are_taken(tmp_path, shared):
    own = {
        "PlaneOrientationSequence": group(ImageOrientationPatient=ORIENTATION),
        "PixelMeasuresSequence": group(PixelSpacing=[0.7, 0.9], SliceThickness=2.0),
    }
    stored = write_frames(tmp_path / "dicom" / "scan.dcm", [2, 0, 4], each=[own] * 3)
    file = pydicom.dcmread(tmp_path / "dicom" / "scan.dcm")
    if shared is None:
        del file.SharedFunctionalGroupsSequence
    else:
        file.SharedFunctionalGroupsSequence = shared
    file.save_as(tmp_path / "dicom" / "scan.dcm")
    scan = read(tmp_path / "dicom" / "scan.dcm")
    np.testing.assert_array_equal(scan.voxels, stored[[1, 0, 2]])
    np.testing.assert_allclose(scan.spacing, [0.9, 0.7, 2.0], atol=1e-5)


def test_what_a_frame_does_not_state_itself_it_shares_with_the_others_element_by_element(tmp_path):
    each = [
        {
            "PixelMeasuresSequence": group(SliceThickness=2.0),
            "PixelValueTransformationSequence": group(RescaleSlope=2.5),
        }
    ] * 3
    stored = write_frames(tmp_path / "dicom" / "scan.dcm", [0, 2, 4], each=each)
    scan = read(tmp_path / "dicom" / "scan.dcm")
    assert scan.voxels.shape == stored.shape
    np.testing.assert_allclose(scan.spacing, [0.9, 0.7, 2.0], atol=1e-5)


def test_a_damaged_header_is_said_in_a_sentence(tmp_path):
    write_frames(tmp_path / "dicom" / "scan.dcm", [0, 2, 4])
    path = tmp_path / "dicom" / "scan.dcm"
    whole, random = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[int(random.integers(132, 300))] = int(random.integers(256))
        path.write_bytes(damaged)
        try:
            read_source(path)
        except CommandError:
            refused += 1
    assert refused > 0


def test_frames_without_any_place_are_refused(tmp_path):
    write_frames(tmp_path / "dicom" / "scan.dcm", [0, 2, 4])
    file = pydicom.dcmread(tmp_path / "dicom" / "scan.dcm")
    del file.PerFrameFunctionalGroupsSequence
    file.save_as(tmp_path / "dicom" / "scan.dcm")
    with pytest.raises(CommandError, match=r"holds 3 frames and does not say of each where .* dcm2niix, first\."):
        read_source(tmp_path / "dicom" / "scan.dcm")
