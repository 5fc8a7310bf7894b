"""`neural-diffusion train`: make weights from the Br35H slices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..files.command_error import CommandError
from .benchmark_options import Data, Device

_OF_CONFIG = "the configuration's value if left out"


def train(
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder for checkpoints and curves; a run found there goes on.")],
    config: Annotated[
        str | None,
        typer.Option(help="YAML file, or a bundled one by name: shipped, finish, polish, comparison, original, smoke."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="Network to train, such as neural-diffusion, dropout, unet, dncnn or original (an unknown name lists "
            f"all); {_OF_CONFIG}."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="original, grouped or a split file.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Slices per step, over all devices and machines.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order, crops and noise.")] = None,
    precision: Annotated[
        Literal["fast", "bf16-mixed", "32-true"] | None,
        typer.Option(help="fast: bfloat16 where the device has instructions for it, else float32."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Use only this many training slices; 0 means all.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any other option, as name=value: `--set loss.psnr=0.2`.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--init", help="Checkpoint of the same network whose weights to start from.")
    ] = None,
    device: Device = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, or GPUs, on each machine.")] = 1,
    num_nodes: Annotated[int, typer.Option(min=1, help="Machines; start the same command on each.")] = 1,
) -> None:
    """Train a network on the training part of a split.

    Options given here win over those of the configuration. OUTPUT receives the newest state (last.ckpt), the best
    weights so far (best.ckpt), and the learning curves (curves.csv, curves.png, and for TensorBoard the folder
    tensorboard). Run the same command again after an interruption: it goes on from last.ckpt, with the result of an
    unbroken run.

    Several machines: set MASTER_ADDR, MASTER_PORT and NODE_RANK (0, 1, ...) on each, or use SLURM's.

    Example: neural-diffusion train --data br35h --output runs/mine --config comparison --epochs 20
    """
    from lightning.pytorch.utilities import rank_zero_only

    from ..training.config import bundled_config, parse_settings, read_config
    from ..training.run import RunSite, run_training

    given = {
        "network": network,
        "split": split,
        "epochs": epochs,
        "batch_size": batch_size,
        "optimiser.learning_rate": learning_rate,
        "seed": seed,
        "precision": precision,
        "limit": limit,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    others = parse_settings(settings or [])
    if twice := [name for name in others if name in overrides]:
        raise CommandError(f"'{twice[0]}' is given twice, by its own option and by --set: give it once.")
    chosen = read_config(bundled_config(config), {**overrides, **others})
    best = run_training(chosen, RunSite(data, output, device, devices, num_nodes, start))
    if rank_zero_only.rank == 0:
        typer.echo(f"The best weights are in {best}.")
