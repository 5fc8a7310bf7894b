"""The bias of each noise model and its inversion, checked by simulation."""

from __future__ import annotations

import pytest
import torch

from NeuralDiffusionLib.network.noise_model import PURE_TYPES, BiasInversion, clipped_gaussian_mean, rice_mean


def one_hot(noise: str, batch: int = 1) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.full((batch,), PURE_TYPES.index(noise)), len(PURE_TYPES)).float()


def draw(noise: str, signal: float, sigma: float) -> torch.Tensor:
    first, second = sigma * torch.randn(2, 400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if noise == "rician":
        return torch.hypot(signal + first, second)
    return (signal + first).clamp_min(0) if noise == "gaussian" else signal * (1 + first)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 3.0, 10.0, 200.0])
def test_means_agree_with_simulation(ratio):
    at = torch.tensor(ratio, dtype=torch.float64)
    assert rice_mean(at).item() == pytest.approx(draw("rician", ratio, 1).mean().item(), abs=6e-3)
    assert clipped_gaussian_mean(at).item() == pytest.approx(draw("gaussian", ratio, 1).mean().item(), abs=6e-3)


@pytest.mark.parametrize("noise", PURE_TYPES)
@pytest.mark.parametrize("signal", [0.08, 0.2, 0.5, 1.5])
def test_inversion_of_the_mean_recovers_the_signal(noise, signal):
    sigma = 0.1
    mean = draw(noise, signal, sigma).mean().float().view(1, 1, 1, 1)
    recovered = BiasInversion()(mean, torch.tensor([sigma]), one_hot(noise), torch.ones(1))
    assert recovered.item() == pytest.approx(signal, abs=3e-3)


@pytest.mark.parametrize("noise", ["rician", "gaussian"])
def test_air_becomes_zero(noise):
    floor = draw(noise, 0.0, 0.1).mean().float() * 0.99
    recovered = BiasInversion()(floor.view(1, 1, 1, 1), torch.tensor([0.1]), one_hot(noise), torch.ones(1))
    assert recovered.item() == pytest.approx(0, abs=1e-6)


def test_unclipped_gaussian_has_no_bias():
    image = torch.linspace(-0.5, 1, 16).view(1, 1, 4, 4)
    recovered = BiasInversion()(image, torch.tensor([0.1]), one_hot("gaussian"), torch.zeros(1))
    assert torch.equal(recovered, image)


@pytest.mark.parametrize("noise", PURE_TYPES)
def test_without_noise_nothing_changes(noise):
    image = torch.linspace(-0.2, 1.4, 16).view(1, 1, 4, 4)
    assert torch.equal(BiasInversion()(image, torch.zeros(1), one_hot(noise), torch.ones(1)), image)


@pytest.mark.parametrize("noise", PURE_TYPES)
def test_inversion_keeps_the_order_of_intensities_and_is_continuous(noise):
    image = torch.linspace(0, 2, 20_001).view(1, 1, 1, -1)
    steps = BiasInversion()(image, torch.tensor([0.1]), one_hot(noise), torch.ones(1)).diff()
    assert steps.min() >= -1e-6
    assert steps.max() < 0.01


def test_inversion_passes_finite_gradients():
    image = torch.linspace(0, 2, 101).view(1, 1, 1, -1).requires_grad_()
    BiasInversion()(image, torch.tensor([0.1]), one_hot("rician"), torch.ones(1)).sum().backward()
    assert torch.isfinite(image.grad).all()
