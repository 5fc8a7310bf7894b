"""`neural-diffusion train`: make weights from the Br35H slices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def train(
    data: Annotated[Path, typer.Option(help="Folder that holds the Br35H classes 'no' and 'yes'.")],
    output: Annotated[Path, typer.Option(help="Folder for checkpoints and curves; a run found there goes on.")],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training part.")] = 60,
    batch_size: Annotated[int, typer.Option(min=1, help="Slices per step.")] = 16,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="Peak learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Seed of weights, order, crops and noise.")] = 0,
    precision: Annotated[
        Literal["bf16-mixed", "32-true"], typer.Option(help="bf16-mixed is fast on new CPUs and GPUs.")
    ] = "bf16-mixed",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    limit: Annotated[int, typer.Option(min=0, help="Use only this many training slices; 0 means all.")] = 0,
) -> None:
    """Train the network on the training part of the original split.

    Learning curves are written to OUTPUT/curves (one folder for each start), the newest state to OUTPUT/last.ckpt,
    the best weights so far to OUTPUT/best.ckpt. Run the same command again after an interruption: it goes on from
    last.ckpt.
    """
    from ..training.run import TrainingOptions, run_training

    run_training(TrainingOptions(data, output, epochs, batch_size, learning_rate, seed, precision, device, limit))
