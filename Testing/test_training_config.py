"""What a training run is told, and which samples it draws."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from batch_runs import run_here
from torch import nn

from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.training.config import (
    CONFIGS,
    OptimiserConfig,
    SamplingConfig,
    bundled_config,
    parse_settings,
    read_config,
)
from NeuralDiffusionTraining.training.optimisers import make_optimiser
from NeuralDiffusionTraining.training.training_data import MIXED, TrainingSlices


def test_samples_are_the_same_in_every_run_and_new_in_every_epoch():
    slices = np.random.default_rng(0).integers(0, 255, (3, 128, 128), np.uint8)
    fine = np.random.default_rng(1).integers(0, 255, (3, 256, 256), np.uint8)

    def noisy(epoch: int) -> torch.Tensor:
        return TrainingSlices(slices, fine, SamplingConfig(), seed=5, epoch=epoch)[1]["noisy"]

    assert torch.equal(noisy(0), noisy(0))
    assert not torch.equal(noisy(0), noisy(1))


def test_samples_cover_every_setting_and_the_whole_span_of_noise():
    slices = np.full((400, 128, 128), 100, np.uint8)
    slices[:, :40] = 0
    samples = list(TrainingSlices(slices, slices, SamplingConfig(), seed=0, epoch=0))
    assert {int(sample["setting"]) for sample in samples} == {0, 1, 2, MIXED}
    sigmas = np.array([float(sample["sigma"]) for sample in samples])
    assert sigmas.min() == 0
    assert 0.2 < sigmas.max() <= 0.25
    assert np.mean(sigmas < 0.04) > 0.1
    assert all(sample["noisy"].shape == sample["clean"].shape == (1, 64, 64) for sample in samples)
    rician = [sample for sample in samples if sample["setting"] == 1 and sample["sigma"] > 0.05]
    stripped = [
        bool((sample["noisy"][sample["clean"] == 0] == 0).all()) for sample in rician if sample["clean"].min() == 0
    ]
    assert 0 < np.mean(stripped) < 0.3


def test_shares_of_settings_need_not_add_up_to_one_to_the_last_digit():
    plan = SamplingConfig(setting_weights=(0.3333333, 0.3333333, 0.3333333, 0), crop=16)
    slices = TrainingSlices(*[np.full((1, 128, 128), 9, np.uint8)] * 2, plan, seed=0, epoch=0)
    assert slices[0]["clean"].shape == (1, 16, 16)


@pytest.mark.parametrize("name", [path.stem for path in CONFIGS.glob("*.yaml")])
def test_every_bundled_configuration_is_valid(name):
    assert read_config(bundled_config(name), {}).epochs >= 1


def test_the_original_experiment_is_that_of_the_original():
    config = read_config(bundled_config("original"), {})
    assert (config.network, config.epochs, config.batch_size) == ("original", 300, 8)
    assert config.sampling.setting_weights == (0, 1, 0, 0)
    assert (config.sampling.benchmark_share, config.sampling.iterations, config.sampling.neighbours) == (1, 16, 8)
    assert (config.loss.ssim, config.loss.l1, config.loss.gradient) == (1, 1, 0.1)
    assert (config.loss.psnr, config.loss.diffused, config.loss.relative) == (0, 0, False)
    optimiser = config.optimiser
    assert (optimiser.name, optimiser.guidance_rate, optimiser.learning_rate) == ("adam", 1e-4, 1e-3)
    assert (optimiser.final_rate, optimiser.clip, optimiser.warm_up, optimiser.average) == (1e-5, 1, 0, 0)
    assert optimiser.weight_decay == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs: many", "Option 'epochs'"),
        ("limit: true", "valid integer"),
        ("epochs: 2000000000000000000000", "less than or equal to 1000000"),
        ("epohcs: 3", "Option 'epohcs'"),
        ("sampling: {crop: 60}", "Option 'sampling.crop'"),
        ("sampling: {setting_weights: [1, 1, 0, 0]}", "must sum to 1"),
        ("optimiser: 7", "Option 'optimiser'"),
        ("optimiser: {guidance_rate: 1e-4}", "guidance_rate reaches no convolution kernel under muon, so choose adamw"),
        ("- 1", "holds no options"),
        ("a: [", "is not YAML"),
        ("[" * 2000, "is not YAML: it is nested too deeply."),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_sentence(tmp_path, text, words):
    file = tmp_path / "wrong.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CommandError) as refusal:
        read_config(file, {})
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_weights_decay_under_either_adam(name):
    network = nn.Linear(2, 2)
    # A step changes each weight by the rate, so weights near zero would pass it.
    nn.init.constant_(network.weight, 0.5)
    before = network.weight.detach().clone()
    optimiser, _ = make_optimiser(network, OptimiserConfig(name=name, weight_decay=0.1, learning_rate=0.01), 100)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert (network.weight.abs() < before.abs()).all()


@pytest.mark.parametrize("value", ["[3", "[" * 2000, "2026-99-99", "9" * 5000], ids=["cut off", "deep", "date", "long"])
def test_a_setting_that_is_no_yaml_is_refused(value):
    with pytest.raises(CommandError, match=rf"^Setting 'epochs={re.escape(value)}' is not YAML: .*\.$"):
        parse_settings([f"epochs={value}"])


def test_the_command_line_wins_over_the_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 3\noptimiser: {clip: 2}\n", encoding="utf-8")
    config = read_config(file, {"epochs": 5, **parse_settings(["optimiser.name=adamw"])})
    assert (config.epochs, config.optimiser.clip, config.optimiser.name) == (5, 2, "adamw")


def test_what_is_given_twice_is_refused(tmp_path):
    done = run_here("train", "--data", tmp_path, "--output", tmp_path / "run", "--epochs", 1, "--set", "epochs=2")
    assert done.status == 2
    assert done.err == "'epochs' is given twice, by its own option and by --set: give it once.\n"
