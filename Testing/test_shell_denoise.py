"""`neural-diffusion denoise` as a user runs it: real files and, where it matters, a real process."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import shell
import SimpleITK as sitk
from shell import assert_same_geometry, head, image, voxels_of, write
from shell_in_process import denoise, refused

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.scalar_types import cast_to
from NeuralDiffusionTraining.files.image_files import read_scan, scalar_type_in, write_map

FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")


@pytest.mark.parametrize("suffix", FORMATS)
def test_keeps_geometry_and_voxel_type_and_writes_a_conduction_map(tmp_path, suffix):
    scan = write(tmp_path / f"scan{suffix}")
    before = scan.read_bytes()
    clean, conduction = tmp_path / f"clean{suffix}", tmp_path / f"map{suffix}"

    done = shell.denoise(scan, clean, "--conduction", conduction)

    assert_same_geometry(clean, sitk.ReadImage(str(scan)), tolerance=1e-6)
    assert_same_geometry(conduction, sitk.ReadImage(str(scan)), tolerance=1e-6)
    assert voxels_of(clean).dtype == np.int16
    assert not np.array_equal(voxels_of(clean), voxels_of(scan))
    gates = voxels_of(conduction)
    assert gates.dtype == np.float32
    assert gates.min() >= 0
    assert gates.max() <= 1
    assert gates.std() > 0
    assert scan.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {scan.name, clean.name, conduction.name}
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert str(clean) in done.stdout
    assert str(conduction) in done.stdout
    assert "estimated noise level" in done.stdout


@pytest.mark.parametrize(("source", "target"), [(".nii.gz", ".nrrd"), (".nrrd", ".nii.gz"), (".mha", ".nii")])
def test_keeps_geometry_from_one_format_to_another(tmp_path, source, target):
    scan = write(tmp_path / f"scan{source}")

    denoise(scan, tmp_path / f"clean{target}")

    assert_same_geometry(tmp_path / f"clean{target}", image(head()), tolerance=1e-5)
    assert voxels_of(tmp_path / f"clean{target}").dtype == np.int16


def test_brings_the_scan_closer_to_the_truth(tmp_path):
    shape = (4, 128, 128)
    truth = head(np.float32, shape, level=0.0)
    scan = write(tmp_path / "scan.nrrd", head(np.float32, shape, level=60.0))

    denoise(scan, tmp_path / "clean.nrrd")

    def error(path: Path) -> float:
        return float(np.sqrt(np.mean((voxels_of(path) - truth) ** 2)))

    assert error(tmp_path / "clean.nrrd") < 0.7 * error(scan)


def test_keeps_both_transforms_and_the_texts_of_a_nifti_header(tmp_path):
    scanner = np.array([[-0.86, 0.26, 0.5, 90], [0.27, 0.84, -1.3, -100], [0.1, 0.2, 3.0, -40], [0, 0, 0, 1]])
    scanner[:3, :3] = np.linalg.qr(scanner[:3, :3])[0] * (0.9, 0.8, 3.3)
    template = np.diag([-0.95, 0.85, 3.1, 1.0])
    template[0, 1] = 0.1  # sheared, as affine registration leaves it
    scan = nib.Nifti1Image(head().T, None)
    scan.set_qform(scanner, 1)
    scan.set_sform(template, 4)
    scan.header["descrip"] = b"TE=30;Time=1234"
    scan.header["cal_max"] = 900
    scan.header.set_xyzt_units("mm", "sec")
    nib.save(scan, tmp_path / "scan.nii.gz")

    denoise(tmp_path / "scan.nii.gz", tmp_path / "clean.nii.gz", "--conduction", tmp_path / "map.nii.gz")

    before, after, gates = (nib.load(tmp_path / name).header for name in ("scan.nii.gz", "clean.nii.gz", "map.nii.gz"))
    fields = [field for field in before if field not in ("scl_slope", "scl_inter")]
    assert {field: before[field].tolist() for field in fields} == {field: after[field].tolist() for field in fields}
    for header in (after, gates):
        np.testing.assert_allclose(header.get_qform(), scanner, atol=1e-5)
        np.testing.assert_allclose(header.get_sform(), template, atol=1e-5)
        assert (header["qform_code"], header["sform_code"]) == (1, 4)
    assert (gates["cal_min"], gates["cal_max"]) == (0, 1)


def test_keeps_the_stored_scaling_of_a_nifti_file(tmp_path):
    scan = nib.Nifti1Image(head().T, np.diag([0.9, 0.8, 3.3, 1.0]))
    scan.header.set_slope_inter(0.5, -10)
    nib.save(scan, tmp_path / "scan.nii")

    denoise(tmp_path / "scan.nii", tmp_path / "clean.nii")
    denoise(tmp_path / "scan.nii", tmp_path / "float.nii", "--float")
    denoise(tmp_path / "scan.nii", tmp_path / "clean.nrrd")

    clean = nib.load(tmp_path / "clean.nii")
    assert (clean.dataobj.slope, clean.dataobj.inter) == (0.5, -10)
    assert clean.get_data_dtype() == np.int16
    in_float = nib.load(tmp_path / "float.nii").get_fdata()
    np.testing.assert_allclose(clean.get_fdata(), in_float, atol=0.2501)
    np.testing.assert_allclose(voxels_of(tmp_path / "clean.nrrd").T, in_float, rtol=1e-6)


def scaled(path, voxels, slope, intercept):
    """A NIfTI file whose header scales these stored numbers."""
    scan = nib.Nifti1Image(voxels.T, np.diag([0.9, 0.8, 3.3, 1.0]))
    scan.header.set_slope_inter(slope, intercept)
    nib.save(scan, path)
    # nibabel stores what gives the numbers after scaling: in their place the stored ones.
    content = bytearray(path.read_bytes())
    start = int(scan.header["vox_offset"]) or scan.header.single_vox_offset
    content[start:] = voxels.T.tobytes(order="F")
    path.write_bytes(content)
    return path


def test_an_intercept_that_float32_cannot_hold_beside_the_steps_does_not_quantise(tmp_path):
    source = scaled(tmp_path / "scan.nii", head(), 1.0, -1e9)
    expected = Denoiser("cpu")(head() - 1e9, DenoiseSettings(iterations=1, slice_axis=0), scalar_type=np.float64)
    for name in ("clean.nii", "clean.nrrd"):
        denoise(source, tmp_path / name, "--iterations", 1, "--device", "cpu")
    clean = nib.load(tmp_path / "clean.nii")
    stored = np.asanyarray(clean.dataobj.get_unscaled()).T
    np.testing.assert_array_equal(stored, np.rint(expected.image + 1e9))
    assert len(np.unique(stored)) > 100
    np.testing.assert_array_equal(read_scan(tmp_path / "clean.nrrd").voxels, expected.image)


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -10.0), (0.001, 3.0)])
def test_a_scaled_scan_stays_float32_where_that_tells_its_steps_apart(tmp_path, slope, intercept):
    scan = read_scan(scaled(tmp_path / "scan.nii", head(), slope, intercept))
    assert scalar_type_in(tmp_path / "clean.nii", scan, as_float=False) == np.float32


def test_a_scan_whose_steps_float32_cannot_tell_apart_is_refused(tmp_path):
    source = scaled(tmp_path / "scan.nii", head(), 1.0, 1e9)
    said = refused(source, tmp_path / "clean.nii")
    assert said.startswith(f"{source}: the volume's values lie within ")
    assert said.endswith(" at an offset of 1e+09, too close together for 32-bit floats; subtract the offset first.")


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 1), (20, 24, 6, 1), (1, 24, 20)])
def test_keeps_the_shape_of_a_nifti_file_with_lone_axes(tmp_path, shape):
    nib.save(nib.Nifti1Image(np.resize(head(), shape), np.eye(4)), tmp_path / "scan.nii")

    denoise(tmp_path / "scan.nii", tmp_path / "clean.nii")

    assert nib.load(tmp_path / "clean.nii").shape == shape


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_keeps_free_header_fields(tmp_path, suffix):
    scan = image(head())
    scan.SetMetaData("study", "Größe 7 Tesla")
    sitk.WriteImage(scan, str(tmp_path / f"scan{suffix}"))

    denoise(tmp_path / f"scan{suffix}", tmp_path / f"clean{suffix}")

    assert sitk.ReadImage(str(tmp_path / f"clean{suffix}")).GetMetaData("study") == "Größe 7 Tesla"


def test_what_lies_outside_of_the_training_is_said_on_standard_error(tmp_path):
    scan = write(tmp_path / "scan.nrrd", head() - 1000)
    done = denoise(scan, tmp_path / "clean.nrrd", "--sigma", 1e6)
    far_below, level = done.stderr.splitlines()
    assert far_below.startswith("About 100% of the volume lies far below zero")
    assert level.startswith("The noise level of 1000000 is outside the range of training")
    assert denoise(write(tmp_path / "usual.nrrd"), tmp_path / "clean2.nrrd").stderr == ""


def test_whole_numbers_stay_whole_unless_floats_are_asked_for(tmp_path):
    scan = write(tmp_path / "scan.nrrd", head(np.uint8))

    denoise(scan, tmp_path / "clean.nrrd")
    denoise(scan, tmp_path / "float.nrrd", "--float")

    clean, in_float = voxels_of(tmp_path / "clean.nrrd"), voxels_of(tmp_path / "float.nrrd")
    assert clean.dtype == np.uint8
    assert in_float.dtype == np.float32
    np.testing.assert_array_equal(clean, np.clip(np.rint(in_float), 0, 255))


@pytest.mark.parametrize(
    ("voxel_type", "values", "expected"),
    [
        (np.uint8, [-3, -0.4, 0.6, 254.7, 300], [0, 0, 1, 255, 255]),
        (np.int16, [-4e4, -1.6, 4e4], [-32768, -2, 32767]),
        (np.float32, [-0.4, 300.25], [-0.4, 300.25]),
    ],
)
def test_values_that_a_voxel_type_cannot_hold_are_clipped_not_wrapped(voxel_type, values, expected):
    cast = cast_to(np.array(values, np.float32), np.dtype(voxel_type))

    assert cast.dtype == voxel_type
    np.testing.assert_array_equal(cast, np.array(expected, voxel_type))


def test_large_values_stay_large_in_64_bits():
    assert cast_to(np.array([1e30, -1e30], np.float32), np.dtype(np.int64)).tolist() == [2**63 - 1024, -(2**63)]


def test_slices_lie_across_the_widest_spacing_unless_an_axis_is_named(tmp_path):
    sagittal = write(tmp_path / "sagittal.nrrd", head(np.float32, (20, 24, 6)), spacing=(4.0, 0.9, 0.9))
    even = write(tmp_path / "even.nrrd", head(np.float32, (20, 24, 6)), spacing=(1.0, 1.0, 1.0))

    auto = denoise(sagittal, tmp_path / "auto.nrrd")
    denoise(sagittal, tmp_path / "i.nrrd", "--slice-axis", "i")
    denoise(even, tmp_path / "even_auto.nrrd")
    denoise(even, tmp_path / "even_k.nrrd", "--slice-axis", "k")

    assert "6 slices" in auto.stdout
    np.testing.assert_array_equal(voxels_of(tmp_path / "auto.nrrd"), voxels_of(tmp_path / "i.nrrd"))
    np.testing.assert_array_equal(voxels_of(tmp_path / "even_auto.nrrd"), voxels_of(tmp_path / "even_k.nrrd"))
    assert not np.array_equal(voxels_of(tmp_path / "auto.nrrd"), voxels_of(tmp_path / "even_auto.nrrd"))


def test_every_setting_changes_the_result(tmp_path):
    scan = write(tmp_path / "scan.nrrd", head(np.float32))
    settings = {
        "default": [],
        "noise": ["--noise", "gaussian"],
        "iterations": ["--iterations", "4"],
        "neighbours": ["--neighbours", "4"],
        "refinement": ["--no-refine"],
        "sigma": ["--sigma", "60"],
        "range": ["--intensity-range", "-100", "2000"],
    }
    results = {}
    for name, arguments in settings.items():
        done = denoise(scan, tmp_path / f"{name}.nrrd", *arguments)
        results[name] = voxels_of(tmp_path / f"{name}.nrrd")
        assert "given noise level 60" in done.stdout or name != "sigma"
    assert all(not np.array_equal(results["default"], results[name]) for name in settings if name != "default")


def test_a_step_across_slices_follows_where_they_are_not_thick_and_not_told_otherwise(tmp_path):
    thick = write(tmp_path / "thick.nrrd")
    even = write(tmp_path / "even.nrrd", head(np.float32), spacing=(0.9, 0.8, 1.0))

    assert "without a step across slices" in denoise(thick, tmp_path / "of_thick.nrrd").stdout
    assert "with a step across slices" in denoise(even, tmp_path / "with.nrrd").stdout
    assert "without a step across slices" in denoise(even, tmp_path / "without.nrrd", "--no-across").stdout

    stepped, alone = voxels_of(tmp_path / "with.nrrd"), voxels_of(tmp_path / "without.nrrd")
    assert not np.array_equal(stepped, alone)
    assert stepped.mean(dtype=np.float64) == pytest.approx(alone.mean(dtype=np.float64), rel=1e-5)


def test_takes_names_with_spaces_and_non_latin_characters(tmp_path):
    folder = tmp_path / "患者 フォルダ"
    folder.mkdir()
    for suffix in FORMATS:
        scan = write(tmp_path / f"scan{suffix}").rename(folder / f"скан № 1{suffix}")
        denoise(scan, folder / f"καθαρό{suffix}", "--conduction", folder / f"carte de çà{suffix}")
        assert voxels_of(folder / f"καθαρό{suffix}").shape == voxels_of(scan).shape


def test_replaces_an_output_and_the_input_when_told_to(tmp_path):
    scan = write(tmp_path / "scan.nii.gz")
    noisy = voxels_of(scan)

    denoise(scan, scan, "--overwrite")

    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii.gz"]
    assert not np.array_equal(voxels_of(scan), noisy)


def test_prints_its_version():
    done = shell.run("--version")

    assert done.returncode == 0
    assert done.stdout.startswith("neural-diffusion 0.")


def test_a_map_without_a_window_does_not_keep_that_of_the_scan(tmp_path):
    nifti = nib.Nifti1Image(head().T, np.eye(4))
    nifti.header["cal_min"], nifti.header["cal_max"] = 100, 900
    nib.save(nifti, tmp_path / "scan.nii.gz")
    scan = read_scan(tmp_path / "scan.nii.gz")
    write_map(tmp_path / "map.nii.gz", scan, np.full(scan.voxels.shape, 3.0))
    written = nib.load(tmp_path / "map.nii.gz").header
    assert (written["cal_min"], written["cal_max"]) == (0, 0)
