"""What holds for every volume and every setting, on random ones: the promises of the diffusion and of the engine."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import head

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine import denoiser as engine

pytestmark = pytest.mark.filterwarnings("error")

DENOISER = Denoiser("cpu", precision="float32")
ROUNDING = 1e-5
"""Share of the intensity range by which float32 may differ where the order of its sums differs; 2e-6 was measured."""
FAST = Denoiser("cpu")
FAST_ROUNDING = 0.02
"""The same for bfloat16, as `Denoiser` documents it."""
MIRRORED = 1.0
"""Root mean square difference of a mirrored run, in noise levels, as `Denoiser` documents it: of 300 random scans and
settings the median was 0.2, the highest 0.75. In slices of less than 32 pixels a side it is more."""

few = settings(max_examples=12, deadline=None)


@st.composite
def volumes(draw, smallest=1):
    """Noise of several kinds and scales, or a noisy head, in slices of any size."""
    shape = tuple(draw(st.integers(low, high)) for low, high in ((1, 4), (smallest, 20), (smallest, 20)))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    volume = {
        "head": lambda: head(np.float32, shape, draw(st.sampled_from([0.0, 20.0, 60.0]))),
        "normal": lambda: random.normal(0, 1, shape),
        "spread": lambda: np.exp(random.normal(0, 3, shape)),
        "steps": lambda: random.integers(-3, 4, shape),
        "spikes": lambda: random.random(shape) + 1e4 * (random.random(shape) > 0.98),
    }[draw(st.sampled_from(["head", "normal", "spread", "steps", "spikes"]))]()
    return np.asarray(draw(st.sampled_from([1e-3, 1.0, 500.0])) * volume, np.float32)


def choices(**fixed):
    options = {
        "noise": st.sampled_from(["rician", "gaussian", "speckle", "mixed"]),
        "iterations": st.integers(1, 20),
        "neighbours": st.sampled_from([4, 8]),
        "refine": st.booleans(),
        "across_slices": st.booleans(),
        "sigma": st.one_of(st.none(), st.floats(0, 100)),
    }
    return st.builds(DenoiseSettings, **{**options, **{name: st.just(value) for name, value in fixed.items()}})


either = pytest.mark.parametrize(
    ("denoiser", "rounding"), [(DENOISER, ROUNDING), (FAST, FAST_ROUNDING)], ids=["float32", "fast"]
)


def in_batches(batch, denoiser, volume, chosen):
    with mock.patch.object(engine, "batch_size", return_value=batch):
        return denoiser(volume, chosen)


def each_slice(volume, result, chosen):
    """Each denoised slice, what it may take from of the volume (the next slices, too, after a step across), and how far
    rounding may go: a slice's brightest voxels are stored with less digits than the change of the others has."""
    low, high = result.intensity_range
    for number, after in enumerate(result.image):
        near = volume[max(0, number - 1) : number + 2] if chosen.across_slices else volume[number]
        yield near, after, ROUNDING * max(high - low, float(np.abs(near).max()))


def assert_close(first, second, tolerance):
    """The difference is at most the tolerance, as a share of the intensities that count as 0 to 1, or of the voxel."""
    low, high = second.intensity_range
    allowed = tolerance * np.maximum(high - low, np.abs(second.image))
    assert np.all(np.abs(first - second.image) <= allowed)


class TestDiffusion:
    """Without refinement, and without bias to take away: speckle has none, nor has Gaussian noise that was not cut."""

    @given(volumes(), choices(noise="speckle", refine=False))
    @few
    def test_no_new_extrema(self, volume, chosen):
        self.check_extrema(volume, chosen)

    @given(volumes(), choices(noise="gaussian", refine=False, intensity_range=(0.0, 100.0)))
    @few
    def test_no_new_extrema_in_gaussian_noise_about_zero(self, volume, chosen):
        volume[0, 0, 0] = -1
        self.check_extrema(volume, chosen)

    def check_extrema(self, volume, chosen):
        # Without what would cut off new extrema afterwards.
        with mock.patch.object(engine, "within_extremes", side_effect=lambda images, inputs: images):
            result = DENOISER(volume, chosen)
        for before, after, rounding in each_slice(volume, result, chosen):
            assert after.max() <= before.max() + rounding
            assert after.min() >= before.min() - rounding

    @given(volumes(), choices(noise="speckle", refine=False))
    @few
    def test_the_mean_is_conserved(self, volume, chosen):
        self.check_mean(volume, chosen)

    @given(volumes(), choices(noise="gaussian", refine=False, intensity_range=(0.0, 100.0)))
    @few
    def test_the_mean_is_conserved_in_gaussian_noise_about_zero(self, volume, chosen):
        volume[0, 0, 0] = -1
        self.check_mean(volume, chosen)

    def check_mean(self, volume, chosen):
        """Of the whole volume and, without a step across them, of each slice."""
        alone = replace(chosen, across_slices=False)
        for how, stacks in ((chosen, [...]), (alone, range(len(volume)))):
            result = DENOISER(volume, how)
            low, high = result.intensity_range
            rounding = ROUNDING * max(high - low, float(np.abs(volume).max()))
            for stack in stacks:
                before, after = (voxels[stack].mean(dtype=np.float64) for voxels in (volume, result.image))
                assert after == pytest.approx(before, abs=rounding)


class TestEngine:
    @given(volumes(), choices())
    @few
    def test_results_are_numbers_within_the_extremes_of_their_slices_and_zero(self, volume, chosen):
        result = DENOISER(volume, chosen)
        assert result.conduction.min() >= 0
        assert result.conduction.max() <= 1
        low, _ = result.intensity_range
        for before, after, rounding in each_slice(volume, result, chosen):
            assert after.max() <= before.max() + rounding
            assert after.min() >= min(before.min(), low) - rounding

    @either
    @given(volume=volumes(), chosen=choices(), batch=st.integers(1, 3))
    @few
    def test_the_batch_does_not_matter(self, denoiser, rounding, volume, chosen, batch):
        expected = in_batches(4, denoiser, volume, chosen)
        assert_close(in_batches(batch, denoiser, volume, chosen).image, expected, rounding)

    @either
    @given(volume=volumes(), chosen=choices(), random=st.randoms(use_true_random=False))
    @few
    def test_the_order_of_the_slices_does_not_matter(self, denoiser, rounding, volume, chosen, random):
        order = random.sample(range(len(volume)), len(volume))
        if chosen.across_slices:
            order = range(len(volume))[::-1]
        shuffled = denoiser(volume[order], chosen).image
        assert_close(shuffled[np.argsort(order)], denoiser(volume, chosen), rounding)

    @given(volumes(), choices(), st.integers(0, 2))
    @few
    def test_slices_along_another_axis_are_those_of_the_turned_volume(self, volume, chosen, axis):
        turned = DENOISER(np.moveaxis(volume, 0, axis), replace(chosen, slice_axis=axis))
        np.testing.assert_array_equal(np.moveaxis(turned.image, axis, 0), DENOISER(volume, chosen).image)

    @either
    @given(volume=volumes(), chosen=choices())
    @few
    def test_the_layout_in_memory_does_not_matter_to_the_last_bit(self, denoiser, rounding, volume, chosen):
        expected = denoiser(volume, chosen).image
        spread = np.zeros((*volume.shape[:2], 2 * volume.shape[2]), np.float32)
        spread[..., ::2] = volume
        for same in (np.asfortranarray(volume), np.ascontiguousarray(volume[::-1])[::-1], spread[..., ::2]):
            np.testing.assert_array_equal(denoiser(same, chosen).image, expected)

    @either
    @given(volume=volumes(), chosen=choices())
    @few
    def test_units_do_not_matter(self, denoiser, rounding, volume, chosen):
        def in_units(scale, values):
            # That of speckle has no unit.
            given = chosen.sigma if chosen.sigma is None or chosen.noise == "speckle" else scale * chosen.sigma
            return denoiser(values, replace(chosen, sigma=given)).image / scale

        result = denoiser(volume, chosen)
        assert_close(in_units(7.3, 7.3 * volume.astype(np.float64)), result, rounding)
        np.testing.assert_array_equal(in_units(8, 8 * volume), result.image)

    @either
    @given(volume=volumes(), chosen=choices())
    @few
    def test_the_same_bits_come_out_twice(self, denoiser, rounding, volume, chosen):
        first, second = denoiser(volume, chosen), denoiser(volume, chosen)
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.conduction, second.conduction)
        np.testing.assert_array_equal(first.slice_sigma, second.slice_sigma)

    @either
    @given(
        rows=st.integers(32, 56),
        columns=st.integers(32, 56),
        level=st.sampled_from([15.0, 40.0, 80.0]),
        chosen=choices(sigma=None),
    )
    @few
    def test_a_mirrored_scan_gives_the_mirrored_result_within_what_is_documented(
        self, denoiser, rounding, rows, columns, level, chosen
    ):
        volume = head(np.float32, (3, rows, columns), level)
        straight = denoiser(volume, chosen).image
        for axis in (1, 2):
            mirrored = np.flip(denoiser(np.flip(volume, axis), chosen).image, axis)
            assert np.sqrt(np.mean((mirrored - straight) ** 2)) <= MIRRORED * level
