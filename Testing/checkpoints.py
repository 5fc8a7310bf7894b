"""A checkpoint as a training run writes it, of a network that was not trained."""

from __future__ import annotations

from pathlib import Path

import torch

from NeuralDiffusionTraining.networks.registry import build_network


def checkpoint(path: Path, name: str) -> Path:
    """Write the checkpoint of a network of the registry."""
    state = {f"network.{key}": value for key, value in build_network(name).state_dict().items()}
    made = {"data": "generated", "split_sha256": "0", "command": "neural-diffusion train", "commit": "1", "torch": "2"}
    content = {
        "hyper_parameters": {"config": {"network": name}, "provenance": made},
        "state_dict": state,
        "epoch": 4,
        "global_step": 50,
    }
    torch.save(content, path)
    return path
