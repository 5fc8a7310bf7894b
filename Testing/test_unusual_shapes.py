"""Arrays of every shape and layout: denoised, or refused in one sentence, by the engine, the module and the command."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from shell import head, image
from shell_in_process import denoised, refused

from NeuralDiffusionLib import DenoiseSettings, InvalidVolumeError

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

QUICK = DenoiseSettings(iterations=2)
SHAPES = [(1, 1, 1), (1, 24, 20), (3, 3, 500), (2, 500, 3), (4, 1, 37), (4, 37, 1), (3, 17, 23), (7, 2, 2)]


class TestEngine:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_every_shape_is_kept_and_every_slice_is_that_of_a_run_of_its_own(self, denoiser, shape):
        volume = head(np.float32, shape)
        settings = DenoiseSettings(iterations=2, intensity_range=(0.0, 800.0))
        result = denoiser(volume, settings)
        assert result.image.shape == result.conduction.shape == shape
        for number in range(len(volume)):
            alone = denoiser(volume[number : number + 1], settings).image[0]
            np.testing.assert_allclose(result.image[number], alone, atol=0.01)

    def test_a_slice_of_2000_by_2000_goes_through(self, denoiser):
        volume = np.resize(head(np.float32, (1, 100, 80)), (1, 2000, 2000))
        result = denoiser(volume, DenoiseSettings(iterations=1, refine=False))
        assert result.image.shape == volume.shape
        assert np.abs(result.image - volume).max() > 0

    def test_a_read_only_array_is_taken(self, denoiser):
        volume = head()
        expected = denoiser(volume, QUICK).image
        volume.setflags(write=False)
        np.testing.assert_array_equal(denoiser(volume, QUICK).image, expected)

    @pytest.mark.parametrize("mode", ["r", "c", "r+"])
    def test_a_file_mapped_into_memory_is_taken_and_not_changed(self, denoiser, tmp_path, mode):
        volume = head()
        np.save(tmp_path / "scan.npy", volume)
        mapped = np.load(tmp_path / "scan.npy", mmap_mode=mode)
        np.testing.assert_array_equal(denoiser(mapped, QUICK).image, denoiser(volume, QUICK).image)
        del mapped
        np.testing.assert_array_equal(np.load(tmp_path / "scan.npy"), volume)

    def test_a_result_shares_no_memory_with_its_input(self, denoiser):
        volume = head(np.float32)
        result = denoiser(volume, DenoiseSettings(sigma=0))
        assert not np.shares_memory(result.image, volume)
        assert result.image.flags.writeable


class TestModule:
    @pytest.mark.parametrize("shape", SHAPES[1:])
    def test_every_shape_with_a_slice_is_kept(self, logic, scene, add_volume, shape):
        volume = add_volume(head(np.int16, shape))
        output = logic.addOutputVolume(volume)
        if sorted(shape)[1] == 1:
            with pytest.raises(InvalidVolumeError, match="voxels large"):
                logic.process(volume, output, None, QUICK)
            return
        assert logic.process(volume, output, None, QUICK).image.shape == shape
        assert output.GetImageData().GetDimensions() == tuple(reversed(shape))


class TestCommandLine:
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("suffix", [".nii", ".nrrd"])
    def test_every_shape_is_kept(self, tmp_path, shape, suffix):
        scan = tmp_path / f"scan{suffix}"
        sitk.WriteImage(image(head(np.int16, shape)), str(scan))
        assert denoised(scan, tmp_path / f"clean{suffix}").voxels.shape == shape

    @pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
    def test_a_picture_is_one_slice(self, tmp_path, suffix):
        scan = tmp_path / f"scan{suffix}"
        sitk.WriteImage(sitk.GetImageFromArray(head()[2]), str(scan))
        assert denoised(scan, tmp_path / f"clean{suffix}").voxels.shape == (1, *head().shape[1:])

    @pytest.mark.parametrize("shape", [(0, 4, 5), (4, 0, 5)])
    def test_a_file_without_voxels_is_refused(self, tmp_path, shape):
        header = nib.Nifti1Image(np.zeros((4, 4, 5), np.int16), np.eye(4)).header
        header["dim"][1:4] = shape
        (tmp_path / "scan.nii").write_bytes(header.binaryblock + bytes(500))
        sentence = refused(tmp_path / "scan.nii", tmp_path / "clean.nii")
        assert "no voxels" in sentence or "cannot be read" in sentence

    @pytest.mark.parametrize("shape", [(4, 5, 6, 2), (4, 5, 1, 2), (4, 5, 6, 1, 3)])
    def test_more_than_one_volume_is_refused(self, tmp_path, shape):
        nib.save(nib.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), tmp_path / "scan.nii")
        assert "several volumes" in refused(tmp_path / "scan.nii", tmp_path / "clean.nii")
