"""The same network, written without what makes it fast."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from NeuralDiffusionLib.network import exported_diffusion
from NeuralDiffusionLib.network.neighbourhood import EDGE_WEIGHTS, OFFSETS, directions, edges_inside
from NeuralDiffusionLib.network.neural_diffusion import DiffusionStage, NeuralDiffusionNetwork


class GatesEveryStep(NeuralDiffusionNetwork):
    """Predicts its gates anew before every step, as an unrolled loop is written first."""

    def schedule(self, iterations: int) -> Iterator[tuple[int, int, int]]:
        for stage, first, last in super().schedule(iterations):
            for step in range(first, last):
                yield stage, step, step + 1


class StepsPerPixel(NeuralDiffusionNetwork):
    """Sums up over the neighbours of every pixel, so that each edge is computed from both of its ends."""

    def run_stage(self, state: Tensor, gates: Tensor, sizes: Tensor, neighbours: int, reach: int) -> DiffusionStage:
        count = directions(neighbours)
        gates = gates[:, :count]
        weighted = _around(
            gates * edges_inside(state, reach, count) * gates.new_tensor(EDGE_WEIGHTS[:count]).view(-1, 1, 1), reach
        )
        for step in sizes:
            near = _around(state, reach)
            flow = 0.0
            for number, (down, right) in enumerate(OFFSETS[:count]):
                there = (reach * down, reach * right)
                back = (-reach * down, -reach * right)
                gate = weighted[:, number : number + 1]
                flow = flow + _shifted(gate, (0, 0), reach) * (_shifted(near, there, reach) - state)
                flow = flow + _shifted(gate, back, reach) * (_shifted(near, back, reach) - state)
            state = state + step * flow
        return DiffusionStage(state, gates, len(sizes), reach)


class NewBuffers(NeuralDiffusionNetwork):
    """Takes its steps on edges, as convolutions that each write to new memory."""

    def run_stage(self, state: Tensor, gates: Tensor, sizes: Tensor, neighbours: int, reach: int) -> DiffusionStage:
        gates = gates[:, : directions(neighbours)]
        return DiffusionStage(exported_diffusion.diffuse(state, gates, sizes, reach), gates, len(sizes), reach)


class FullResolutionGuidance(NeuralDiffusionNetwork):
    """Its guidance sees the slice pixel by pixel instead of folded 2 x 2: four times the work, for the time only."""

    def guide(self, padded: Tensor, sigma: Tensor, types: Tensor, neighbours: int) -> Tensor:
        twice = F.interpolate(padded, scale_factor=2)
        return super().guide(twice, sigma, types, neighbours)[..., ::2, ::2]


class Straightforward(GatesEveryStep, StepsPerPixel):
    """Gates in every step, and steps per pixel."""


class StraightforwardFullResolution(Straightforward, FullResolutionGuidance):
    """That, and guidance at full resolution."""


def _around(images: Tensor, reach: int) -> Tensor:
    return F.pad(images, (reach,) * 4)


def _shifted(padded: Tensor, offset: tuple[int, int], reach: int) -> Tensor:
    """What lies at an offset from every pixel of images that `_around` surrounded with zeros."""
    down, right = reach + offset[0], reach + offset[1]
    return padded[..., down : padded.shape[-2] - 2 * reach + down, right : padded.shape[-1] - 2 * reach + right]
