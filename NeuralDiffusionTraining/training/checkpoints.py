"""Checkpoints of training runs: read back as networks."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..files.command_error import CommandError
from ..networks.registry import build_network

NEWEST = "last.ckpt"
BEST = "best.ckpt"


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of a checkpoint, ready for use, its name, and how it was made."""

    network: nn.Module
    name: str
    config: dict[str, Any]
    provenance: dict[str, str]


def load_trained(path: Path) -> TrainedNetwork:
    """Read a checkpoint that `train` wrote; of the best epoch or the newest.

    Raises
    ------
    CommandError
        If it does not exist or was not written by this version.
    """
    if not path.is_file():
        raise CommandError(f"Checkpoint '{path}' does not exist: give the {BEST} of a training run.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        config, made = content["hyper_parameters"]["config"], content["hyper_parameters"]["provenance"]
        network = build_network(config["network"])
        prefix = "network."
        network.load_state_dict(
            {name.removeprefix(prefix): tensor for name, tensor in content["state_dict"].items()}, strict=True
        )
        done = {"epochs_done": str(content["epoch"] + 1), "steps_done": str(content["global_step"])}
    except (KeyError, TypeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CommandError(
            f"Checkpoint '{path}' was not written by this version's train command: train again."
        ) from error
    return TrainedNetwork(network.eval(), config["network"], config, {**made, **done})
