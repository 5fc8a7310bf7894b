"""What the network guarantees whatever its weights are."""

from __future__ import annotations

import pytest
import torch

from NeuralDiffusionLib.network.neighbourhood import largest_step
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork
from NeuralDiffusionLib.network.noise_model import PURE_TYPES

SETTINGS = ("gaussian", "rician", "speckle", "mixed")


def random_network(seed: int) -> NeuralDiffusionNetwork:
    """A network whose every weight is random, those that start as zero too."""
    torch.manual_seed(seed)
    network = NeuralDiffusionNetwork()
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(0.03 * torch.randn_like(weights))
    return network.eval()


@pytest.fixture(params=[0, 1])
def network(request) -> NeuralDiffusionNetwork:
    return random_network(request.param)


@pytest.fixture
def slices() -> torch.Tensor:
    return torch.rand(3, 1, 20, 28, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("noise", SETTINGS)
@torch.no_grad()
def test_without_noise_the_slice_passes_unchanged(network, slices, noise):
    output = network(slices, noise, sigma=torch.zeros(3))
    assert torch.equal(output.image, slices)
    assert output.conduction.max() == 0


@torch.no_grad()
def test_the_correction_vanishes_with_the_noise_level(network, slices):
    changes = [
        (network(slices, sigma=torch.full((3,), sigma)).image - slices).abs().mean().item()
        for sigma in (0.1, 0.01, 0.001, 0.0001)
    ]
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < 1e-2 * changes[0]


@pytest.mark.parametrize("noise", SETTINGS)
@torch.no_grad()
def test_a_constant_slice_is_read_as_free_of_noise_and_kept(network, noise):
    slices = torch.full((1, 1, 17, 23), 0.4)
    output = network(slices, noise)
    assert output.sigma.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(output.image, slices, atol=1e-6, rtol=0)


@pytest.mark.parametrize("neighbours", [4, 8])
@torch.no_grad()
def test_diffusion_conserves_the_mean_and_stays_inside_the_old_range(network, slices, neighbours):
    *_, last = network.stages(slices, "rician", 64, neighbours)
    torch.testing.assert_close(last.state.mean(dim=(1, 2, 3)), slices.mean(dim=(1, 2, 3)), atol=1e-6, rtol=0)
    assert last.state.max() <= slices.max()
    assert last.state.min() >= slices.min()


@torch.no_grad()
def test_a_thousand_steps_stay_bounded(network, slices):
    output = network(slices, "gaussian", iterations=1000, refine=False, sigma=torch.full((3,), 0.2))
    assert output.diffused.abs().max() <= slices.max() + 1e-5


@torch.no_grad()
def test_more_steps_smooth_more(network, slices):
    sigma = torch.full((3,), 0.1)
    spreads = []
    for iterations in (1, 4, 16, 32, 64):
        *_, last = network.stages(slices, "rician", iterations, 8, sigma)
        spreads.append(last.state.var().item())
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] < slices.var().item()


@torch.no_grad()
def test_a_shorter_run_is_the_beginning_of_a_longer_one(network, slices):
    long = list(network.stages(slices, "rician", 64, 8))
    short = list(network.stages(slices, "rician", 16, 8))
    for early, late in zip(short, long, strict=False):
        assert torch.equal(early.state, late.state)


@pytest.mark.parametrize("iterations", [1, 3, 4, 5, 16, 17, 64, 100])
@torch.no_grad()
def test_every_step_belongs_to_one_stage(network, slices, iterations):
    stages = list(network.stages(slices, "rician", iterations, 8))
    assert sum(stage.steps for stage in stages) == iterations
    assert all(stage.gates.min() >= 0 and stage.gates.max() <= 1 for stage in stages)


@torch.no_grad()
def test_conduction_is_the_mean_over_the_steps(network, slices):
    stages = list(network.stages(slices, "rician", 11, 8))
    mean = sum(stage.conduction * stage.steps for stage in stages) / 11
    torch.testing.assert_close(network(slices, "rician", 11, 8).conduction, mean)


@pytest.mark.parametrize("neighbours", [4, 8])
def test_no_step_is_larger_than_the_bound(network, neighbours):
    sizes = network.step_sizes(200, neighbours)
    assert sizes.shape == (200,)
    assert torch.all(sizes > 0)
    assert torch.all(sizes <= largest_step(neighbours))


@torch.no_grad()
def test_diffusion_time_has_a_limit(network):
    assert network.step_sizes(100_000, 8).sum() < 2 * network.step_sizes(16, 8).sum()


@torch.no_grad()
def test_below_one_percent_of_noise_next_to_nothing_is_refined(network, slices):
    def refinement(level: float) -> float:
        output = network(slices, "speckle", sigma=torch.full((3,), level))
        return (output.image - output.diffused).abs().mean().item()

    assert refinement(0.1) > 0
    assert refinement(0.01) < 0.01 * refinement(0.1)


@torch.no_grad()
def test_result_does_not_depend_on_the_batch(network, slices):
    together = network(slices, "mixed").image
    alone = torch.cat([network(one[None], "mixed").image for one in slices])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (7, 8), (8, 8), (33, 16)])
@pytest.mark.parametrize("neighbours", [4, 8])
@torch.no_grad()
def test_any_size_of_slice_passes(network, size, neighbours):
    output = network(torch.rand(2, 1, *size), neighbours=neighbours, iterations=5)
    for image in (output.image, output.diffused, output.conduction):
        assert image.shape == (2, 1, *size)
        assert image.dtype == torch.float32
        assert torch.isfinite(image).all()


@torch.no_grad()
def test_conduction_lies_between_zero_and_one(network, slices):
    conduction = network(slices, iterations=30).conduction
    assert conduction.min() >= 0
    assert conduction.max() <= 1
    assert conduction.max() > conduction.min()


@torch.no_grad()
def test_a_type_that_is_told_overrides_the_judgement(network, slices):
    told = network(slices, "rician").image
    weights = torch.zeros(3, len(PURE_TYPES))
    weights[:, PURE_TYPES.index("rician")] = 1
    assert torch.equal(network(slices, weights).image, told)


def test_every_parameter_learns_from_the_loss():
    network = random_network(2)
    slices = torch.rand(2, 1, 16, 16)
    levels, logits = network.noise_level(slices)
    output = network(slices, iterations=20, sigma=torch.full((2,), 0.1))
    (output.image.square().mean() + levels.mean() + logits.square().mean()).backward()
    without = [name for name, weights in network.named_parameters() if weights.grad is None or not weights.grad.any()]
    assert without == []


def test_the_guidance_of_a_pixel_depends_on_the_whole_head(network):
    slices = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(5)).requires_grad_()
    features = network.guide(slices, torch.full((1,), 0.1), torch.tensor([[0.0, 1.0, 0.0]]), 8)
    # The features of the first corner: only from afar can air be told from dark tissue.
    (gradient,) = torch.autograd.grad(features[0, :, 0, 0].square().sum(), slices)
    assert gradient[0, 0, 100:, :20].any()
    assert gradient[0, 0, :20, 100:].any()
