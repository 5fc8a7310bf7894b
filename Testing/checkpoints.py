"""A checkpoint as a training run writes it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from NeuralDiffusionTraining.networks.registry import build_network


def checkpoint(path: Path, name: str, network: nn.Module | None = None) -> Path:
    """Write the checkpoint of a network of the registry, of one that was not trained if none is given."""
    network = build_network(name) if network is None else network
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    made = {"data": "generated", "split_sha256": "0", "command": "neural-diffusion train", "commit": "1", "torch": "2"}
    content = {
        "hyper_parameters": {"config": {"network": name}, "provenance": made},
        "state_dict": state,
        "epoch": 4,
        "global_step": 50,
    }
    torch.save(content, path)
    return path
