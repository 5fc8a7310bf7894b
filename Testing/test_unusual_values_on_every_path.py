"""Values that no scanner means, in a scene and in files: out comes what the engine makes of them, or nothing."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from shell import head, image
from shell_in_process import denoised, refused

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.volumes import make_image

pytestmark = pytest.mark.filterwarnings("error")

QUICK = DenoiseSettings(iterations=1, across_slices=False)
SCALAR_TYPES = {
    "i1": vtk.VTK_SIGNED_CHAR,
    "u1": vtk.VTK_UNSIGNED_CHAR,
    "i2": vtk.VTK_SHORT,
    "u2": vtk.VTK_UNSIGNED_SHORT,
    "i4": vtk.VTK_INT,
    "u4": vtk.VTK_UNSIGNED_INT,
    "i8": vtk.VTK_LONG_LONG,
    "u8": vtk.VTK_UNSIGNED_LONG_LONG,
    "f4": vtk.VTK_FLOAT,
    "f8": vtk.VTK_DOUBLE,
}


def noisy() -> np.ndarray:
    """The noisy head in whole numbers within 0 to 127."""
    return np.rint(0.15 * head(np.float64, (3, 24, 20))).clip(0, 127)


def changed(voxels: np.ndarray, value: float) -> np.ndarray:
    voxels[1, 12, 10] = value
    return voxels


VALUES = {
    **{kind: noisy().astype(kind) for kind in SCALAR_TYPES},
    "the highest of 64 bits": noisy().astype("u8") * (np.iinfo("u8").max // 127),
    "both ends of 64 bits": np.where(noisy() > 60, np.iinfo("i8").max, np.iinfo("i8").min),
    "zero": np.zeros((3, 24, 20), "i2"),
    "constant": np.full((3, 24, 20), -7.0),
    "one bright voxel": changed(np.zeros((3, 24, 20)), 1e12),
    "one bright voxel in a scan": changed(noisy().astype("f4"), 1e30),
    "CT": (noisy() - 1000).astype("i2"),
    "some subnormal": np.where(np.arange(20) < 4, 1e-312, noisy()),
    "tiny": 1e-6 * noisy(),
    "huge": 1e12 * noisy(),
    "clean": head(np.float64, (3, 24, 20), level=0),
    "pure noise": np.random.default_rng(0).rayleigh(30, (3, 24, 20)),
}
REFUSED = {
    "beyond 32 bits": (1e300 * noisy(), "divide"),
    "one beyond 32 bits": (changed(noisy(), 1e300), "divide"),
    "subnormal": (1e-312 * noisy(), "multiply"),
    "NaN": (changed(noisy(), np.nan), "NaN or infinite"),
    "infinite": (changed(noisy(), np.inf), "NaN or infinite"),
    "minus infinite": (changed(noisy().astype("f4"), -np.inf), "NaN or infinite"),
}


@pytest.fixture
def volumes(scene):
    """Make a volume of some voxels, without a display: Slicer's own ends the process over subnormal numbers."""

    def make(voxels: np.ndarray):
        volume, output = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("Scan", "Output"))
        volume.SetAndObserveImageData(make_image(np.zeros(voxels.shape), SCALAR_TYPES[voxels.dtype.str[1:]]))
        slicer.util.arrayFromVolume(volume)[...] = voxels
        return volume, output

    return make


@pytest.fixture(scope="module")
def expected():
    """What the engine makes of voxels, in their own type."""
    denoiser = Denoiser("cpu")

    def make(voxels: np.ndarray) -> np.ndarray:
        # In numbers that are exact for every type but the longest.
        result = denoiser(voxels, QUICK, scalar_type=np.float64).image
        if voxels.dtype.kind == "f":
            return result.astype(voxels.dtype)
        low, high = np.iinfo(voxels.dtype).min, np.iinfo(voxels.dtype).max
        # In Python's own numbers, which neither wrap nor round.
        whole = [min(max(int(value), low), high) for value in np.rint(result.astype(np.float64)).ravel()]
        return np.array(whole, voxels.dtype).reshape(voxels.shape)

    return make


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    # The highest 64-bit numbers have no float of their own.
    rtol = 2.0**-52 if expected.dtype.itemsize == 8 and expected.dtype.kind in "iu" else 0
    np.testing.assert_allclose(found.astype(np.longdouble), expected.astype(np.longdouble), rtol=rtol, atol=0)


@pytest.mark.parametrize("kind", VALUES)
def test_in_the_scene_they_become_what_the_engine_makes_of_them(logic, volumes, expected, kind):
    volume, output = volumes(VALUES[kind])
    logic.process(volume, output, None, QUICK, device="cpu")
    assert output.GetImageData().GetScalarType() == volume.GetImageData().GetScalarType()
    assert_same(slicer.util.arrayFromVolume(output), expected(VALUES[kind]))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), VALUES[kind])


@pytest.mark.parametrize("kind", REFUSED)
def test_in_the_scene_what_cannot_be_is_refused_and_nothing_changes(logic, volumes, state, kind):
    voxels, words = REFUSED[kind]
    volume, output = volumes(voxels)
    before = state()
    with pytest.raises(InvalidVolumeError, match=words) as refusal:
        logic.process(volume, output, None, QUICK, device="cpu")
    assert str(refusal.value).endswith(".")
    assert str(refusal.value).count(". ") == 0
    assert state() == before


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_in_files_they_become_what_the_engine_makes_of_them(tmp_path, expected, kind, suffix):
    scan = tmp_path / f"scan{suffix}"
    sitk.WriteImage(image(VALUES[kind]), str(scan))
    assert_same(denoised(scan, tmp_path / f"clean{suffix}").voxels, expected(VALUES[kind]))


@pytest.mark.parametrize("kind", REFUSED)
def test_in_files_what_cannot_be_is_refused(tmp_path, kind):
    voxels, words = REFUSED[kind]
    scan = tmp_path / "scan.nrrd"
    sitk.WriteImage(image(voxels), str(scan))
    sentence = refused(scan, tmp_path / "clean.nrrd")
    assert sentence.startswith(f"{scan}: ")
    assert words in sentence


def test_slices_of_2000_by_2000_go_through_in_the_scene_and_in_files(tmp_path, logic, volumes):
    voxels = np.resize(head(np.int16, (1, 100, 80)), (1, 2000, 2000))
    volume, output = volumes(voxels)
    logic.process(volume, output, None, DenoiseSettings(iterations=1, refine=False), device="cpu")
    sitk.WriteImage(image(voxels), str(tmp_path / "scan.mha"))
    found = denoised(tmp_path / "scan.mha", tmp_path / "clean.mha", "--no-refine").voxels
    np.testing.assert_array_equal(found, slicer.util.arrayFromVolume(output))
    assert (found != voxels).any()
