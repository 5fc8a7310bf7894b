"""One training run, from folder of slices to checkpoints."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.environments import (
    LSFEnvironment,
    MPIEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from NeuralDiffusionLib.engine.devices import fast_dtype, resolve_device

from ..data.slices import load_slices
from ..data.splits import NAMES, Split, load_split
from ..files.command_error import CommandError
from ..files.folder_lock import alone_in
from ..files.result_files import make_folder
from ..files.unfinished import remove_unfinished
from ..networks.checkpoints import BEST, NEWEST, TrainedNetwork, load_trained
from .begun_run import begun_run, check_nothing_lost, check_start, flat, started_from
from .callbacks import BestCheckpoint, LastEpochValidation
from .config import TrainingConfig
from .curves import FOLDER as CURVES
from .curves import PICTURE, TABLE, CurveFiles
from .denoising_task import DenoisingTask
from .divergence import DivergenceStop
from .interrupts import interruptible
from .progress import RunProgress, silence_lightning
from .training_data import SliceData
from .whole_checkpoints import WholeCheckpoints

Precision = Literal["bf16-mixed", "32-true"]
"""Lightning's names."""

_FINE_SIZE = 256
_VALIDATION_SLICES = 60
_LOG_EVERY = 20


@dataclass(frozen=True)
class RunSite:
    """Where a run reads, writes and computes; none of it changes the result but for rounding.

    `devices` is the number of processes on each of `nodes` machines; `start` a checkpoint whose weights the run starts
    from.
    """

    data: Path
    output: Path
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    start: Path | None = None


def run_training(config: TrainingConfig, site: RunSite) -> Path:
    """Train, or go on training, and return the path of the best checkpoint.

    Raises
    ------
    CommandError
        If the data, the folder of the run or the checkpoint to start from cannot be used, another run is writing into
        the folder, the training diverges, or the disk is full.
    DeviceError
        If the device is unknown or absent.
    """
    device = resolve_device(site.device)
    split = load_split(config.split, site.data)
    for part in ("train", "validation"):
        if not split.part(part):
            raise CommandError(f"Split '{config.split}' has no {part} slices: choose another.")
    _check_shares(config, split, site.devices * site.nodes)
    _check_devices(site, device)
    _check_machines(site)
    begun = begun_run(site.output, config, split)
    silence_lightning()
    L.seed_everything(config.seed, verbose=False)
    start = None if site.start is None else _start(site.start, config.network)
    if begun is None:
        check_nothing_lost(site.output, config, split, site.start, start)
    elif start is not None:
        check_start(begun, site.output, site.start, start)
    module = _data(config, site.data, split)
    steps = module.batches * config.epochs
    precision = _precision(config, device)
    # A run that goes on was made as it began, whatever is asked for or checked out by now.
    made = begun.made if begun is not None else _provenance(config, site.data, split, start, precision)
    if begun is None or int(begun.done["epochs_done"]) < config.epochs:
        _tell_precision(config, device, precision, made.get("precision", precision))
    task = DenoisingTask(config.model_dump(mode="json"), steps, made)
    if start is not None and begun is None:
        task.network.load_state_dict(start.network.state_dict())
    task.network.to(memory_format=torch.channels_last)
    _check_normalisation(task.network, config.network, site, device)
    make_folder(site.output)
    with _alone_in(site.output):
        remove_unfinished(site.output, {BEST, NEWEST, TABLE, PICTURE})
        _fit(task, module, config, site, device, precision)
    return site.output / BEST


def _precision(config: TrainingConfig, device: torch.device) -> Precision:
    if config.precision != "fast":
        return config.precision
    return "bf16-mixed" if fast_dtype(device) == torch.bfloat16 else "32-true"


def _tell_precision(config: TrainingConfig, device: torch.device, now: Precision, before: str) -> None:
    """Tell what is not as on other devices: "fast" that is float32, bfloat16 that is slow, a change on the way."""
    if fast_dtype(device) == torch.float32 and config.precision == "fast":
        _tell(f"Training in float32, as device '{device}' has no fast bfloat16.")
    if fast_dtype(device) == torch.float32 and now == "bf16-mixed":
        _tell(f"Device '{device}' is slow in bfloat16: precision 'fast' would be faster.")
    if before != now:
        _tell(f"The run began in precision {before} and goes on in {now}.")


def _alone_in(output: Path) -> AbstractContextManager[None]:
    """Keep other runs out; of the processes and machines of one run, the first does it for all."""
    first = rank_zero_only.rank == 0 and os.environ.get("NODE_RANK", "0") == "0"
    return alone_in(output, _tell) if first else nullcontext()


def _fit(
    task: DenoisingTask,
    module: SliceData,
    config: TrainingConfig,
    site: RunSite,
    device: torch.device,
    precision: Precision,
) -> None:
    processes = site.devices * site.nodes
    newest = site.output / NEWEST
    trainer = L.Trainer(
        max_epochs=config.epochs,
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" and site.devices == 1 else site.devices,
        num_nodes=site.nodes,
        # A short run of the diffusion leaves the conduction networks of its later stages unused.
        strategy=DDPStrategy(find_unused_parameters=True) if processes > 1 else "auto",
        # Means and variances of the whole batch, as of one process.
        sync_batchnorm=processes > 1 and device.type == "cuda",
        # The loader shares the samples out itself, so that they do not depend on the number of processes.
        use_distributed_sampler=False,
        precision=precision,
        gradient_clip_val=config.optimiser.clip,
        reload_dataloaders_every_n_epochs=1,
        logger=[CSVLogger(site.output, name=CURVES), TensorBoardLogger(site.output, name="tensorboard", version="")],
        log_every_n_steps=min(_LOG_EVERY, module.batches),
        callbacks=_callbacks(config, site.output),
        num_sanity_val_steps=0,
        check_val_every_n_epoch=min(config.validate_every, config.epochs),
        enable_model_summary=False,
        plugins=[WholeCheckpoints()],
    )
    with warnings.catch_warnings():
        # Lightning warns of what is meant here: a folder that is not empty, epochs shorter than the logging interval.
        warnings.filterwarnings("ignore", module="lightning")
        # A 1 x 1 kernel in channels_last has strides that several processes count in another way; it costs nothing.
        warnings.filterwarnings("ignore", message="Grad strides do not match")
        # Nor does the search for parameters that a run leaves unused, where it finds none.
        warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
        try:
            with interruptible():
                trainer.fit(task, module, ckpt_path=newest if newest.exists() else None)
        except OSError as error:
            raise CommandError(
                f"The run in '{site.output}' cannot be written ({error.strerror or error}): make room or name another "
                "folder. The same command goes on from the last checkpoint that is there."
            ) from error


def _data(config: TrainingConfig, folder: Path, split: Split) -> SliceData:
    train = split.train[: config.limit] if config.limit else split.train
    coarse = load_slices(folder, train)
    return SliceData(
        coarse,
        load_slices(folder, train, _FINE_SIZE) if config.sampling.native_share else coarse,
        load_slices(folder, split.validation[:_VALIDATION_SLICES]),
        config.batch_size,
        config.seed,
        config.sampling,
    )


def _callbacks(config: TrainingConfig, output: Path) -> list[L.Callback]:
    # Two writers: the one of the best weights would leave "last" behind in an epoch that brings no progress.
    best = BestCheckpoint(output / BEST)
    newest = ModelCheckpoint(
        output, Path(NEWEST).stem, every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False
    )
    average = [EMAWeightAveraging(decay=config.optimiser.average)] if config.optimiser.average else []
    return [DivergenceStop(), LastEpochValidation(), best, newest, *average, CurveFiles(output), RunProgress()]


def _check_shares(config: TrainingConfig, split: Split, processes: int) -> None:
    slices = min(config.limit or len(split.train), len(split.train))
    batch = min(config.batch_size, slices)
    if batch % processes:
        what, instead = f"A batch of {batch}", f"a multiple of {processes}"
        if batch < config.batch_size:
            what, instead = f"{what}, all slices of the run,", "fewer processes, or more slices"
        raise CommandError(f"{what} cannot be shared out evenly among {processes} processes: choose {instead}.")


def _check_devices(site: RunSite, device: torch.device) -> None:
    if site.devices == 1 or device.type == "cpu":
        return
    if ":" in site.device:
        raise CommandError(
            f"Device '{site.device}' is one of several, and {site.devices} are asked for: "
            f"give --device {device.type}, or --devices 1."
        )
    found = torch.cuda.device_count() if device.type == "cuda" else 1
    if site.devices > found:
        raise CommandError(
            f"{site.devices} devices were asked for, but only {found} of type '{device.type}' "
            f"{'is' if found == 1 else 'are'} available: give --devices {found}."
        )


def _check_machines(site: RunSite) -> None:
    """Refuse machines that would wait for each other for ever, as they are not told where the others are."""
    if site.nodes == 1:
        return
    clusters = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)
    with warnings.catch_warnings():
        # That srun is there and not used is said below.
        warnings.simplefilter("ignore")
        managed = any(cluster.detect() for cluster in clusters)
    missing = [name for name in ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK") if not os.environ.get(name)]
    if missing and not managed:
        raise CommandError(
            f"{site.nodes} machines cannot find each other without the environment variable"
            f"{'s' if missing[1:] else ''} {', '.join(missing)}: set MASTER_ADDR, MASTER_PORT and NODE_RANK (0, 1, "
            "...) on each, or start the command with SLURM's srun."
        )


def _check_normalisation(network: nn.Module, name: str, site: RunSite, device: torch.device) -> None:
    """Refuse what would be computed otherwise by several processes: PyTorch shares batch statistics on CUDA alone."""
    several = site.devices * site.nodes > 1 and device.type != "cuda"
    if several and any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        raise CommandError(
            f"Network '{name}' normalises over the whole batch, which several processes can do on CUDA alone: "
            "train it in one process."
        )


def _start(path: Path, network: str) -> TrainedNetwork:
    trained = load_trained(path, may_be_older=True)
    if trained.name != network:
        raise CommandError(f"Checkpoint '{path}' is of the network '{trained.name}', not '{network}': name another.")
    if trained.fresh:
        _tell(f"Checkpoint '{path}' lacks {', '.join(trained.fresh)}: starting that with fresh weights.")
    return trained


@rank_zero_only
def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def _provenance(
    config: TrainingConfig, data: Path, split: Split, start: TrainedNetwork | None, precision: Precision
) -> dict[str, str]:
    """How the weights are made, as far as the run itself can know."""
    # Only Br35H has all the names of the committed splits.
    collection = "Br35H" if config.split in NAMES else f"slices of '{data.resolve().name}'"
    changed = _changed(flat(config.model_dump(mode="json")), flat(TrainingConfig().model_dump(mode="json")))
    settings = "".join(f" --set {name}={value}" for name, value in changed.items())
    made = {
        "data": f"{collection}, {split.name} split, training part{f', first {config.limit}' if config.limit else ''}",
        "split_sha256": split.sha256,
        "command": f"neural-diffusion train --data DATA --output RUN{settings}",
        "precision": precision,
        "commit": _commit(),
        "torch": str(torch.__version__),
    }
    if start is not None:
        made["started_from"] = started_from(start)
    return made


def _changed(options: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value).replace(" ", "") if isinstance(value, list) else value
        for name, value in options.items()
        if value != defaults[name]
    }


def _commit() -> str:
    """Commit of the source tree that this file belongs to, "-dirty" if it was changed since, "unknown" outside one."""
    here = Path(__file__)
    # An installed package may lie in a folder of somebody else's repository. Tags would take the place of the commit.
    named = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    for arguments in (["ls-files", "--error-unmatch", here.name], named):
        try:
            run = subprocess.run(["git", *arguments], cwd=here.parent, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return "unknown"
        if run.returncode:
            return "unknown"
    return run.stdout.strip()
