"""The confidence intervals: as wide as the evidence, and paired where rows are compared."""

from __future__ import annotations

import math

import numpy as np
import pytest

from NeuralDiffusionTraining.benchmark.bootstrap import GroupBootstrap, paired_difference


def width(values: np.ndarray, groups: np.ndarray | None = None) -> float:
    interval = GroupBootstrap(np.arange(len(values)) if groups is None else groups).interval(values)
    return interval.high - interval.low


def normal(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count)


def test_interval_is_the_one_that_the_normal_distribution_gives():
    values = 20 + 2 * normal(400)
    interval = GroupBootstrap(np.arange(400)).interval(values)
    error = values.std() / math.sqrt(400)
    assert interval.mean == values.mean()
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_interval_covers_the_truth_nineteen_times_in_twenty():
    groups = np.repeat(np.arange(60), 3)
    covered = 0
    for seed in range(200):
        values = np.repeat(normal(60, seed), 3) + 0.1 * normal(180, 1000 + seed)
        interval = GroupBootstrap(groups, resamples=500, seed=seed).interval(values)
        covered += interval.low <= 0 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99


def test_four_times_the_slices_halve_the_width():
    assert width(normal(1600)) == pytest.approx(width(normal(400)) / 2, rel=0.15)


def test_values_of_one_group_alone_tell_nothing_of_how_they_scatter():
    interval = GroupBootstrap(np.array([0, 0, 1, 2])).interval(np.array([1, 3, np.nan, np.nan]))
    assert interval.mean == 2
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_copies_are_no_evidence():
    once = normal(50)
    copied, groups = np.repeat(once, 9), np.repeat(np.arange(50), 9)
    assert width(copied, groups) == pytest.approx(width(once), rel=0.1)
    assert width(copied) == pytest.approx(width(once) / 3, rel=0.15)


def test_pairing_removes_what_both_rows_share():
    slices = 5 * normal(200)
    ours, theirs = slices + 0.1 * normal(200, 1), slices + 0.5 + 0.1 * normal(200, 2)
    difference = paired_difference(theirs, ours)
    assert width(difference) < width(ours) / 10
    interval = GroupBootstrap(np.arange(200)).interval(difference)
    assert interval.low < 0.5 < interval.high


def test_same_seed_same_interval():
    values, groups = normal(40), np.arange(40) // 2
    assert GroupBootstrap(groups, seed=3).interval(values) == GroupBootstrap(groups, seed=3).interval(values)
    assert GroupBootstrap(groups, seed=3).interval(values) != GroupBootstrap(groups, seed=4).interval(values)


def test_groups_may_have_any_numbers_and_order():
    values = normal(30)
    scattered = np.tile([900, 7, 41], 10)
    assert GroupBootstrap(scattered).groups == 3
    order = np.argsort(scattered, kind="stable")
    assert width(values, scattered) == pytest.approx(width(values[order], scattered[order]))


def test_one_group_says_nothing_about_scatter():
    interval = GroupBootstrap(np.zeros(5)).interval(np.arange(5.0))
    assert interval.mean == 2
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_slices_without_the_figure_do_not_count():
    values = normal(40)
    missing = np.append(values, [np.nan, np.nan])
    interval = GroupBootstrap(np.arange(42)).interval(missing)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low < interval.mean < interval.high
    nothing = GroupBootstrap(np.arange(4)).interval(np.full(4, np.nan))
    assert math.isnan(nothing.mean)
    assert math.isnan(nothing.low)


def test_equal_pictures_make_the_mean_infinite_and_are_counted():
    values = np.array([40.0, 50.0, np.inf, np.inf])
    stated = GroupBootstrap(np.arange(4)).interval(values).as_dict()
    assert stated["mean"] == math.inf
    assert stated["high"] == math.inf
    assert stated["infinite_slices"] == 2
    assert stated["mean_of_finite"] == 45
    assert set(GroupBootstrap(np.arange(2)).interval(np.array([1.0, 2.0])).as_dict()) == {"mean", "low", "high"}


def test_difference_of_two_infinities_is_none():
    difference = paired_difference(np.array([np.inf, 30.0, np.inf]), np.array([np.inf, np.inf, 30.0]))
    np.testing.assert_array_equal(difference, [0, -np.inf, np.inf])
