"""The estimator's reading, before any training."""

from __future__ import annotations

import pytest
import torch

from NeuralDiffusionLib.network.noise_level import NoiseLevelEstimator, local_statistics


def test_local_deviation_of_white_noise_is_its_sigma():
    noise = 0.07 * torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    _, deviation = local_statistics(noise)
    assert deviation.square().mean().sqrt().item() == pytest.approx(0.07, rel=0.02)


def test_ramps_and_upright_edges_are_not_taken_for_noise():
    image = 0.01 * torch.arange(32.0).view(1, 1, 1, 32) + 0.02 * torch.arange(32.0).view(1, 1, 32, 1)
    image[..., 16:] += 0.5
    _, deviation = local_statistics(image)
    assert deviation[..., 4:-4, 4:-4].max().item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (5, 4), (9, 11)])
@torch.no_grad()
def test_any_size_can_be_read(size):
    torch.manual_seed(0)
    sigma, logits = NoiseLevelEstimator()(torch.rand(2, 1, *size))
    assert sigma.shape == logits.shape == (2, 3)
    assert torch.isfinite(sigma).all()


@torch.no_grad()
def test_estimate_is_zero_without_variation_and_positive_with():
    torch.manual_seed(0)
    estimator = NoiseLevelEstimator()
    flat, _ = estimator(torch.full((1, 1, 32, 32), 0.6))
    noisy, _ = estimator(0.6 + 0.1 * torch.randn(1, 1, 32, 32))
    assert flat.abs().max().item() == pytest.approx(0, abs=1e-6)
    assert noisy.min() > 0.01
