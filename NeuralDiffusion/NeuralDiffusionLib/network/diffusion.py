"""The explicit diffusion step in divergence form.

Every edge between two neighbouring pixels has one gate, shared by both: what leaves one pixel enters the other. The
step is therefore conservative (the sum over the image is unchanged), a constant image is a fixed point, and, because
step size times the sum of the neighbour weights is at most 1, each new value is a weighted mean of old ones: no new
extrema, stable for any number of steps (Perona and Malik, IEEE PAMI 12, 1990; Weickert, Anisotropic Diffusion, 1998).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from . import exported_diffusion
from .neighbourhood import EDGE_WEIGHTS, OFFSETS


def _ends(image: Tensor, direction: int, reach: int) -> tuple[Tensor, Tensor]:
    """Views of the first and the second pixel of every edge of a direction."""
    down, right = (reach * offset for offset in OFFSETS[direction])
    rows, columns = image.shape[-2:]
    above, left = max(0, rows - down), max(0, columns - abs(right))
    if right < 0:
        return image[..., :above, -right:], image[..., down:, :left]
    return image[..., :above, :left], image[..., down:, right:]


def differences(image: Tensor, reach: int = 1) -> Tensor:
    """Directional differences of a single-channel image.

    Parameters
    ----------
    image
        (batch, 1, rows, columns).
    reach
        Distance of the neighbours along rows and columns, in pixels.

    Returns
    -------
    Tensor
        (batch, 4, rows, columns): second end minus first end of the edge that starts at each pixel, 0 where the edge
        would leave the image.
    """
    if torch.compiler.is_compiling():
        return exported_diffusion.differences(image, reach)
    out = image.new_zeros(image.shape[0], len(OFFSETS), *image.shape[-2:])
    for direction in range(len(OFFSETS)):
        first, second = _ends(image[:, 0], direction, reach)
        _ends(out[:, direction], direction, reach)[0].copy_(second - first)
    return out


def diffuse(image: Tensor, gates: Tensor, step_sizes: Tensor, reach: int = 1) -> Tensor:
    """Run explicit diffusion steps with gates that stay as they are.

    Parameters
    ----------
    image
        (batch, 1, rows, columns), float32.
    gates
        Conduction of every edge in [0, 1], (batch, 2 or 4, rows, columns); entry (d, i, j) belongs to the edge from
        pixel (i, j) to its neighbour at `reach` times `OFFSETS[d]`. Gates of edges that leave the image are ignored.
    step_sizes
        (steps,), each between 0 and `largest_step`.
    reach
        Distance of the neighbours along rows and columns, in pixels. What is said above holds for any distance.
    """
    if torch.compiler.is_compiling():
        return exported_diffusion.diffuse(image, gates, step_sizes, reach)
    return _Diffusion.apply(image, gates, step_sizes, reach)


def conduction_map(gates: Tensor, reach: int = 1) -> Tensor:
    """Mean gate over the edges that meet at each pixel.

    Parameters
    ----------
    gates
        (batch, 2 or 4, rows, columns) in [0, 1].
    reach
        Distance of the neighbours, as in `diffuse`.

    Returns
    -------
    Tensor
        (batch, 1, rows, columns) in [0, 1]; 0 for a pixel without neighbours.
    """
    if torch.compiler.is_compiling():
        return exported_diffusion.conduction_map(gates, reach)
    total = torch.zeros_like(gates[:, 0])
    # The same in every slice.
    count = gates.new_zeros(gates.shape[-2:])
    for direction in range(gates.shape[1]):
        edge = _ends(gates[:, direction], direction, reach)[0]
        for end_of_total, end_of_count in zip(
            _ends(total, direction, reach), _ends(count, direction, reach), strict=True
        ):
            end_of_total += edge
            end_of_count += 1
    return (total / count.clamp_min(1)).unsqueeze(1).clamp(0, 1)


def _divergence(image: Tensor, weighted: list[Tensor], reach: int) -> Tensor:
    """Net flow into every pixel, sum over its edges of weighted gate x difference; (batch, rows, columns)."""
    out = torch.zeros_like(image)
    for direction, gate in enumerate(weighted):
        first, second = _ends(image, direction, reach)
        flow = (second - first).mul_(gate)
        into_first, into_second = _ends(out, direction, reach)
        into_first += flow
        into_second -= flow
    return out


class _Diffusion(torch.autograd.Function):
    """The loop of `diffuse` with its exact gradient.

    The step is linear and self-adjoint in the image (one gate per edge), so the gradient runs through the same step;
    writing that down is several times faster than recording every slice of every step.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, image: Tensor, gates: Tensor, step_sizes: Tensor, reach: int) -> Tensor:
        state = image[:, 0]
        states = []
        weighted = [
            weight * _ends(gate, direction, reach)[0]
            for direction, (gate, weight) in enumerate(zip(gates.unbind(1), EDGE_WEIGHTS, strict=False))
        ]
        for step in step_sizes:
            if any(ctx.needs_input_grad):
                states.append(state)
            state = torch.addcmul(state, _divergence(state, weighted, reach), step)
        ctx.save_for_backward(gates, step_sizes, *states)
        ctx.reach = reach
        return state.unsqueeze(1)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        gates, step_sizes, *states = ctx.saved_tensors
        reach = ctx.reach
        gradient = gradient[:, 0]
        of_gates = torch.zeros_like(gates)
        of_steps = torch.zeros_like(step_sizes)
        for number in reversed(range(len(states))):
            step, state = float(step_sizes[number]), states[number]
            flow = torch.zeros_like(gradient)
            for direction in range(gates.shape[1]):
                gate = _ends(gates[:, direction], direction, reach)[0]
                first, second = _ends(state, direction, reach)
                first_gradient, second_gradient = _ends(gradient, direction, reach)
                difference = (second_gradient - first_gradient).mul_(EDGE_WEIGHTS[direction])
                # <gradient, divergence(state)> = -sum over edges of gate x weight x difference x difference
                product = (second - first).mul_(difference)
                _ends(of_gates[:, direction], direction, reach)[0].sub_(product, alpha=step)
                of_steps[number] -= torch.sum(product * gate)
                difference *= gate
                into_first, into_second = _ends(flow, direction, reach)
                into_first += difference
                into_second -= difference
            gradient = torch.add(gradient, flow, alpha=step)
        return gradient.unsqueeze(1), of_gates, of_steps, None
