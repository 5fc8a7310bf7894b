"""Numbers that no command can work with are refused by the name of their option, before anything is read."""

from __future__ import annotations

import pytest
from batch_runs import run_here

DATA = ("--data", "nowhere")
SCALE = ("scale", "nowhere")


@pytest.mark.parametrize("number", ["inf", "nan", "1e300"])
@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("--sigma", ("evaluate", *DATA)),
        ("--sigma", ("sweep", *DATA)),
        ("--sigma", ("segmentation", *DATA, "--masks", "nowhere")),
        ("--sigma", ("fidelity", *DATA)),
        ("--sigma", ("evaluate-volumes", "nowhere.nii")),
        ("--learning-rate", ("adapt", "nowhere.nii", "--output", "w.pt")),
        ("--core-seconds", SCALE),
        ("--host-seconds", SCALE),
        ("--gpu-seconds", SCALE),
        ("--megabytes", SCALE),
        ("--start-up", SCALE),
        ("--storage", SCALE),
        ("--tasks", SCALE),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else one,
)
def test_a_number_that_is_not_finite_or_beyond_reason_is_refused(option, arguments, number):
    done = run_here(*arguments, option, number)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"Invalid value for '{option}'")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("adapt", "nowhere.nii", "--output", "w.pt", "--seed", 10**20), "'--seed'"),
        (("train", *DATA, "--output", "run", "--seed", 10**20), "'seed'"),
        (("scale", "nowhere", "--scans", 10**400), "'--scans'"),
        (("train", *DATA, "--output", "run", "--set", "optimiser.learning_rate=.inf"), "'optimiser.learning_rate'"),
        (("train", *DATA, "--output", "run", "--set", "optimiser.kernel_rate=1e10"), "'optimiser.kernel_rate'"),
        (("train", *DATA, "--output", "run", "--set", "loss.ssim=.inf"), "'loss.ssim'"),
    ],
    ids=lambda one: "" if isinstance(one, tuple) else one,
)
def test_seeds_counts_and_rates_have_an_end(arguments, name):
    done = run_here(*arguments)
    assert (done.status, done.out) == (2, "")
    assert name in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("sigma", ["0", "1e-30"])
def test_lesions_need_noise_that_their_contrast_can_be_measured_by(sigma):
    done = run_here("fidelity", *DATA, "--sigma", sigma)
    assert done.status == 2
    assert done.err == f"Noise level {sigma} is not possible: give 0.0001 or more.\n"
