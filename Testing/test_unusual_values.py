"""Values that no scanner means: denoised rightly, or refused in one sentence, by the engine and by the command line."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from shell import head, image
from shell_in_process import denoised, refused

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine.slice_planes import denoise_three_planes

pytestmark = pytest.mark.filterwarnings("error")

QUICK = DenoiseSettings(iterations=2)
TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "longdouble"]


def noisy(scale=0.15, shape=(3, 24, 20)):
    """The noisy head, within 0 to 127, float32."""
    return (scale * head(np.float32, shape)).clip(0, 127)


def largest_change(first, second):
    return float(np.abs(np.asarray(first, np.float64) - second).max())


class TestTypes:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("kind", TYPES)
    def test_type_and_byte_order_do_not_matter(self, denoiser, kind, order):
        whole = np.rint(noisy())
        volume = whole.astype(np.dtype(kind).newbyteorder(order))
        np.testing.assert_array_equal(denoiser(volume, QUICK).image, denoiser(whole, QUICK).image)

    @pytest.mark.parametrize("kind", ["i8", "u8"])
    def test_the_largest_whole_numbers_neither_wrap_nor_overflow(self, denoiser, kind):
        highest = np.iinfo(kind).max
        volume = (whole := np.rint(noisy()).astype(kind)) * (highest // 127)
        image = denoiser(volume, QUICK).image / (highest // 127)
        assert largest_change(image, denoiser(whole, QUICK).image) < 1e-3

    def test_the_whole_span_of_64_bits_is_taken(self, denoiser):
        span = np.iinfo(np.int64)
        volume = np.where(noisy() > 60, span.max, span.min)
        assert np.abs(denoiser(volume, QUICK).image).max() == 2.0**63

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_values_beyond_a_short_float_are_clipped_to_its_largest(self, denoiser, order):
        volume = noisy() * 1e3
        kind = np.dtype("f2").newbyteorder(order)
        image = denoiser(volume, QUICK, scalar_type=kind).image
        expected = denoiser(volume, QUICK).image.clip(-65504, 65504).astype(kind)
        np.testing.assert_array_equal(image, expected)
        assert image.max() == 65504

    @pytest.mark.parametrize("kind", [bool, object, "U5", complex, "datetime64[s]"])
    def test_a_result_of_no_numbers_is_refused_before_the_run(self, denoiser, kind):
        with pytest.raises(ValueError, match=r"^Scalar type .* is not possible: choose one of integers or real"):
            denoiser(noisy(), QUICK, progress=pytest.fail, scalar_type=kind)

    @pytest.mark.parametrize("run", [Denoiser.__call__, denoise_three_planes])
    def test_voxels_that_are_masked_out_are_refused(self, denoiser, run):
        volume = noisy()
        volume[0] = 1e6
        with pytest.raises(InvalidVolumeError, match="has voxels that are masked out, which every slice needs; fill"):
            run(denoiser, np.ma.masked_greater(volume, 1e5), QUICK)
        whole = np.ma.masked_array(noisy())
        np.testing.assert_array_equal(run(denoiser, whole, QUICK).image, run(denoiser, noisy(), QUICK).image)

    @pytest.mark.parametrize("kind", [*TYPES[:8], "f4", "f8"])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_a_nifti_file_of_any_type_and_byte_order_keeps_its_type(self, tmp_path, kind, order):
        voxels = np.ascontiguousarray(np.rint(noisy()).T.astype(kind))
        header = nib.Nifti1Header(endianness=order)
        header.set_data_dtype(np.dtype(kind).newbyteorder(order))
        nib.save(nib.Nifti1Image(voxels, np.eye(4), header), tmp_path / "scan.nii")
        scan = denoised(tmp_path / "scan.nii", tmp_path / "clean.nii")
        stored = nib.load(tmp_path / "clean.nii").get_data_dtype()
        assert stored == np.dtype(kind).newbyteorder(order)
        assert 0 < largest_change(scan.voxels, voxels.T.astype(np.float64)) < 127

    @pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
    @pytest.mark.parametrize("kind", [*TYPES[:8], "f4", "f8"])
    def test_other_formats_keep_every_type_too(self, tmp_path, kind, suffix):
        scan = tmp_path / f"scan{suffix}"
        sitk.WriteImage(image(np.rint(noisy()).astype(kind)), str(scan))
        assert denoised(scan, tmp_path / f"clean{suffix}").voxels.dtype == np.dtype(kind)


class TestExtremes:
    @pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e12, 1e34])
    def test_tiny_and_huge_units_give_the_same_picture(self, denoiser, scale):
        volume = noisy().astype(np.float64)
        plain, scaled = denoiser(volume, QUICK), denoiser(volume * scale, QUICK)
        assert largest_change(scaled.image / scale, plain.image) < 1e-3
        assert scaled.sigma / scale == pytest.approx(plain.sigma, rel=1e-4)
        assert np.isfinite(scaled.conduction).all()

    @pytest.mark.parametrize(
        ("volume", "words"),
        [
            (noisy().astype(np.float64) * 1e300, "divide"),
            (np.where(noisy() > 60, 1.7e308, -1.7e308), "divide"),
            (np.where(noisy() > 60, np.float32(3.4e38), np.float32(-3.4e38)), "divide"),
            (np.full((3, 8, 8), -1.7e308), "divide"),
            (noisy().astype(np.longdouble) * np.longdouble("1e1000"), "divide"),
            (noisy() * np.float32(1e-41), "multiply"),
            (noisy().astype(np.float64) * 1e-312, "multiply"),
        ],
        ids=["beyond", "both ends", "of 32 bits", "constant", "16 bytes", "subnormal 32 bits", "subnormal 64 bits"],
    )
    def test_what_32_bit_floats_cannot_carry_is_refused(self, denoiser, volume, words):
        before = volume.copy()
        with pytest.raises(InvalidVolumeError, match=words) as refusal:
            denoiser(volume, QUICK)
        assert str(refusal.value).count(". ") == 0
        np.testing.assert_array_equal(volume, before)

    @pytest.mark.parametrize("kind", ["i8", "f4", "f8"])
    def test_values_close_together_far_from_zero_are_refused_unless_their_range_is_stated(self, denoiser, kind):
        volume = np.rint(noisy()).astype(kind) + np.dtype(kind).type(2**27)
        with pytest.raises(InvalidVolumeError, match=r"at an offset of 1.34e\+08, .*; subtract the offset first\.$"):
            denoiser(volume, QUICK)
        stated = DenoiseSettings(iterations=2, intensity_range=(2**27, 2**27 + 128))
        assert denoiser(volume, stated, scalar_type=np.float64).sigma > 1

    def test_whole_numbers_that_float32_holds_may_lie_close_together(self, denoiser):
        volume = np.full((2, 16, 16), 60000, np.uint16)
        volume[:, 4:8, 4:8] += 1
        np.testing.assert_array_equal(denoiser(volume, QUICK, scalar_type=np.uint16).image, volume)

    def test_single_subnormal_voxels_do_no_harm(self, denoiser):
        volume = noisy()
        volume[:, :4] = 1e-42
        assert np.isfinite(denoiser(volume, QUICK).image).all()

    @pytest.mark.parametrize("voxels", [noisy().astype(np.float64) * 1e300, noisy().astype(np.float64) * 1e-312])
    def test_the_command_line_names_the_file(self, tmp_path, voxels):
        scan = tmp_path / "scan.nrrd"
        sitk.WriteImage(image(voxels), str(scan))
        assert refused(scan, tmp_path / "clean.nrrd").startswith(f"{scan}: the volume")

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4", "longdouble"])
    def test_one_voxel_that_is_no_number_is_enough_to_refuse(self, denoiser, value, kind):
        volume = noisy().astype(kind)
        volume[2, 3, 4] = value
        with pytest.raises(InvalidVolumeError, match="NaN or infinite"):
            denoiser(volume, QUICK)


class TestContent:
    @pytest.mark.parametrize("value", [0.0, -0.0, 7.0, -1000.0, -(2.0**53), -1e38, 1e12, 1e-6])
    @pytest.mark.parametrize("noise", ["rician", "gaussian", "speckle", "mixed"])
    def test_a_constant_volume_comes_back_as_it_was(self, denoiser, value, noise):
        volume = np.full((2, 12, 9), value)
        result = denoiser(volume, DenoiseSettings(iterations=2, noise=noise))
        np.testing.assert_array_equal(result.image, volume.astype(np.float32))
        assert result.sigma == 0

    @pytest.mark.parametrize("background", ["zero", "scan"])
    @pytest.mark.parametrize("value", [1e3, 1e6, 1e12, 1e30])
    def test_one_bright_voxel_stays_and_spoils_its_neighbours_only(self, denoiser, background, value):
        # In a volume of this size single voxels do not set the intensity range.
        volume = noisy(shape=(3, 64, 64)) if background == "scan" else np.zeros((3, 64, 64), np.float32)
        plain = denoiser(volume, QUICK)
        volume[1, 30, 40] = value
        result = denoiser(volume, QUICK)
        assert result.image[1, 30, 40] == pytest.approx(value, rel=0.6)
        assert result.image[1, 30, 40] == result.image.max()
        around = np.ones(volume.shape, bool)
        around[1, 22:39, 32:49] = False
        assert largest_change(result.image[around], plain.image[around]) < 127
        assert largest_change(result.image[[0, 2]], plain.image[[0, 2]]) < 0.05 * 127
        others = np.delete(result.image.ravel(), np.ravel_multi_index((1, 30, 40), volume.shape))
        assert others.min() > -127
        assert others.max() < 4 * 127

    def test_ct_keeps_its_place_below_zero(self, denoiser):
        plain = denoiser(np.rint(noisy()).astype(np.int16), DenoiseSettings(iterations=2, noise="gaussian"))
        volume = np.rint(noisy()).astype(np.int16) - 1000
        result = denoiser(volume, DenoiseSettings(iterations=2, noise="gaussian"))
        assert largest_change(result.image + 1000, plain.image) < 20
        assert result.intensity_range[0] == pytest.approx(-1000, abs=5)

    def test_nothing_overshoots_even_where_every_pixel_is_an_edge(self, denoiser):
        volume = np.random.default_rng(0).integers(0, 2, (3, 48, 48)).astype(np.float32)
        for noise in ("rician", "gaussian", "mixed"):
            image = denoiser(volume, DenoiseSettings(iterations=2, noise=noise)).image
            assert image.min() >= -1e-6
            assert image.max() <= 1 + 1e-6

    def test_pure_noise_is_smoothed_and_measured(self, denoiser):
        noise = np.random.default_rng(0).rayleigh(30, (3, 48, 48)).astype(np.float32)
        result = denoiser(noise)
        assert result.image.std() < 0.7 * noise.std()
        assert np.isfinite(result.image).all()
        assert result.sigma > 10

    def test_a_clean_scan_hardly_changes_and_cleaning_twice_changes_less(self, denoiser):
        clean = head(np.float32, (3, 48, 48), level=0)
        once = denoiser(clean).image
        assert np.sqrt(np.mean((once - clean) ** 2)) < 0.02 * clean.max()
        dirty = head(np.float32, (3, 48, 48), level=40)
        first = denoiser(dirty).image
        second = denoiser(first).image
        assert np.mean((second - first) ** 2) < 0.25 * np.mean((first - dirty) ** 2)


class TestSettings:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"noise": None},
            {"noise": ["rician"]},
            {"noise": np.array(["rician", "mixed"])},
            {"iterations": "16"},
            {"iterations": True},
            {"iterations": 10**400},
            {"neighbours": None},
            {"refine": "no"},
            {"slice_axis": 1.0},
            {"intensity_range": 5},
            {"intensity_range": (0, 1, 2)},
            {"intensity_range": ("0", "1")},
            {"intensity_range": (0, 10**400)},
            {"intensity_range": (-1e308, 1e308)},
            {"intensity_range": (0, 1e-300)},
            {"intensity_range": (None, 1)},
            {"sigma": "30"},
            {"sigma": True},
            {"sigma": 10**400},
            {"sigma": 1j},
        ],
        ids=str,
    )
    def test_a_setting_of_a_wrong_kind_is_refused_in_one_sentence(self, wrong):
        with pytest.raises(ValueError, match=r"(choose|give) .*\.$"):
            DenoiseSettings(**wrong)

    def test_numbers_of_numpy_are_numbers(self, denoiser):
        settings = DenoiseSettings(
            iterations=np.int64(2), neighbours=np.uint8(8), slice_axis=np.int32(1), sigma=np.float32(5)
        )
        same = DenoiseSettings(iterations=2, slice_axis=1, sigma=5)
        np.testing.assert_array_equal(denoiser(noisy(), settings).image, denoiser(noisy(), same).image)

    @pytest.mark.parametrize("noise", ["rician", "gaussian", "speckle", "mixed"])
    @pytest.mark.parametrize("sigma", [5e-324, 1e-30, 1e6, 1e300])
    def test_any_level_gives_numbers_within_those_of_the_slices(self, denoiser, noise, sigma):
        result = denoiser(noisy(), DenoiseSettings(iterations=2, noise=noise, sigma=sigma))
        assert np.isfinite(result.conduction).all()
        assert result.image.min() >= -1e-4
        assert np.all(result.image.max(axis=(1, 2)) <= noisy().max(axis=(1, 2)) + 1e-4)
        assert result.sigma == sigma

    @pytest.mark.parametrize("bounds", [(0, 1e-30), (0, 1e-6), (1e16, 1e16 + 2), (-1e38, 1e38), (0, 1e38)])
    def test_a_range_far_from_the_intensities_leaves_them_as_they_are(self, denoiser, bounds):
        result = denoiser(noisy(), DenoiseSettings(iterations=2, intensity_range=bounds))
        assert largest_change(result.image, noisy()) < 1e-3
