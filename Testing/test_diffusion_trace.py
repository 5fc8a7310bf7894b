"""The diffusion as it unfolds, of a volume and of one slice, with the real network."""

from __future__ import annotations

import numpy as np
import pytest

from NeuralDiffusionLib import DenoiseCancelled, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionLib.engine.diffusion_trace import trace_diffusion


def discs(slices=5, rows=32, columns=40):
    """A bright disc in Rician noise, with another level of noise in each slice; int16."""
    random = np.random.default_rng(0)
    down, right = np.mgrid[:rows, :columns]
    clean = np.where((down - 16) ** 2 + (right - 18) ** 2 < 120, 800.0, 200.0) * np.ones((slices, 1, 1))
    sigma = np.linspace(30, 90, slices).reshape(-1, 1, 1)
    return np.hypot(clean + random.normal(0, sigma, clean.shape), random.normal(0, sigma, clean.shape)).astype(np.int16)


@pytest.mark.parametrize(
    ("iterations", "ends"),
    [(2, (0, 2)), (4, (0, 4)), (16, (0, 4, 8, 12, 16)), (24, (0, 4, 8, 12, 16, 24)), (40, (0, 4, 8, 12, 16, 32, 40))],
)
def test_there_is_one_image_for_the_input_and_one_after_each_stage(denoiser, iterations, ends):
    volume = discs(2)
    trace = trace_diffusion(denoiser, volume, DenoiseSettings(iterations=iterations))
    assert trace.iterations == ends
    assert len(trace.images) == len(ends)
    for image in trace.images:
        assert image.dtype == np.float32
        assert image.shape == volume.shape


def test_iteration_0_is_the_input_and_the_noise_goes_from_there(denoiser):
    volume = discs()
    trace = trace_diffusion(denoiser, volume)
    np.testing.assert_array_equal(trace.images[0], volume)
    roughness = [np.abs(np.diff(image[:, :6], axis=2)).mean() for image in trace.images]
    assert roughness == sorted(roughness, reverse=True)
    assert roughness[-1] < 0.5 * roughness[0]


def test_the_mean_of_every_slice_is_conserved_in_the_units_of_the_scan(denoiser):
    trace = trace_diffusion(denoiser, discs())
    means = [image.astype(np.float64).mean(axis=(1, 2)) for image in trace.images]
    for mean in means[1:]:
        np.testing.assert_allclose(mean, means[0], rtol=1e-5)


def test_no_step_creates_a_new_extremum(denoiser):
    trace = trace_diffusion(denoiser, discs(), every_step=True)
    for earlier, later in zip(trace.images, trace.images[1:], strict=False):
        assert (later.max(axis=(1, 2)) <= earlier.max(axis=(1, 2)) + 0.01).all()
        assert (later.min(axis=(1, 2)) >= earlier.min(axis=(1, 2)) - 0.01).all()


def test_the_steps_pass_through_the_stages(denoiser):
    settings = DenoiseSettings(iterations=24, neighbours=4)
    stages, steps = (trace_diffusion(denoiser, discs(), settings, every_step=every) for every in (False, True))
    assert steps.iterations == tuple(range(25))
    for iteration, image in zip(stages.iterations, stages.images, strict=True):
        np.testing.assert_allclose(steps.images[iteration], image, atol=0.01)


def test_the_state_after_the_last_stage_is_what_the_run_inverts(denoiser):
    # Without noise bias there is no inversion: without refinement the result is the diffused image.
    volume, settings = discs().astype(np.float32) - 500, DenoiseSettings(noise="gaussian", refine=False)
    trace = trace_diffusion(denoiser, volume, settings)
    interior = (slice(None), slice(8, 24), slice(10, 26))
    np.testing.assert_allclose(trace.images[-1][interior], denoiser(volume, settings).image[interior], atol=5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("every_step", [False, True])
def test_one_slice_diffuses_as_it_does_within_the_volume(denoiser, axis, every_step):
    volume, settings = np.moveaxis(discs(), 0, axis), DenoiseSettings(slice_axis=axis, iterations=8)
    whole = trace_diffusion(denoiser, volume, settings, every_step=every_step)
    one = trace_diffusion(denoiser, volume, settings, slice_index=3, every_step=every_step)
    assert (one.slice_axis, one.slice_index, whole.slice_index) == (axis, 3, None)
    assert one.images[0].shape[axis] == 1
    for part, image in zip(one.images, whole.images, strict=True):
        np.testing.assert_allclose(part, np.take(image, [3], axis), atol=0.01)


@pytest.mark.parametrize("index", [-1, 5])
def test_a_slice_that_is_not_there_is_refused(denoiser, index):
    with pytest.raises(ValueError, match="choose one from 0 to 4"):
        trace_diffusion(denoiser, discs(), slice_index=index)


class TestMemory:
    def test_a_trace_above_the_limit_is_refused_in_a_sentence_that_offers_one_slice(self, denoiser):
        needed = 5 * discs().size * 4
        started = []
        with pytest.raises(InvalidVolumeError, match=r"5 images of .* trace one slice instead") as refusal:
            trace_diffusion(denoiser, discs(), memory_limit=needed - 1, progress=lambda *_: started.append(True))
        assert str(refusal.value).count(". ") == 0
        assert not started
        trace_diffusion(denoiser, discs(), memory_limit=needed)

    def test_every_step_counts(self, denoiser):
        with pytest.raises(InvalidVolumeError, match="17 images"):
            trace_diffusion(denoiser, discs(), every_step=True, memory_limit=5 * discs().size * 4)

    def test_one_slice_of_a_large_volume_fits(self, denoiser):
        limit = 5 * discs()[0].size * 4
        assert trace_diffusion(denoiser, discs(), slice_index=0, memory_limit=limit).slice_index == 0

    def test_the_limit_is_four_gigabytes_unless_another_is_given(self, denoiser):
        # A view of one voxel that counts as 512 MB: nothing of that size is allocated.
        huge = np.broadcast_to(np.int8(1), (512, 512, 512))
        with pytest.raises(InvalidVolumeError, match=r"17 images of 0.537 GB\), more than the limit of 4 GB"):
            trace_diffusion(denoiser, huge, DenoiseSettings(intensity_range=(0, 2)), every_step=True)


def test_progress_and_cancel_are_those_of_a_run(denoiser, monkeypatch):
    monkeypatch.setattr(engine, "batch_size", lambda *_: 2)
    calls = []
    trace_diffusion(denoiser, discs(), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(2, 5), (4, 5), (5, 5)]
    with pytest.raises(DenoiseCancelled, match="0 of 5 slices"):
        trace_diffusion(denoiser, discs(), cancelled=lambda: True)


def test_without_noise_nothing_moves(denoiser):
    trace = trace_diffusion(denoiser, discs(), DenoiseSettings(sigma=0))
    for image in trace.images:
        np.testing.assert_array_equal(image, discs())
