"""The networks that are trained beside the shipped one: sizes, what each is told, and what each guarantees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork
from NeuralDiffusionLib.network.noise_level import NoiseLevelEstimator
from NeuralDiffusionLib.network.noise_model import PURE_TYPES
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.networks.registry import NETWORKS, build_network

BLIND = ("unet", "dncnn", "original", "original-trained-guidance")
TOLD = tuple(name for name in NETWORKS if name not in BLIND)


def network(name: str, shake: float = 0.0) -> nn.Module:
    """A network with fixed weights; with `shake`, those that start as zero are random too."""
    torch.manual_seed(0)
    made = build_network(name)
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(shake * torch.randn_like(weights))
    return made.eval()


def parameters(part: nn.Module) -> int:
    return sum(weights.numel() for weights in part.parameters())


def giga_macs(made: nn.Module) -> float:
    """Multiply-adds of a 128 x 128 slice, which the counter takes for two operations each, in thousand millions."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        made(torch.rand(1, 1, 128, 128))
    return counter.get_total_flops() / 2e9


def noisy_discs(count: int, side: int) -> tuple[Tensor, Tensor]:
    """Clean and Rician slices of sigma 0.1, (count, 1, side, side)."""
    generator = torch.Generator().manual_seed(3)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    radii = torch.linspace(side / 5, side / 2.5, count).view(-1, 1, 1)
    clean = 0.7 * (((rows - side / 2) ** 2 + (columns - side / 2) ** 2) < radii**2).float().unsqueeze(1)
    real, imaginary = 0.1 * torch.randn(2, *clean.shape, generator=generator)
    return clean, torch.hypot(clean + real, imaginary).clamp(0, 1)


@pytest.fixture
def slices() -> Tensor:
    return torch.rand(2, 1, 18, 22, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("name", "expected"), [("unet", 304_961), ("original", 23_617), ("dncnn", 139_809)])
def test_size_is_the_published_one(name, expected):
    assert parameters(network(name)) == expected


def test_the_original_detaches_but_does_not_drop_its_guidance():
    assert parameters(network("original").guidance) == 12_888
    assert parameters(network("original-trained-guidance")) == 23_617


def test_the_control_has_the_plain_unets_layout_and_four_planes_more():
    control = network("unet-control")
    assert parameters(control.unet) == parameters(network("unet")) + 4 * 288
    rest = parameters(NoiseLevelEstimator()) + parameters(control.floor)
    assert parameters(control) == parameters(control.unet) + rest


@pytest.mark.parametrize(("name", "expected"), [("unet", 0.91), ("original", 2.88), ("dncnn", 2.27)])
def test_multiply_adds_are_the_published_ones(name, expected):
    assert round(giga_macs(network(name)), 2) == expected


def test_ours_needs_no_more_multiply_adds_than_either_unet():
    assert giga_macs(network("neural-diffusion")) <= giga_macs(network("unet")) <= giga_macs(network("unet-control"))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 1), (17, 30)])
@torch.no_grad()
def test_any_size_of_slice_passes(name, size):
    output = network(name)(torch.rand(2, 1, *size), "rician", 3, 4, True, torch.full((2,), 0.1))
    for image in (output.image, output.diffused, output.conduction):
        assert image.shape == (2, 1, *size)
        assert image.dtype == torch.float32
        assert torch.isfinite(image).all()
    assert output.sigma.shape == (2,)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_bfloat16_convolutions_change_the_result_only_in_the_third_decimal(name):
    made = network(name).to(memory_format=torch.channels_last)
    slices = noisy_discs(2, 32)[1]
    exact = made(slices)
    with torch.autocast("cpu", torch.bfloat16):
        fast = made(slices)
    assert fast.image.dtype == fast.diffused.dtype == torch.float32
    assert (fast.image - exact.image).abs().mean() < 0.01


@pytest.mark.parametrize("name", NETWORKS)
def test_one_step_of_training_reaches_every_weight_that_is_meant_to_learn(name):
    made = network(name, shake=0.02).train()
    slices = noisy_discs(2, 24)[1]
    # The last stage of ours begins after step 16.
    output = made(slices, iterations=3 if name in BLIND else 20, sigma=torch.full((2,), 0.1))
    loss = output.image.square().mean() + output.diffused.square().mean()
    if hasattr(made, "noise_level"):
        levels, logits = made.noise_level(slices)
        loss = loss + levels.mean() + logits.square().mean()
    loss.backward()
    learning = {key: weights for key, weights in made.named_parameters() if weights.requires_grad}
    assert [key for key, weights in learning.items() if weights.grad is None or not weights.grad.any()] == []
    assert all(torch.isfinite(weights.grad).all() for weights in learning.values())


@pytest.mark.parametrize(
    ("detached", "trained"), [("original", "original-trained-guidance"), ("detached-guidance", "neural-diffusion")]
)
def test_detached_guidance_stays_as_it_was_and_still_guides(detached, trained):
    slices = noisy_discs(2, 24)[1]
    sigma = torch.full((2,), 0.1)
    for name, learns in ((detached, False), (trained, True)):
        made = network(name, shake=0.02)
        made(slices, sigma=sigma).image.square().mean().backward()
        assert all((weights.grad is not None) == learns for weights in made.guidance.parameters())
        assert all(weights.grad is not None for weights in made.conduction[0].parameters())
    with torch.no_grad():
        torch.testing.assert_close(network(detached)(slices).image, network(trained)(slices).image)
        made = network(detached, shake=0.02)
        before = made(slices, sigma=sigma).image
        next(iter(made.guidance.parameters())).mul_(-1)
        assert not torch.equal(made(slices, sigma=sigma).image, before)


@pytest.mark.parametrize("name", ["unet", "unet-control", "original"])
def test_thirty_steps_of_training_lower_the_loss(name):
    made = network(name).train()
    clean, noisy = noisy_discs(2, 32)
    optimiser = torch.optim.Adam(made.parameters(), lr=2e-3)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (made(noisy, iterations=4, sigma=torch.full((2,), 0.1)).image - clean).abs().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("name", BLIND)
@torch.no_grad()
def test_a_blind_network_looks_at_nothing_but_the_slice(name, slices):
    made = network(name)
    assert not hasattr(made, "noise_level")
    blind = made(slices)
    told = made(slices, "gaussian", neighbours=4, sigma=torch.full((2,), 0.3), clipped=torch.zeros(2))
    assert torch.equal(blind.image, told.image)
    assert torch.isnan(told.sigma).all()


@pytest.mark.parametrize("name", TOLD)
@torch.no_grad()
def test_the_noise_level_is_taken_as_told_else_estimated(name, slices):
    made = network(name)
    assert isinstance(made.noise_level, NoiseLevelEstimator)
    assert torch.equal(made(slices, sigma=torch.tensor([0.1, 0.2])).sigma, torch.tensor([0.1, 0.2]))
    rician = made.noise_level(slices)[0][:, PURE_TYPES.index("rician")]
    torch.testing.assert_close(made(slices, "rician").sigma, rician)


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("noise", [*PURE_TYPES, "mixed"])
@torch.no_grad()
def test_without_noise_the_slice_passes_unchanged(name, noise, slices):
    assert torch.equal(network(name, shake=0.03)(slices, noise, sigma=torch.zeros(2)).image, slices)


@torch.no_grad()
def test_the_control_heeds_level_and_type():
    made, slices = network("unet-control", shake=0.03), noisy_discs(1, 16)[1]
    results = [
        made(slices, noise, sigma=torch.tensor([level])).image
        for noise, level in (("rician", 0.1), ("rician", 0.15), ("speckle", 0.1))
    ]
    assert not torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@torch.no_grad()
def test_the_control_inverts_the_bias():
    made = network("unet-control")
    for weights in made.unet.last.parameters():
        weights.zero_()
    air = torch.full((1, 1, 8, 8), 1.2533 * 0.1)
    assert made(air, "rician", sigma=torch.tensor([0.1])).image.max() < 0.02
    assert torch.equal(made(air, "speckle", sigma=torch.tensor([0.1])).image, air)
    assert torch.equal(made(air, "gaussian", sigma=torch.tensor([0.1]), clipped=torch.zeros(1)).image, air)


@torch.no_grad()
def test_the_unets_and_dncnn_have_no_result_before_refinement(slices):
    for name in ("unet", "unet-control", "dncnn"):
        output = network(name)(slices)
        assert output.diffused is output.image
        assert output.conduction.max() == 0


@torch.no_grad()
def test_open_gates_of_the_original_give_the_heat_equation():
    made = network("original")
    last = made.conduction[-2]
    last.weight.zero_()
    last.bias.fill_(100.0)
    image = torch.zeros(1, 1, 5, 5)
    image[..., 2, 2] = 1.0
    output = made(image, iterations=1, refine=False)
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 0.05 * torch.tensor([[0.707, 1, 0.707], [1, 0, 1], [0.707, 1, 0.707]])
    expected[2, 2] = 1 - 0.05 * (4 + 4 * 0.707)
    torch.testing.assert_close(output.image[0, 0], expected)
    assert torch.all(output.conduction == 1)
    # The border is repeated: what stands at one side does not come back in at the other.
    image = torch.zeros(1, 1, 5, 5)
    image[..., 0, :] = 1.0
    assert made(image, iterations=1, refine=False).image[..., 2:, :].max() == 0


@torch.no_grad()
def test_the_original_asks_for_new_gates_in_every_step():
    made, calls = network("original"), []
    made.conduction.register_forward_hook(lambda *_: calls.append(1))
    made(torch.rand(1, 1, 8, 8))
    assert len(calls) == 16


@pytest.mark.parametrize("neighbours", [4, 8])
@torch.no_grad()
def test_gates_of_every_pixel_do_not_conserve_the_mean_but_those_of_every_edge_do(neighbours, slices):
    drift = {}
    for name in ("neural-diffusion", "per-pixel-gates"):
        *_, last = network(name, shake=0.05).stages(slices, "rician", 16, neighbours, torch.full((2,), 0.15))
        drift[name] = (last.state.mean() - slices.mean()).abs().item()
        assert last.state.min() >= slices.min() - 1e-6
        assert last.state.max() <= slices.max() + 1e-6
        assert last.state.var() < slices.var()
    assert drift["neural-diffusion"] < 1e-6
    assert drift["per-pixel-gates"] > 1e-5


@pytest.mark.parametrize("neighbours", [4, 8])
@torch.no_grad()
def test_gates_of_every_pixel_that_agree_give_the_step_of_every_edge(neighbours, slices):
    results = []
    for name in ("neural-diffusion", "per-pixel-gates"):
        made = network(name)
        for stage in made.conduction:
            stage.gates.weight.zero_()
        *_, last = made.stages(slices, "rician", 8, neighbours, torch.full((2,), 0.15))
        results.append(last)
    edge, pixel = results
    torch.testing.assert_close(pixel.state, edge.state)
    torch.testing.assert_close(pixel.conduction, edge.conduction)


@torch.no_grad()
def test_what_is_taken_out_does_not_matter_any_more():
    slices, sigma = noisy_discs(2, 24)[1], torch.full((2,), 0.1)
    output = network("no-refinement", shake=0.03)(slices, sigma=sigma)
    assert torch.equal(output.image, output.diffused)
    made = network("no-inversion", shake=0.03)
    *_, last = made.stages(slices, "rician", 16, 8, sigma)
    assert torch.equal(made(slices, sigma=sigma).diffused, last.state)
    made = network("no-guidance", shake=0.03)
    assert not list(made.guidance.parameters())
    assert not list(made.projection.parameters())
    assert not torch.equal(made(slices, sigma=sigma).diffused, slices)


@torch.no_grad()
@pytest.mark.parametrize(("name", "blind"), [("no-noise-level", True), ("neural-diffusion", False)])
def test_the_gates_may_be_told_no_noise_level(name, blind):
    slices, made = noisy_discs(2, 24)[1], network(name, shake=0.03)
    levels = [torch.full((2,), level) for level in (0.1, 0.2)]
    low, high = (next(iter(made.stages(slices, "rician", 16, 8, level))).gates for level in levels)
    # What sets in with the level is a factor of all gates.
    factors = [level[0] ** 4 / (level[0] ** 4 + 0.03**4) for level in levels]
    assert torch.allclose(low / factors[0], high / factors[1], atol=1e-5) == blind


def test_steps_may_stay_as_they_were():
    assert not build_network("fixed-steps").step_logits.requires_grad
    assert build_network("neural-diffusion").step_logits.requires_grad


def test_weights_of_a_network_go_back_into_a_new_one_of_its_name(slices):
    for name in NETWORKS:
        made, again = network(name, shake=0.02), build_network(name).eval()
        again.load_state_dict(made.state_dict(), strict=True)
        with torch.no_grad():
            assert torch.equal(again(slices).image, made(slices).image)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(CommandError, match=r"Network 'resnet' does not exist: choose one of neural-diffusion, unet, "):
        build_network("resnet")


def test_the_shipped_network_is_one_of_them():
    assert type(build_network("neural-diffusion")) is NeuralDiffusionNetwork
