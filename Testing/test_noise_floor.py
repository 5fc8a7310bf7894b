"""The shrinkage at the noise floor: what it may and may not do to a slice."""

from __future__ import annotations

import pytest
import torch

from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork
from NeuralDiffusionLib.network.noise_floor import NoiseFloorShrinkage, share_with_floor

RAMP = torch.linspace(0, 1, 4001).view(1, 1, 1, -1)


@pytest.fixture(params=[(0.3, 0.5), (0.8, 0.7), (0.99, 3.0)], ids=str)
def shrinkage(request):
    return NoiseFloorShrinkage(*request.param)


def shrunk(shrinkage, sigma, share=1.0, image=RAMP):
    with torch.no_grad():
        return shrinkage(image, torch.tensor([sigma]), torch.tensor([share]))


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.1, 0.25])
def test_what_was_darker_stays_darker_and_nothing_gets_brighter_or_changes_its_sign(shrinkage, sigma):
    after = shrunk(shrinkage, sigma)
    assert (after.diff() > 0).all()
    assert (after <= RAMP).all()
    assert (after >= 0).all()


def test_without_noise_every_slice_passes_bit_for_bit(shrinkage):
    picture = torch.randint(0, 256, (1, 1, 16, 16), generator=torch.manual_seed(0)).float() / 255
    assert torch.equal(shrunk(shrinkage, 0.0, image=picture), picture)


def test_tissue_well_above_the_noise_passes(shrinkage):
    reach = shrinkage.log_reach.exp().item()
    bright = 4 * reach * 0.02 < RAMP
    assert torch.allclose(shrunk(shrinkage, 0.02)[bright], RAMP[bright], atol=1e-6)


def test_air_is_drawn_towards_zero_by_the_strength(shrinkage):
    dark = torch.full((1, 1, 1, 1), 1e-4)
    left = shrunk(shrinkage, 0.1, image=dark) / dark
    assert left.item() == pytest.approx(1 - torch.sigmoid(shrinkage.strength_logit).item(), rel=1e-3)


@pytest.mark.parametrize(
    ("types", "clipped", "share"),
    [
        ((0, 1, 0), 1, 1),
        ((0, 1, 0), 0, 1),
        ((1, 0, 0), 1, 1),
        ((1, 0, 0), 0, 0),
        ((0, 0, 1), 1, 0),
        ((0.5, 0, 0.5), 1, 0.5),
    ],
)
def test_only_noise_that_keeps_air_above_zero_has_a_floor(types, clipped, share):
    assert share_with_floor(torch.tensor([types], dtype=torch.float32), torch.tensor([float(clipped)])).item() == share


def test_where_there_is_no_floor_nothing_changes(shrinkage):
    assert torch.equal(shrunk(shrinkage, 0.1, share=0.0), RAMP)


def test_the_network_learns_how_strong_it_is():
    network = NeuralDiffusionNetwork()
    slices = torch.rand(1, 1, 16, 16, generator=torch.manual_seed(0)) * 0.1
    output = network(slices, "rician", sigma=torch.tensor([0.1]))
    output.image.sum().backward()
    for floor in (network.diffused_floor, network.refined_floor):
        assert floor.strength_logit.grad.abs() > 0
        assert floor.log_reach.grad.abs() > 0
