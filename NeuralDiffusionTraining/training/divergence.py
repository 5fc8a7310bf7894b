"""A training that leads nowhere ends with a sentence, before its weights are kept."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from NeuralDiffusionLib.network.noise_model import BiasInversion

from ..files.command_error import CommandError

_SENTENCE = "The training diverged, its weights are of no use any more: choose a smaller learning rate."


class DivergenceStop(L.Callback):
    """Ends a run whose weights, or the pictures that they give, are no numbers any more.

    Raises
    ------
    CommandError
        In or after the step that made them so.
    """

    def __init__(self) -> None:
        self._hooks: list[RemovableHandle] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Of several processes one alone must not stop within a step, as the others would wait for it.
        if trainer.world_size > 1:
            return
        # It looks its inputs up in a table, where there is no place for what is no number.
        inversions = [module for module in pl_module.modules() if isinstance(module, BiasInversion)]
        self._hooks = [module.register_forward_pre_hook(_check_picture) for module in inversions]

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for hook in self._hooks:
            hook.remove()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # One number for all of them, since a graphics card is waited for with every look at one.
        sums = torch.stack([parameter.detach().float().sum() for parameter in pl_module.parameters()])
        if trainer.strategy.reduce_boolean_decision(not bool(torch.isfinite(sums).all()), all=False):
            raise CommandError(_SENTENCE)


def _check_picture(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    if not bool(torch.isfinite(inputs[0].detach()).all()):
        raise CommandError(_SENTENCE)
