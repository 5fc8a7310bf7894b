"""Optimiser and learning-rate schedule of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_optimizer import Muon
from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5
from torch import Tensor, nn

from NeuralDiffusionLib.engine.devices import fast_dtype

from .config import OptimiserConfig

_NARROW = 4


class Float32Muon(Muon):
    """Muon that orthogonalises in float32.

    The library does so in bfloat16, which a CPU without instructions for it emulates: a step takes seconds there.
    """

    @staticmethod
    def _orthogonalize(group: dict[str, Any], updates: list[Tensor]) -> list[Tensor]:
        steps, weights = group["ns_steps"], group["ns_coeffs"]
        matrices = (update.flatten(1) for update in updates)
        return [zero_power_via_newton_schulz_5(one, steps, weights=weights, dtype=torch.float32) for one in matrices]


def make_optimiser(
    network: nn.Module, config: OptimiserConfig, total_steps: int
) -> tuple[torch.optim.Optimizer, list[Callable[[int], float]]]:
    """Make the optimiser of a network.

    Returns
    -------
    tuple
        The optimiser, and for each of its parameter groups the factor on its learning rate at a step.
    """
    guidance = [p for name, p in network.named_parameters() if name.startswith("guidance.")]
    others = [p for name, p in network.named_parameters() if not name.startswith("guidance.")]
    rates = (config.guidance_rate or config.learning_rate, config.learning_rate)
    groups = [{"params": part, "lr": rate} for part, rate in zip((guidance, others), rates, strict=True) if part]
    if config.name == "muon":
        in_bfloat16 = fast_dtype(next(network.parameters()).device) == torch.bfloat16
        muon = Muon if in_bfloat16 else Float32Muon
        optimiser = muon([part for group in groups for part in _by_shape(group, network, config)])
    elif config.name == "adamw":
        optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    else:
        optimiser = torch.optim.Adam(groups, weight_decay=config.weight_decay)
    return optimiser, [_schedule(group["lr"], config, total_steps) for group in optimiser.param_groups]


def _by_shape(group: dict[str, Any], network: nn.Module, config: OptimiserConfig) -> list[dict[str, Any]]:
    """The group's convolution kernels for Muon, the rest for its AdamW."""
    estimator = {id(p) for name, p in network.named_parameters() if name.startswith("noise_level.")}
    # A mean of a few readings or outputs has no spectrum worth levelling.
    kernels = [p for p in group["params"] if p.ndim == 4 and len(p) > _NARROW and id(p) not in estimator]
    chosen = {id(p) for p in kernels}
    rest = [p for p in group["params"] if id(p) not in chosen]
    decay = config.weight_decay
    parts = [
        {"params": kernels, "lr": config.kernel_rate, "weight_decay": decay, "use_muon": True, "use_adjusted_lr": True},
        {
            "params": rest,
            "lr": group["lr"],
            "weight_decay": decay,
            "use_muon": False,
            "betas": (0.9, 0.999),
            "eps": 1e-8,
        },
    ]
    return [part for part in parts if part["params"]]


def _schedule(rate: float, config: OptimiserConfig, total_steps: int) -> Callable[[int], float]:
    warm_up = min(config.warm_up, total_steps // 10)
    last = min(1.0, config.final_rate / rate)

    def factor(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        progress = min(1.0, (step - warm_up) / max(1, total_steps - warm_up))
        return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * progress))

    return factor
