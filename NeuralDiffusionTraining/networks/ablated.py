"""Our network with one part taken out or exchanged, to show what that part brings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from NeuralDiffusionLib.network.conduction import ConductionNetwork
from NeuralDiffusionLib.network.diffusion import differences
from NeuralDiffusionLib.network.guidance import WIDTHS, MiniUNet
from NeuralDiffusionLib.network.neighbourhood import EDGE_WEIGHTS, OFFSETS, directions
from NeuralDiffusionLib.network.neural_diffusion import DiffusionStage, NeuralDiffusionNetwork
from NeuralDiffusionLib.network.refinement import Refinement

_ONE_LEVEL = 0.12
"""About the middle of the benchmark's noise levels."""


def without_guidance() -> NeuralDiffusionNetwork:
    """The gates see the differences and the noise level only, the refinement its two pictures only."""
    network = NeuralDiffusionNetwork()
    network.guidance = _NoGuidance()
    network.projection = _NoProjection()
    network.refinement = Refinement(0)
    return network


def without_context() -> NeuralDiffusionNetwork:
    """The guidance has no levels beyond 1/8 of the slice's pixels a side."""
    network = NeuralDiffusionNetwork()
    network.guidance.context = _NoContext()
    return network


def with_detached_guidance() -> NeuralDiffusionNetwork:
    """No gradient reaches the guidance network, as in the original: it stays as it was initialised."""
    network = NeuralDiffusionNetwork()
    # The same as detaching its features, and training on several processes accepts weights without a gradient.
    network.guidance.requires_grad_(False)
    return network


def without_noise_level() -> NeuralDiffusionNetwork:
    """Guidance, gates and refinement are told the same noise level whatever it is; the treatment of the bias knows it.

    The whole correction still sets in with the noise level.
    """
    network = NeuralDiffusionNetwork()
    network.guidance = _GuidanceWithoutLevel()
    network.conduction = nn.ModuleList([_ConductionWithoutLevel() for _ in network.conduction])
    network.refinement = _RefinementWithoutLevel(WIDTHS[0])
    return network


def with_fixed_steps() -> NeuralDiffusionNetwork:
    """The sizes of the steps stay as they were initialised."""
    network = NeuralDiffusionNetwork()
    network.step_logits.requires_grad_(False)
    return network


def without_refinement() -> NeuralDiffusionNetwork:
    """The diffusion and the treatment of the bias alone."""
    network = NeuralDiffusionNetwork()
    network.refinement, network.refined_floor = _NoRefinement(), _NoShrinkage()
    return network


def without_floor() -> NeuralDiffusionNetwork:
    """Nothing is shrunk at the noise floor."""
    network = NeuralDiffusionNetwork()
    network.diffused_floor = network.refined_floor = _NoShrinkage()
    return network


def without_inversion() -> NeuralDiffusionNetwork:
    """The bias of the noise is left to the refinement."""
    network = without_floor()
    network.inversion = _NoInversion()
    return network


class PerPixelGatesNetwork(NeuralDiffusionNetwork):
    """Every pixel has a gate of its own towards each neighbour, as in the original.

    The two ends of an edge may disagree, so what leaves one pixel need not enter the other: the mean is not conserved.
    Each new value still is a weighted mean of old ones, and everything still vanishes with the noise level.
    """

    def __init__(self) -> None:
        super().__init__()
        for stage in self.conduction:
            _give_every_pixel_its_gates(stage)

    def run_stage(self, state: Tensor, gates: Tensor, sizes: Tensor, neighbours: int, reach: int) -> DiffusionStage:
        gates = gates.unflatten(1, (2, -1))[:, :, : directions(neighbours)]
        weighted = gates * gates.new_tensor(EDGE_WEIGHTS[: directions(neighbours)]).view(-1, 1, 1)
        for step in sizes:
            flow = weighted * _differences_both_ways(state, reach)[:, :, : directions(neighbours)]
            state = state + step * flow.sum(dim=(1, 2)).unsqueeze(1)
        return _PerPixelStage(state, gates.flatten(1, 2), len(sizes), reach)


class _PerPixelStage(DiffusionStage):
    """A stage with `gates` of (batch, 4 or 8, rows, columns): towards the end of every edge, then to its start."""

    @property
    def conduction(self) -> Tensor:
        gates = self.gates.detach()
        numbers = torch.arange(self.state[0].numel(), device=gates.device, dtype=torch.float64)
        # No two pixels have the same number, so the difference is 0 only where there is no neighbour.
        towards = _differences_both_ways(numbers.view(1, *self.state.shape[1:]), self.reach)
        exists = (towards[:, :, : gates.shape[1] // 2] != 0).flatten(1, 2)
        return ((gates * exists).sum(dim=1, keepdim=True) / exists.sum(dim=1, keepdim=True).clamp_min(1)).clamp(0, 1)


class _GuidanceWithoutLevel(MiniUNet):
    def forward(self, slices: Tensor, conditions: Tensor) -> Tensor:
        return super().forward(slices, torch.cat([torch.zeros_like(conditions[:, :2]), conditions[:, 2:]], dim=1))


class _ConductionWithoutLevel(ConductionNetwork):
    def forward(self, image: Tensor, guidance: Tensor, noise: Tensor, reach: int = 1) -> Tensor:
        return super().forward(image, guidance, torch.full_like(noise, _ONE_LEVEL), reach)


class _RefinementWithoutLevel(Refinement):
    def forward(self, diffused: Tensor, noisy: Tensor, guidance: Tensor, sigma: Tensor) -> Tensor:
        return super().forward(diffused, noisy, guidance, torch.full_like(sigma, _ONE_LEVEL))


class _NoGuidance(nn.Module):
    """Features without a channel."""

    def forward(self, slices: Tensor, conditions: Tensor) -> Tensor:
        batch, _, rows, columns = slices.shape
        return slices.new_zeros(batch, 0, rows // 2, columns // 2)


class _NoProjection(nn.Module):
    """Adds nothing to the hidden layer of the conduction networks, which has a bias of its own."""

    def of_stage(self, guidance: Tensor, stage: int) -> Tensor:
        return guidance.new_zeros(1)


class _NoContext(nn.Module):
    def forward(self, coarse: Tensor, embedding: Tensor) -> Tensor:
        return coarse


class _NoRefinement(nn.Module):
    def forward(self, diffused: Tensor, noisy: Tensor, guidance: Tensor, sigma: Tensor) -> Tensor:
        return torch.zeros_like(diffused)


class _NoShrinkage(nn.Module):
    def forward(self, image: Tensor, sigma: Tensor, share: Tensor) -> Tensor:
        return image


class _NoInversion(nn.Module):
    def forward(self, mean: Tensor, sigma: Tensor, types: Tensor, clipped: Tensor) -> Tensor:
        return mean


def _give_every_pixel_its_gates(network: ConductionNetwork) -> None:
    """Exchange the last layer for one with twice the outputs: a gate towards either end of every edge direction."""
    old = network.gates
    network.gates = nn.Conv2d(old.in_channels, 2 * old.out_channels, 1)
    nn.init.constant_(network.gates.bias, 1.0)


def _differences_both_ways(image: Tensor, reach: int) -> Tensor:
    """Neighbour minus pixel, (batch, 2, 4, rows, columns): towards each of `OFFSETS`, then towards its opposite."""
    forward = differences(image, reach)
    backward = [
        # An edge that would leave the image has difference 0, so nothing wraps round.
        -forward[:, number].roll((reach * down, reach * right), dims=(-2, -1))
        for number, (down, right) in enumerate(OFFSETS)
    ]
    return torch.stack([forward, torch.stack(backward, dim=1)], dim=1)
