"""Properties of the diffusion step, on random images and random gates."""

from __future__ import annotations

import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from NeuralDiffusionLib.network import exported_diffusion
from NeuralDiffusionLib.network.diffusion import conduction_map, differences, diffuse
from NeuralDiffusionLib.network.neighbourhood import EDGE_WEIGHTS, directions, largest_step

pytestmark = pytest.mark.filterwarnings("error")

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))
neighbourhoods = st.sampled_from([4, 8])
reaches = st.integers(1, 4)


def random_case(size: tuple[int, int], neighbours: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image with both signs, and gates that reach 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    image = 3 * torch.randn(2, 1, *size, generator=generator)
    gates = (2 * torch.rand(2, directions(neighbours), *size, generator=generator) - 0.5).clamp(0, 1)
    return image, gates


@given(sizes, neighbourhoods, reaches, st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_a_step_creates_no_new_extrema(size, neighbours, reach, seed):
    image, gates = random_case(size, neighbours, seed)
    after = diffuse(image, gates, torch.tensor([largest_step(neighbours)]), reach)
    padded = torch.nn.functional.pad(image, (reach,) * 4, value=-torch.inf)
    highest = torch.nn.functional.max_pool2d(padded, 3, stride=1, dilation=reach)
    padded = torch.nn.functional.pad(-image, (reach,) * 4, value=-torch.inf)
    lowest = -torch.nn.functional.max_pool2d(padded, 3, stride=1, dilation=reach)
    assert torch.all(after <= highest + 1e-5)
    assert torch.all(after >= lowest - 1e-5)


@given(sizes, neighbourhoods, reaches, st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_diffusion_conserves_the_mean(size, neighbours, reach, seed):
    image, gates = random_case(size, neighbours, seed)
    after = diffuse(image, gates, torch.full((16,), largest_step(neighbours)), reach)
    torch.testing.assert_close(after.mean(dim=(1, 2, 3)), image.mean(dim=(1, 2, 3)), atol=2e-6, rtol=0)


@given(sizes, neighbourhoods, st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_each_step_smooths_further(size, neighbours, seed):
    image, gates = random_case(size, neighbours, seed)
    step = torch.tensor([largest_step(neighbours)])
    spread = image.var(dim=(1, 2, 3), correction=0)
    for _ in range(5):
        image = diffuse(image, gates, step)
        smaller = image.var(dim=(1, 2, 3), correction=0)
        assert torch.all(smaller <= spread + 1e-5)
        spread = smaller


@pytest.mark.parametrize("neighbours", [4, 8])
def test_a_thousand_steps_stay_bounded(neighbours):
    image, gates = random_case((9, 11), neighbours, 3)
    after = diffuse(image, gates, torch.full((1000,), largest_step(neighbours)))
    assert after.max() <= image.max() + 1e-4
    assert after.min() >= image.min() - 1e-4


@pytest.mark.parametrize("neighbours", [4, 8])
def test_a_constant_image_is_a_fixed_point(neighbours):
    _, gates = random_case((6, 7), neighbours, 5)
    image = torch.full((2, 1, 6, 7), 0.37)
    assert torch.equal(diffuse(image, gates, torch.full((50,), largest_step(neighbours))), image)


def test_closed_gates_hold_the_image():
    image, gates = random_case((6, 7), 8, 6)
    assert torch.equal(diffuse(image, torch.zeros_like(gates), torch.full((20,), largest_step(8))), image)


@pytest.mark.parametrize("neighbours", [4, 8])
def test_the_largest_step_times_the_neighbour_weights_is_one(neighbours):
    weights = 2 * sum(EDGE_WEIGHTS[: directions(neighbours)])
    assert largest_step(neighbours) * weights == pytest.approx(1.0)


def test_open_gates_spread_a_point_evenly_in_all_directions():
    image = torch.zeros(1, 1, 5, 5)
    image[..., 2, 2] = 1
    after = diffuse(image, torch.ones(1, 4, 5, 5), torch.tensor([largest_step(8)]))[0, 0]
    for turned in (after.T, after.flip(0), after.flip(1)):
        torch.testing.assert_close(turned, after)
    assert after[2, 1] > after[1, 1] > 0
    assert after[2, 2] == pytest.approx(0, abs=1e-6)


def test_a_shut_edge_keeps_two_halves_apart():
    image = torch.zeros(1, 1, 4, 6)
    image[..., 3:] = 1
    gates = torch.ones(1, 2, 4, 6)
    gates[:, 0, :, 2] = 0
    assert torch.equal(diffuse(image, gates, torch.full((100,), largest_step(4))), image)


@pytest.mark.parametrize("reach", [1, 2])
@pytest.mark.parametrize("neighbours", [4, 8])
def test_gradient_agrees_with_finite_differences(neighbours, reach):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 1, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    gates = torch.rand(2, directions(neighbours), 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    steps = torch.tensor([0.1, 0.05, 0.12], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(diffuse, (image, gates, steps, reach))


def test_a_longer_reach_joins_pixels_that_far_apart_and_no_others():
    image = torch.zeros(1, 1, 7, 7)
    image[..., 3, 3] = 1
    after = diffuse(image, torch.ones(1, 4, 7, 7), torch.tensor([largest_step(8)]), reach=2)[0, 0]
    assert torch.all((after[1::2, 1::2] > 1e-6) == torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=torch.bool))
    assert after[::2].abs().max() == after[:, ::2].abs().max() == 0


def test_differences_point_from_a_pixel_to_its_neighbour():
    image = torch.arange(12.0).view(1, 1, 3, 4)
    right, down, diagonal, anti_diagonal = differences(image)[0]
    assert torch.all(right[:, :3] == 1)
    assert torch.all(right[:, 3] == 0)
    assert torch.all(down[:2] == 4)
    assert torch.all(down[2] == 0)
    assert torch.all(diagonal[:2, :3] == 5)
    assert torch.all(anti_diagonal[:2, 1:] == 3)
    assert torch.all(anti_diagonal[:, 0] == 0)


@pytest.mark.parametrize("neighbours", [4, 8])
def test_conduction_map_is_the_mean_over_the_edges_that_exist(neighbours):
    shape = (1, directions(neighbours), 3, 3)
    torch.testing.assert_close(conduction_map(torch.full(shape, 0.25)), torch.full((1, 1, 3, 3), 0.25))
    gates = torch.zeros(shape)
    gates[0, 0, 1, 1] = 1
    expected = torch.zeros(3, 3)
    expected[1, 1] = 1 / neighbours
    expected[1, 2] = 1 / (3 if neighbours == 4 else 5)
    torch.testing.assert_close(conduction_map(gates)[0, 0], expected)


@pytest.mark.parametrize("reach", [1, 2, 3])
@pytest.mark.parametrize("neighbours", [4, 8])
@pytest.mark.parametrize("size", [(9, 11), (2, 5), (1, 1)])
def test_the_form_for_export_gives_the_same(size, neighbours, reach):
    image, gates = random_case(size, neighbours, 8)
    steps = torch.tensor([0.1, 0.05])
    torch.testing.assert_close(
        exported_diffusion.diffuse(image, gates, steps, reach), diffuse(image, gates, steps, reach)
    )
    torch.testing.assert_close(exported_diffusion.differences(image, reach), differences(image, reach))
    torch.testing.assert_close(exported_diffusion.conduction_map(gates, reach), conduction_map(gates, reach))


@pytest.mark.parametrize("learning", [True, False])
def test_states_are_kept_for_a_gradient_alone(monkeypatch, learning):
    image, gates = torch.rand(1, 1, 16, 16), torch.rand(1, 4, 16, 16, requires_grad=learning)
    alive, most, step = weakref.WeakSet(), 0, torch.addcmul

    def watched(*arguments):
        nonlocal most
        state = step(*arguments)
        alive.add(state)
        most = max(most, len(alive))
        return state

    monkeypatch.setattr(torch, "addcmul", watched)
    diffuse(image, gates, torch.full((32,), 0.1))
    assert most == (32 if learning else 2)
