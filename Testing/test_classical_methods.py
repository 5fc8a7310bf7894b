"""The classical rows of the table: as the original ran them, and at their best."""

from __future__ import annotations

import json

import numpy as np
import pytest

from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.benchmark.peers.bias_correction import correct_bias
from NeuralDiffusionTraining.benchmark.peers.classical import as_published, published_noise_level
from NeuralDiffusionTraining.benchmark.peers.slice_noise import judge_noise
from NeuralDiffusionTraining.benchmark.peers.tunable_filters import FILTERS
from NeuralDiffusionTraining.benchmark.peers.tuned import PARAMETERS, tuned
from NeuralDiffusionTraining.data.corruption import corrupt
from NeuralDiffusionTraining.files.command_error import CommandError

NOISE_TYPES = ("rician", "gaussian", "speckle", "mixed")
UNTOLD = np.array([np.nan])


def head() -> np.ndarray:
    """Disc of two tissues in air, 64 x 64."""
    rows, columns = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(rows, columns)
    return np.where(radius < 10, 0.8, np.where(radius < 22, 0.5, 0.0)).astype(np.float32)


def noisy_head(noise: str = "rician", sigma: float = 0.1) -> np.ndarray:
    return corrupt(head(), noise, sigma, np.random.default_rng(1))[None]


def named(methods: list[Method], start: str) -> Method:
    return next(method for method in methods if method.name.startswith(start))


def error(picture: np.ndarray) -> float:
    return float(np.mean((picture - head()) ** 2))


def test_the_eight_published_filters_are_there_each_under_its_own_name():
    names = [method.name for method in as_published()]
    assert [name.removesuffix(" (as published)") for name in names] == [
        "Gaussian smoothing",
        "Median",
        "Bilateral",
        "Non-local means",
        "Wavelet",
        "TV (Chambolle)",
        "Curvature flow",
        "Classical Perona-Malik",
    ]
    everything = names + [method.name for method in tuned("rician")]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("method", as_published(), ids=lambda method: method.name)
def test_published_filter_keeps_a_constant_slice_and_removes_noise(method):
    constant = np.full((1, 32, 32), 0.4, np.float32)
    np.testing.assert_allclose(method.denoise(constant, UNTOLD), constant, atol=1e-6)
    noisy = noisy_head("gaussian")
    result = method.denoise(noisy, UNTOLD)
    assert result.shape == noisy.shape
    assert result.dtype == np.float32
    assert error(result) < 0.8 * error(noisy)


def test_published_filters_have_the_published_parameters():
    impulse = np.zeros((1, 41, 41), np.float32)
    impulse[0, 20, 20] = 1
    smooth = named(as_published(), "Gaussian").denoise(impulse, UNTOLD)[0]
    offsets = np.arange(41) - 20
    assert (smooth.sum(axis=0) * offsets**2).sum() == pytest.approx(1, abs=0.02)
    assert not named(as_published(), "Median").denoise(impulse, UNTOLD).any()
    # A step of 0.001, far below kappa 0.1: 16 steps of 0.05 of plain diffusion, variance 2 x 16 x 0.05.
    diffused = named(as_published(), "Classical").denoise(0.001 * impulse, UNTOLD)[0]
    assert (diffused.sum(axis=0) * offsets**2).sum() / diffused.sum() == pytest.approx(1.6, rel=1e-3)
    # One of 10, far above it, stays.
    assert named(as_published(), "Classical").denoise(10 * impulse, UNTOLD).max() > 9.9


def test_published_noise_level_is_too_low_as_it_was_there():
    noise = np.random.default_rng(0).normal(0.5, 0.1, (256, 256))
    assert 0.075 < published_noise_level(noise) < 0.095


@pytest.mark.parametrize("name", ["Curvature flow", "Classical Perona-Malik"])
def test_published_form_wraps_round_at_the_border_and_the_tuned_one_does_not(name):
    noisy = noisy_head()[0]
    rolled = np.roll(noisy, 13, axis=1)
    published = named(as_published(), name).denoise(np.stack([noisy, rolled]), np.full(2, np.nan))
    np.testing.assert_allclose(np.roll(published[0], 13, axis=1), published[1], atol=1e-5)
    parameters = {key: values[-1] for key, values in FILTERS[name].grid.items()}
    tuned_form = [FILTERS[name](picture, 0.1, parameters) for picture in (noisy, rolled)]
    difference = np.abs(np.roll(tuned_form[0], 13, axis=1) - tuned_form[1])
    assert difference[:, [0, -1]].max() > 1e-3


def test_tuned_perona_malik_conserves_the_mean():
    noisy = noisy_head()[0]
    smooth = FILTERS["Classical Perona-Malik"](noisy, 0.1, {"kappa": 1.0, "steps": 20})
    assert smooth.mean() == pytest.approx(noisy.mean(), rel=1e-5)


@pytest.mark.parametrize("noise", NOISE_TYPES)
def test_tuned_filters_do_better_than_the_noisy_slice_and_are_blind(noise):
    noisy = noisy_head("gaussian" if noise == "mixed" else noise)
    for method in tuned(noise):
        result = method.denoise(noisy, UNTOLD)
        assert result.shape == noisy.shape
        assert result.dtype == np.float32
        assert method.told == "estimated"
        if noise != "speckle":
            assert error(result) < 0.8 * error(noisy), method.name
        if method.name.startswith(("Gaussian", "TV")):
            np.testing.assert_array_equal(method.denoise(noisy, np.array([0.9])), result)


def test_bias_in_air_is_gone_from_the_tuned_rows():
    noisy = noisy_head("rician", 0.15)
    air = head() == 0
    assert noisy[0][air].mean() == pytest.approx(1.25 * 0.15, rel=0.03)
    published = named(as_published(), "Non-local means").denoise(noisy, UNTOLD)
    corrected = named(tuned("rician"), "Non-local means").denoise(noisy, UNTOLD)
    assert published[0][air].mean() > 1.1 * 0.15
    # What is left is noise that the filter left, which cannot go below zero.
    assert corrected[0][air].mean() < 0.6 * 0.15


@pytest.mark.parametrize(("noise", "mean"), [("rician", 1.2533), ("gaussian", 0.3989), ("speckle", 0.0)])
def test_means_of_air_become_zero_and_bright_tissue_stays(noise, mean):
    estimate = judge_noise(noisy_head(), noise, np.array([0.1]))
    corrected = correct_bias(np.array([[[0.1 * mean, 1.0]]]), estimate)
    assert corrected[0, 0, 0] == pytest.approx(0, abs=6e-3)
    assert corrected[0, 0, 1] == pytest.approx(1, abs=6e-3)


def test_judged_types_add_up_and_given_levels_are_taken():
    noisy = np.concatenate([noisy_head("rician"), noisy_head("speckle")])
    judged = judge_noise(noisy, "mixed", np.array([0.1, 0.2]))
    np.testing.assert_allclose(judged.types.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(judged.sigma, [0.1, 0.2], rtol=1e-6)
    blind = judge_noise(noisy, "rician")
    assert blind.sigma[0] == pytest.approx(0.1, rel=0.25)


@pytest.mark.parametrize("noise", NOISE_TYPES)
def test_a_slice_without_noise_does_no_harm_to_the_run(noise):
    flat = np.concatenate([head()[None], np.zeros((1, 64, 64), np.float32)])
    for method in [*as_published(), *tuned(noise)]:
        assert np.isfinite(method.denoise(flat, np.full(2, np.nan))).all(), method.name


def test_packaged_parameters_were_chosen_inside_their_grids_on_validation_slices():
    content = json.loads(PARAMETERS.read_text(encoding="utf-8"))
    assert content["part"] == "validation"
    assert content["split"] == "original"
    assert content["command"].startswith("neural-diffusion tune ")
    assert set(content["noise"]) == set(NOISE_TYPES)
    for filters in content["noise"].values():
        assert set(filters) == set(FILTERS)
        for name, outcome in filters.items():
            assert outcome["at_end_of_grid"] == [], name
            grid = FILTERS[name].grid
            assert content["grids"][name] == {key: list(values) for key, values in grid.items()}
            assert all(value in grid[key] for key, value in outcome["parameters"].items())


@pytest.mark.parametrize("content", ["", "{}", '{"noise": {"rician": {}}}', "[]"])
def test_a_file_without_the_parameters_is_named(tmp_path, content):
    file = tmp_path / "parameters.json"
    file.write_text(content)
    with pytest.raises(CommandError, match=r"parameters\.json.*rician"):
        tuned("rician", file)
