"""What the panel says of a run and of the noise, read as a user does."""

from __future__ import annotations

import pytest

from NeuralDiffusionLib.engine.noise_estimate import NoiseEstimate
from NeuralDiffusionLib.mrml.runs.run_sentences import estimate_text, noise_level_text, run_text

RUN = {
    "InputVolume": "T1",
    "Noise": "rician",
    "SigmaSource": "estimated",
    "Device": "cuda:0",
    "WeightsSHA256": "0123456789abcdef",
}


@pytest.mark.parametrize(
    ("sigma", "noise", "text"),
    [
        (23.14, "rician", "23.1 in image units"),
        (0.00123, "gaussian", "0.00123 in image units"),
        (12345.6, "mixed", "12346 in image units where the signal is strongest"),
        (0.0526, "speckle", "5.26 % of the signal"),
    ],
)
def test_a_level_has_its_unit_and_no_power_of_ten(sigma, noise, text):
    assert noise_level_text(sigma, noise) == text


def test_an_estimate_says_what_it_rests_on():
    assert estimate_text(NoiseEstimate(23.14, 18.04, 8), "rician") == (
        "Estimated from 8 slices: 23.1 in image units, SNR 18."
    )
    assert estimate_text(NoiseEstimate(23.14, 234.5, 8), "rician").endswith("SNR 234.")
    assert estimate_text(NoiseEstimate(23.14, 2.345, 8), "rician").endswith("SNR 2.3.")
    assert estimate_text(NoiseEstimate(23.14, None, 8), "rician") == "Estimated from 8 slices: 23.1 in image units."
    assert estimate_text(NoiseEstimate(0.0, None, 1), "rician") == "Estimated from 1 slice: no noise."


def test_a_run_is_summed_up():
    assert run_text(RUN, 23.14, 1, 3.14159) == (
        "Denoised 'T1' in 3.1 s on cuda:0 with the weights 01234567. Noise level: 23.1 in image units (estimated)."
    )
    masked = {**RUN, "Mask": "Brain", "SigmaSource": "given", "Noise": "speckle"}
    assert run_text(masked, 0.0526, 4, 3.14159) == (
        "Denoised all 4 frames of 'T1' inside 'Brain' in 3.1 s on cuda:0 with the weights 01234567. "
        "Noise level: 5.26 % of the signal (given)."
    )


def test_names_with_braces_are_shown_as_they_are():
    text = run_text({**RUN, "InputVolume": "{name}", "Mask": "{mask} {what}"}, 1.0, 1, 1.0)
    assert text.startswith("Denoised '{name}' inside '{mask} {what}' in 1.0 s")
