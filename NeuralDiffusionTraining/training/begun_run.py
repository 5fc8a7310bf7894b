"""What the folder of a run holds when a run begins: one to go on with, one that would be lost, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from NeuralDiffusionLib.file_names import are_same

from ..data.splits import Split
from ..files.command_error import CommandError
from ..networks.checkpoints import BEST, NEWEST, TrainedNetwork, load_trained
from .config import TrainingConfig


def begun_run(output: Path, config: TrainingConfig, split: Split) -> TrainedNetwork | None:
    """What a run to go on with has reached; ``None`` if the folder holds no newest checkpoint.

    Raises
    ------
    CommandError
        If that run had other options or slices, or its checkpoint cannot be read.
    """
    if not (output / NEWEST).exists():
        return None
    begun = load_trained(output / NEWEST)
    _check_same(begun, output, config, split)
    return begun


def check_start(begun: TrainedNetwork, output: Path, path: Path, start: TrainedNetwork) -> None:
    """Refuse to go on with a run from other weights than it started from.

    Raises
    ------
    CommandError
        If `start`, the checkpoint at `path`, is not what it started from.
    """
    if started_from(start) != begun.made.get("started_from"):
        raise CommandError(
            f"Folder '{output}' holds a run that did not start from '{path}': "
            "go on with it without --init, or give another folder."
        )


def check_nothing_lost(
    output: Path, config: TrainingConfig, split: Split, path: Path | None, start: TrainedNetwork | None
) -> None:
    """Refuse to begin a run where the best weights of another one would be replaced.

    In an epoch the best weights are written before the newest state, so a run that ended between the two leaves the
    best weights of its first epoch alone. Begun anew with the same options it writes the same ones again.

    Parameters
    ----------
    output
        Folder without a newest checkpoint.
    path, start
        The checkpoint that the run starts from, and where it lies; ``None`` for fresh weights.

    Raises
    ------
    CommandError
        If the folder holds best weights that would be lost, or the run starts from them.
    """
    best = output / BEST
    if not best.exists():
        return
    if path is not None and are_same(path, best):
        raise CommandError(
            f"Checkpoint '{path}' would be replaced by the run that starts from it: give another --output."
        )
    try:
        # To build its network must not take from the random numbers of the run.
        with torch.random.fork_rng(devices=[]):
            left = load_trained(best)
        _check_same(left, output, config, split)
        in_first_epoch = left.done["epochs_done"] == "1"
    except CommandError:
        in_first_epoch = False
    same_start = in_first_epoch and left.made.get("started_from") == (None if start is None else started_from(start))
    if not same_start:
        raise CommandError(
            f"Folder '{output}' holds {BEST} of a run but not its {NEWEST}, so that it cannot go on and would be "
            f"replaced: give another folder, or move {BEST} away."
        )


def started_from(start: TrainedNetwork) -> str:
    """The commands that made the weights which a run starts from, the last one first."""
    return "; before that: ".join(
        start.provenance[name] for name in ("command", "started_from") if name in start.provenance
    )


def flat(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Options of nested groups by dotted name."""
    named = {}
    for name, value in options.items():
        named |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return named


def _check_same(begun: TrainedNetwork, output: Path, config: TrainingConfig, split: Split) -> None:
    try:
        # An option that came later had its default then.
        before = TrainingConfig.model_validate(begun.config)
    except ValidationError as error:
        raise CommandError(
            f"Folder '{output}' holds a run with options that this version does not take: give another folder."
        ) from error
    started, now = flat(before.model_dump(mode="json")), flat(config.model_dump(mode="json"))
    # "fast" was called by what it is on most devices before.
    started["precision"], now["precision"] = (
        "fast" if one["precision"] == "bf16-mixed" else one["precision"] for one in (started, now)
    )
    other = [name for name in now if started.get(name) != now[name]]
    if other:
        name = other[0]
        raise CommandError(
            f"Folder '{output}' holds a run with {name} {started.get(name)}, not {now[name]}: "
            "give the same options to go on with it, or another folder."
        )
    if begun.made["split_sha256"] != split.sha256:
        raise CommandError(
            f"Folder '{output}' holds a run on other slices, as split '{config.split}' has changed since: give "
            "another folder."
        )
