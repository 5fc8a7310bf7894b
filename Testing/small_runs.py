"""Training runs of a few small steps, and the weights that they leave."""

from __future__ import annotations

from pathlib import Path

import torch

SMALL = (
    "limit=8",
    "batch_size=4",
    "precision=32-true",
    "validate_every=1",
    "sampling.crop=32",
    "sampling.iterations=2",
)


def arguments(data: Path, output: Path, *more: str) -> list[str]:
    settings = [word for setting in (*SMALL, *more) for word in ("--set", setting)]
    return [
        "train", "--data", str(data), "--split", str(data / "original.json"), "--output", str(output),
        "--device", "cpu", *settings,
    ]  # fmt: skip


def weights_of(folder: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    return torch.load(folder / name, weights_only=True)["state_dict"]


def assert_same_weights(one: Path, other: Path, tolerance: float = 0.0, name: str = "last.ckpt") -> None:
    first, second = weights_of(one, name), weights_of(other, name)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, atol=tolerance, rtol=0)
