"""One training run, from folder of slices to checkpoints."""

from __future__ import annotations

import logging
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger

from NeuralDiffusionLib.devices import resolve_device

from ..data.slices import list_slices, load_slices, original_split, split_hash
from .denoising_task import DenoisingTask
from .training_data import SliceData

_FINE_SIZE = 256
_VALIDATION_SLICES = 60
_AVERAGE_DECAY = 0.99


@dataclass(frozen=True)
class TrainingOptions:
    """The options of `neural-diffusion train`; see its help."""

    data: Path
    output: Path
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    precision: str
    device: str
    limit: int


def run_training(options: TrainingOptions) -> Path:
    """Train, or go on training, and return the path of the best checkpoint.

    Raises
    ------
    CommandError
        If the data folder cannot be used.
    DeviceError
        If the device is unknown or absent.
    """
    device = resolve_device(options.device)
    split = original_split(list_slices(options.data))
    train = split["train"][: options.limit] if options.limit else split["train"]
    validation = split["validation"][:_VALIDATION_SLICES]
    L.seed_everything(options.seed, verbose=False)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    module = SliceData(
        load_slices(options.data, train),
        load_slices(options.data, train, _FINE_SIZE),
        load_slices(options.data, validation),
        options.batch_size,
        options.seed,
    )
    steps = module.batches * options.epochs
    task = DenoisingTask(steps, options.learning_rate, options.seed, _provenance(options, split))
    task.network.to(memory_format=torch.channels_last)
    # Two writers: the one of the best weights would leave "last" behind in an epoch that brings no progress.
    best = ModelCheckpoint(options.output, "best", monitor="psnr", mode="max", enable_version_counter=False)
    newest = ModelCheckpoint(options.output, "last", enable_version_counter=False)
    trainer = L.Trainer(
        max_epochs=options.epochs,
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=options.precision,
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
        logger=CSVLogger(options.output, name="curves", flush_logs_every_n_steps=20),
        log_every_n_steps=20,
        callbacks=[best, newest, EMAWeightAveraging(decay=_AVERAGE_DECAY), RichProgressBar()],
        num_sanity_val_steps=0,
    )
    last = options.output / "last.ckpt"
    with warnings.catch_warnings():
        # Lightning warns of what is meant here: a folder that is not empty, epochs shorter than the logging interval.
        warnings.filterwarnings("ignore", module="lightning")
        trainer.fit(task, module, ckpt_path=last if last.exists() else None)
    return Path(best.best_model_path)


def _provenance(options: TrainingOptions, split: dict[str, list[str]]) -> dict[str, str]:
    """How the weights are made, as far as the run itself can know."""
    command = (
        f"neural-diffusion train --data DATA --output RUN --epochs {options.epochs} --batch-size {options.batch_size} "
        f"--learning-rate {options.learning_rate:g} --seed {options.seed} --precision {options.precision}"
    )
    return {
        "data": f"Br35H, original split, training part{f', first {options.limit}' if options.limit else ''}",
        "split_sha256": split_hash(split),
        "command": f"{command} --limit {options.limit}" if options.limit else command,
        "commit": _commit(),
        "torch": str(torch.__version__),
    }


def _commit() -> str:
    """Commit of the source tree that this file belongs to, "unknown" outside one."""
    folder = Path(__file__).parent
    try:
        run = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return run.stdout.strip() if run.returncode == 0 else "unknown"
