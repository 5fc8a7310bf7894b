"""Which way slices lie, and the mean over three orientations, with the weights that ship."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from NeuralDiffusionLib import DenoiseCancelled, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionLib.engine import slice_planes
from NeuralDiffusionLib.engine.intensity import estimate_range
from NeuralDiffusionLib.engine.slice_planes import acquisition_axis, denoise_three_planes, plane_axes, plane_name
from NeuralDiffusionTraining.files.image_files import Scan
from NeuralDiffusionTraining.files.scan_denoising import for_scan

QUICK = DenoiseSettings(iterations=2)
PLANES = ("axial", "coronal", "sagittal")


@pytest.fixture(scope="module")
def noisy():
    """A bright ball in air under Rician noise of 60, (18, 20, 22)."""
    axes = np.ogrid[-1:1:18j, -1:1:20j, -1:1:22j]
    clean = 800.0 * (np.sqrt(sum(axis**2 for axis in axes)) < 0.8)
    random = np.random.default_rng(3)
    return np.hypot(clean + random.normal(0, 60, clean.shape), random.normal(0, 60, clean.shape)).astype(np.float32)


def rotation(*degrees):
    """Turn about R, then A, then S."""
    turned = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[first, first] = step[second, second] = np.cos(angle)
        step[first, second], step[second, first] = -np.sin(angle), np.sin(angle)
        turned = step @ turned
    return turned


def ijk_to_ras(directions, spacing=(0.7, 0.9, 3.5)):
    matrix = np.eye(4)
    matrix[:3, :3] = directions * np.asarray(spacing)
    matrix[:3, 3] = (-91.0, 40.0, 7.5)
    return matrix


class TestAcquisitionAxis:
    @pytest.mark.parametrize(
        ("spacing", "axis"),
        [
            ((1.0, 1.0, 1.0), 0),
            ((5.0, 0.9, 0.9), 0),
            ((0.9, 5.0, 0.9), 1),
            ((0.9, 0.9, 5.0), 2),
            ((1.0, 1.5, 1.0), 1),
            ((1.0, 1.0, 1.49), 0),
            ((0.5, 5.0, 5.0), 0),
            ((1.0, 1.2, 1.6), 0),
        ],
    )
    def test_it_is_the_one_that_is_coarser_than_both_others_else_the_first(self, spacing, axis):
        assert acquisition_axis(spacing) == axis

    def test_a_lone_slice_lies_across_its_own_axis(self):
        assert acquisition_axis((5.0, 1.0, 1.0), (30, 40, 1)) == 2
        assert acquisition_axis((5.0, 1.0, 1.0), (30, 40, 48)) == 0
        assert acquisition_axis((1.0, 1.0, 5.0), (1, 1, 48)) == 2

    @pytest.mark.parametrize("axis", range(3))
    def test_the_command_line_follows_the_same_rule(self, axis):
        spacing = np.ones(3)
        spacing[axis] = 4.0
        scan = Scan(np.zeros((3, 4, 5)), (0, 0, 0), spacing[::-1].tolist(), np.eye(3).ravel().tolist(), "NrrdImageIO")
        assert for_scan(DenoiseSettings(), scan).slice_axis == acquisition_axis(spacing) == axis


class TestForScan:
    @pytest.mark.parametrize(
        ("spacing", "chosen", "across"),
        [
            ((1.0, 1.0, 1.0), None, True),
            ((4.0, 1.0, 1.0), None, False),
            # Thin slices, as a scan of thick ones shows them in another plane.
            ((4.0, 1.0, 1.0), 2, True),
        ],
    )
    def test_a_step_across_slices_follows_unless_they_are_thick(self, spacing, chosen, across):
        settings = slice_planes.for_scan(DenoiseSettings(slice_axis=chosen), spacing, (20, 24, 28))
        assert settings.across_slices is across
        assert settings.slice_axis == (chosen or 0)

    def test_a_single_slice_has_no_step_whatever_was_chosen(self):
        for across in (None, True):
            settings = slice_planes.for_scan(DenoiseSettings(across_slices=across), (1.0, 1.0, 1.0), (1, 24, 28))
            assert settings.across_slices is False

    @pytest.mark.parametrize("thick", [1.2, 0.3, 0.9, 1.5])
    def test_slices_that_are_exactly_thick_are_so_in_every_file(self, thick):
        """Whatever rounding the header of a file, or a matrix of oblique axes, brings with it."""
        thin = thick / 1.5
        for tilted in (rotation(0, 0, 0), rotation(20, -25, 10), rotation(-15, 5, 30)):
            matrix = ijk_to_ras(tilted, (thin, thin, thick))[:3, :3]
            for rounded in (matrix, matrix.astype(np.float32), np.round(matrix, 7)):
                spacing = np.linalg.norm(rounded.astype(np.float64), axis=0)[::-1]
                assert slice_planes.is_thick(spacing, 0)
                assert acquisition_axis(np.roll(spacing, 2)) == 2

    @pytest.mark.parametrize("across", [True, False])
    def test_what_was_chosen_holds(self, across):
        settings = DenoiseSettings(across_slices=across)
        for spacing in ((1.0, 1.0, 1.0), (4.0, 1.0, 1.0)):
            assert slice_planes.for_scan(settings, spacing, (20, 24, 28)).across_slices is across


class TestPlaneAxes:
    @pytest.mark.parametrize("order", list(permutations(range(3))))
    @pytest.mark.parametrize("signs", list(product((-1, 1), repeat=3)))
    def test_every_order_and_sign_of_the_axes_is_told_apart_also_when_tilted(self, order, signs):
        """IJK axis n runs along RAS axis order[n]; half of the cases are left-handed."""
        directions = np.zeros((3, 3))
        directions[list(order), range(3)] = signs
        expected = {plane: 2 - order.index(normal) for plane, normal in zip(PLANES, (2, 1, 0), strict=True)}
        for degrees in ((0, 0, 0), (20, -25, 10), (-15, 5, 30)):
            matrix = ijk_to_ras(rotation(*degrees) @ directions)
            assert plane_axes(matrix) == expected
            assert plane_axes(matrix[:3, :3]) == expected
            assert [plane_name(matrix, expected[plane]) for plane in PLANES] == list(PLANES)

    def test_any_matrix_gives_three_different_axes(self):
        random = np.random.default_rng(0)
        for _ in range(200):
            matrix = ijk_to_ras(rotation(*random.uniform(-180, 180, 3)), random.uniform(0.3, 6, 3))
            assert sorted(plane_axes(matrix).values()) == [0, 1, 2]

    def test_spacing_does_not_matter(self):
        matrix = ijk_to_ras(rotation(40, 10, 0))
        assert plane_axes(matrix) == plane_axes(ijk_to_ras(rotation(40, 10, 0), (9.0, 0.2, 0.4)))

    @pytest.mark.parametrize("degrees", [45, -45])
    def test_exactly_between_two_planes_the_slices_count_as_axial(self, degrees):
        assert plane_axes(ijk_to_ras(rotation(degrees, 0, 0))) == {"axial": 0, "coronal": 1, "sagittal": 2}

    def test_slices_stacked_aslant_are_told_by_how_they_lie_not_by_where_they_are_stacked(self):
        # The gantry is tilted so far that the stack runs 60 degrees off the slices' normal.
        sheared = np.eye(3)
        sheared[1, 2] = np.tan(np.deg2rad(60))
        assert plane_axes(ijk_to_ras(sheared, (1, 1, 1)))["axial"] == 0

    @pytest.mark.parametrize("value", [0.0, np.nan])
    def test_a_matrix_without_inverse_is_refused(self, value):
        matrix = np.eye(4)
        matrix[1, 1] = value
        with pytest.raises(InvalidVolumeError, match="no inverse"):
            plane_axes(matrix)


class TestThreePlanes:
    def test_image_and_conduction_are_the_mean_and_the_level_is_the_median(self, denoiser, noisy):
        result = denoise_three_planes(denoiser, noisy, QUICK)
        runs = [denoiser(noisy, replace(QUICK, slice_axis=axis)) for axis in range(3)]
        np.testing.assert_allclose(result.image, np.mean([run.image for run in runs], axis=0), atol=1e-3)
        np.testing.assert_allclose(result.conduction, np.mean([run.conduction for run in runs], axis=0), atol=1e-6)
        assert result.sigma == pytest.approx(sorted(run.sigma for run in runs)[1])
        np.testing.assert_allclose(result.slice_sigma, np.concatenate([run.slice_sigma for run in runs]))
        assert result.image.dtype == result.conduction.dtype == np.float32
        assert result.image.shape == result.conduction.shape == noisy.shape

    def test_a_map_that_is_not_to_be_kept_is_not(self, denoiser, noisy):
        result = denoise_three_planes(denoiser, noisy, QUICK, conduction=False)
        assert result.conduction is None
        np.testing.assert_array_equal(result.image, denoise_three_planes(denoiser, noisy, QUICK).image)

    def test_none_of_the_three_takes_a_step_across_its_slices(self, denoiser, noisy):
        asked = denoise_three_planes(denoiser, noisy, replace(QUICK, across_slices=True))
        np.testing.assert_array_equal(asked.image, denoise_three_planes(denoiser, noisy, QUICK).image)

    def test_without_noise_the_volume_comes_back_as_it_was(self, denoiser, noisy):
        result = denoise_three_planes(denoiser, noisy, replace(QUICK, sigma=0.0))
        np.testing.assert_array_equal(result.image, noisy)
        assert result.sigma == 0

    def test_one_range_serves_all_three(self, noisy, denoiser):
        seen = []

        def spy(volume, settings, *more):
            seen.append((settings.intensity_range, settings.slice_axis))
            return denoiser(volume, settings, *more)

        result = denoise_three_planes(spy, noisy, replace(QUICK, slice_axis=2))
        assert seen == [(estimate_range(noisy), axis) for axis in range(3)]
        assert result.intensity_range == estimate_range(noisy)
        seen.clear()
        denoise_three_planes(spy, noisy, replace(QUICK, intensity_range=(0.0, 700.0)))
        assert seen == [((0.0, 700.0), axis) for axis in range(3)]

    def test_progress_counts_the_slices_of_all_three_once(self, denoiser, noisy, monkeypatch):
        monkeypatch.setattr(engine, "batch_size", lambda *_: 8)
        calls = []
        denoise_three_planes(denoiser, noisy, QUICK, lambda done, total: calls.append((done, total)))
        assert calls == [(done, 60) for done in (8, 16, 18, 26, 34, 38, 46, 54, 60)]

    @pytest.mark.parametrize("batches", [0, 1, 2])
    def test_it_can_be_cancelled_in_each_of_the_three(self, denoiser, noisy, batches):
        calls = []
        with pytest.raises(DenoiseCancelled):
            denoise_three_planes(
                denoiser, noisy, QUICK, lambda *call: calls.append(call), lambda: len(calls) == batches
            )
        assert len(calls) == batches

    def test_each_note_stands_once(self, denoiser, noisy):
        def noting(volume, settings, *more):
            notes = ("Memory ran out.", f"Axis {settings.slice_axis}.")
            return replace(denoiser(volume, settings, *more), notes=notes)

        assert denoise_three_planes(noting, noisy, QUICK).notes == ("Memory ran out.", "Axis 0.", "Axis 1.", "Axis 2.")

    @pytest.mark.parametrize("shape", [(1, 20, 22), (20, 1, 22), (20, 22, 1)])
    def test_a_single_slice_is_refused(self, denoiser, shape):
        with pytest.raises(InvalidVolumeError, match=f"{' x '.join(map(str, shape))} voxels, so it has slices in one"):
            denoise_three_planes(denoiser, np.ones(shape), QUICK)

    def test_what_is_no_volume_is_refused_before_any_work(self, denoiser):
        with pytest.raises(InvalidVolumeError, match="2 dimensions"):
            denoise_three_planes(denoiser, np.ones((4, 4)), QUICK)
