"""`neural-diffusion denoise` on DICOM folders, made slice by slice as a scanner writes them."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import shell
import SimpleITK as sitk
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    generate_uid,
)
from shell import (
    assert_same_geometry,
    command,
    environment,
    head,
    image,
    voxels_of,
    without_privileges,
    write,
)
from shell_in_process import denoise, refused

from NeuralDiffusionTraining.files.scan_denoising import read_source

NUMBER = "7"


def write_series(folder: Path, scan: sitk.Image, number: str = NUMBER, description: str = "T1 sag") -> str:
    """Write the image as one DICOM file per slice, in no helpful order; give the unique identifier of the series."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = sitk.GetArrayFromImage(scan)
    direction = np.reshape(scan.GetDirection(), (3, 3))
    uid = generate_uid()
    for index in range(len(voxels)):
        file = pydicom.Dataset()
        file.file_meta = pydicom.dataset.FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = MRImageStorage
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        file.SeriesInstanceUID, file.StudyInstanceUID = uid, generate_uid()
        file.Modality, file.SeriesNumber, file.SeriesDescription = "MR", number, description
        file.PatientName, file.PatientID = "Roe^Jane", "id-4711"
        file.ImagePositionPatient = list(scan.TransformIndexToPhysicalPoint((0, 0, index)))
        file.ImageOrientationPatient = [*direction[:, 0], *direction[:, 1]]
        file.PixelSpacing = [scan.GetSpacing()[1], scan.GetSpacing()[0]]
        file.SliceThickness = scan.GetSpacing()[2]
        file.Rows, file.Columns = voxels.shape[1:]
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated = file.BitsStored = 16
        file.HighBit, file.PixelRepresentation = 15, 1
        file.PixelData = voxels[index].astype("<i2").tobytes()
        file.save_as(folder / f"{(index * 5) % 7:03d}-{number}.dcm", enforce_file_format=True)
    return uid


def rounded(scan: sitk.Image) -> sitk.Image:
    """The image with numbers short enough for DICOM's decimal strings of 16 characters."""
    scan.SetDirection(np.round(scan.GetDirection(), 9).tolist())
    return scan


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_series_becomes_a_volume_with_its_geometry_and_without_the_patients_name(tmp_path, suffix):
    scan = rounded(image(head()))
    write_series(tmp_path / "dicom", scan)
    clean = tmp_path / f"clean{suffix}"

    done = shell.denoise(tmp_path / "dicom", clean, "--conduction", tmp_path / "map.nrrd")

    assert done.stderr == ""
    assert_same_geometry(clean, scan, tolerance=1e-4)
    assert_same_geometry(tmp_path / "map.nrrd", scan, tolerance=1e-4)
    assert voxels_of(clean).dtype == np.int16
    assert np.corrcoef(voxels_of(clean).ravel(), head().ravel())[0, 1] > 0.9
    assert not any("Roe" in sitk.ReadImage(str(clean)).GetMetaData(key) for key in _keys(clean))


def _keys(path: Path) -> tuple[str, ...]:
    return sitk.ReadImage(str(path)).GetMetaDataKeys()


def test_one_dicom_file_does_not_pass_the_patients_name_on(tmp_path):
    write_series(tmp_path, rounded(image(head())))

    denoise(tmp_path / f"000-{NUMBER}.dcm", tmp_path / "clean.nrrd")

    assert b"Roe" not in (tmp_path / "clean.nrrd").read_bytes()


def test_slices_spread_over_subfolders_are_one_series(tmp_path):
    scan = rounded(image(head()))
    write_series(tmp_path / "dicom", scan)
    for file in sorted((tmp_path / "dicom").iterdir()):
        part = tmp_path / "dicom" / f"part {int(file.name[:3]) % 2}"  # neither part is a stack by itself
        part.mkdir(exist_ok=True)
        file.rename(part / file.name)

    denoise(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert_same_geometry(tmp_path / "clean.nrrd", scan, tolerance=1e-4)
    assert np.corrcoef(voxels_of(tmp_path / "clean.nrrd").ravel(), head().ravel())[0, 1] > 0.9


def test_images_are_read_whatever_the_end_of_their_names_is(tmp_path):
    scan = rounded(image(head()))
    write_series(tmp_path / "dicom", scan)
    for file in sorted((tmp_path / "dicom").iterdir()):
        file.rename(file.with_suffix(".img"))
    assert read_source(tmp_path / "dicom").voxels.shape == head().shape
    assert read_source(tmp_path / "dicom" / f"000-{NUMBER}.img").voxels.shape == (1, *head().shape[1:])


def test_slices_that_are_scaled_differently_keep_their_values(tmp_path):
    stored = head(shape=(3, 16, 18)).astype(np.int16)
    write_series(tmp_path / "dicom", rounded(image(stored)))
    slopes = {}
    for file in (tmp_path / "dicom").iterdir():
        dataset = pydicom.dcmread(file)
        slopes[float(dataset.ImagePositionPatient[2])] = dataset.RescaleSlope = len(slopes) * 20 + 1.5
        dataset.RescaleIntercept = -3
        dataset.save_as(file)
    scan = read_source(tmp_path / "dicom")
    assert scan.voxels.dtype == np.float32
    normal = np.reshape(scan.direction, (3, 3))[:, 2]
    factors = [slopes[place] for place in sorted(slopes, reverse=bool(normal[2] < 0))]
    np.testing.assert_allclose(scan.voxels, np.array(factors)[:, None, None] * stored - 3, rtol=1e-6)


def test_among_several_series_the_user_chooses(tmp_path):
    folder, clean = tmp_path / "dicom", tmp_path / "clean.nrrd"
    write_series(folder, rounded(image(head())), "2", "T2 tra")
    uid = write_series(folder, rounded(image(head(shape=(4, 16, 18)))), "11", "FLAIR")

    undecided = refused(folder, clean)
    unknown = refused(folder, clean, "--series", "3")

    for sentence in (undecided, unknown):
        assert '2 "T2 tra" (6 images), 11 "FLAIR" (4 images)' in sentence
    assert "--series" in undecided
    assert not clean.exists()
    for series in ("11", uid):
        denoise(folder, clean, "--series", series, "--overwrite")
        assert voxels_of(clean).shape == (4, 16, 18)


def test_series_without_a_number_of_their_own_are_listed_by_their_identifier(tmp_path):
    uids = [write_series(tmp_path / str(index), rounded(image(head())), "1") for index in range(2)]

    sentence = refused(tmp_path, tmp_path / "clean.nrrd")

    assert all(uid in sentence for uid in uids)


def test_refuses_a_stack_that_no_volume_can_hold(tmp_path):
    def spoil(name: str, change) -> Path:
        write_series(tmp_path / name, rounded(image(head())))
        change(sorted((tmp_path / name).iterdir()))
        return tmp_path / name

    def edit(file: Path, **values: object) -> None:
        dataset = pydicom.dcmread(file)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)

    def tilt(files: list[Path]) -> None:
        for file in files:
            x, y, z = pydicom.dcmread(file).ImagePositionPatient
            edit(file, ImagePositionPatient=[round(x + 0.3 * z, 9), y, z])

    position = pydicom.multival.MultiValue(float, [0, 0, 0])
    spoiled = {
        "gap": (lambda files: files[2].unlink(), "evenly spaced"),
        "tilted": (tilt, "evenly spaced"),
        "twice": (
            lambda files: [edit(file, ImagePositionPatient=position) for file in files],
            "one position",
        ),
        "turned": (
            lambda files: edit(files[1], ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
            "orientations",
        ),
    }
    for name, (change, words) in spoiled.items():
        sentence = refused(spoil(name, change), tmp_path / "clean.nrrd")
        assert words in sentence
        assert str(tmp_path / name) in sentence
    assert not (tmp_path / "clean.nrrd").exists()


def test_a_damaged_file_for_which_the_library_gives_up_is_refused_in_one_sentence(tmp_path):
    write_series(tmp_path / "dicom", image(head()))
    damaged = next((tmp_path / "dicom").iterdir())
    rows, as_age = b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00AS"
    assert rows in damaged.read_bytes()
    damaged.write_bytes(damaged.read_bytes().replace(rows, as_age))

    sentence = refused(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert sentence.startswith(f"{tmp_path / 'dicom'} holds a damaged DICOM file")
    assert not (tmp_path / "clean.nrrd").exists()


@pytest.mark.parametrize("left", [0, 100, 133, 140, 160, 300, 1000, 1800])
@pytest.mark.parametrize("number", [0, 4], ids=["first", "last"])
@pytest.mark.parametrize("suffix", [".dcm", ""], ids=["named", "as on a disc"])
def test_a_slice_at_the_end_of_the_stack_that_was_cut_is_not_left_out(tmp_path, left, number, suffix):
    write_series(tmp_path / "dicom", rounded(image(head())))
    for file in (tmp_path / "dicom").iterdir():
        file.rename(file.with_suffix(suffix))
    cut = tmp_path / "dicom" / f"00{number}-{NUMBER}{suffix}"
    cut.write_bytes(cut.read_bytes()[:left])

    sentence = refused(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert sentence.startswith(f"{cut} is a damaged DICOM image, and may belong to the series: copy it anew")
    assert "cannot be read" in refused(cut, tmp_path / "clean.nrrd")
    assert not (tmp_path / "clean.nrrd").exists()


def test_hidden_files_and_notes_beside_the_slices_do_no_harm(tmp_path):
    write_series(tmp_path / "dicom", rounded(image(head())))
    # As macOS leaves them on disks of other systems.
    (tmp_path / "dicom" / f"._000-{NUMBER}.dcm").write_bytes(b"\0\5\x16\7")
    (tmp_path / "dicom" / "VERSION").write_text("1")
    (tmp_path / "dicom" / "DICOMDIR").write_bytes(_directory())

    denoise(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert voxels_of(tmp_path / "clean.nrrd").shape == head().shape


def _directory() -> bytes:
    """The beginning of a DICOMDIR."""
    content = pydicom.Dataset()
    content.file_meta = pydicom.dataset.FileMetaDataset()
    content.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    content.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    content.FileSetID = "DISC"
    written = io.BytesIO()
    content.save_as(written, enforce_file_format=True)
    return written.getvalue()


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("nowhere"), os.mkfifo], ids=["link", "pipe"])
def test_what_is_no_file_and_ends_the_librarys_list_is_named(tmp_path, make):
    write_series(tmp_path / "dicom", rounded(image(head())))
    odd = tmp_path / "dicom" / "002 odd"
    make(odd)

    sentence = refused(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert sentence == f"{odd} is not a regular file but a broken link or a pipe: remove it."


def test_images_that_do_not_say_of_which_class_they_are_make_a_volume(tmp_path):
    write_series(tmp_path / "dicom", rounded(image(head())))
    for file in (tmp_path / "dicom").iterdir():
        dataset = pydicom.dcmread(file)
        del dataset.SOPClassUID
        dataset.save_as(file)

    denoise(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert voxels_of(tmp_path / "clean.nrrd").shape == head().shape


def test_a_slice_that_may_not_be_read_is_not_left_out(tmp_path):
    write_series(tmp_path / "dicom", rounded(image(head())))
    locked = tmp_path / "dicom" / f"000-{NUMBER}.dcm"
    locked.chmod(0)

    done = subprocess.run(
        [*without_privileges(), *command("denoise", tmp_path / "dicom", tmp_path / "clean.nrrd")],
        capture_output=True,
        text=True,
        env=environment(),
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{locked} cannot be read (Permission denied), and may belong to the series")


def test_dicom_files_that_are_no_images_do_no_harm(tmp_path):
    write_series(tmp_path / "dicom", rounded(image(head())))
    report = pydicom.Dataset()
    report.file_meta = pydicom.dataset.FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    # Cut, so that the library passes over it.
    report.save_as(tmp_path / "dicom" / "report.dcm", enforce_file_format=True)
    content = (tmp_path / "dicom" / "report.dcm").read_bytes()
    (tmp_path / "dicom" / "report.dcm").write_bytes(content[:-4])

    denoise(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert voxels_of(tmp_path / "clean.nrrd").shape == head().shape


def test_files_beside_the_slices_do_no_harm(tmp_path):
    write_series(tmp_path / "dicom", rounded(image(head())))
    (tmp_path / "dicom" / "readme.txt").write_text("exported from the archive")
    write(tmp_path / "dicom" / "other.nrrd")

    done = denoise(tmp_path / "dicom", tmp_path / "clean.nrrd")

    assert done.stderr == ""
