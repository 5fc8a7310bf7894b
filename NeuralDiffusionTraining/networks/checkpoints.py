"""Checkpoints of training runs: read back as networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from NeuralDiffusionLib.engine.weights import DAMAGED, unpack

from ..files.command_error import CommandError
from ..files.result_files import check_is_file
from .registry import build_network

NEWEST = "last.ckpt"
BEST = "best.ckpt"
_PREFIX = "network."


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of a checkpoint, ready for use, its name, and how it was made.

    `made` is what the run knew of that when it began, `done` how far it had come; `fresh` names the parts that an older
    checkpoint lacks: their weights are new.
    """

    network: nn.Module
    name: str
    config: dict[str, Any]
    made: dict[str, str]
    done: dict[str, str]
    fresh: tuple[str, ...] = ()

    @property
    def provenance(self) -> dict[str, str]:
        """All that is known of how the weights were made."""
        return {**self.made, **self.done}


def load_trained(path: Path, may_be_older: bool = False) -> TrainedNetwork:
    """Read a checkpoint that `train` wrote; of the best epoch or the newest.

    Parameters
    ----------
    path
        The file.
    may_be_older
        Whether it may lack parts that were added to the network later: these are `fresh` then.

    Raises
    ------
    CommandError
        If it does not exist, fits no network of this version, or lacks parts that it may not lack.
    """
    check_is_file("Checkpoint", path, f"give the {BEST} of a training run")
    try:
        content = unpack(path.read_bytes())
    except OSError as error:
        raise CommandError(f"Checkpoint '{path}' cannot be read ({error.strerror}): give another.") from error
    except DAMAGED as error:
        raise CommandError(f"Checkpoint '{path}' is damaged: give another one of that run, or train again.") from error
    if isinstance(content, dict) and "architecture" in content:
        raise CommandError(
            f"'{path}' is no checkpoint, but a file of weights that was exported: give a checkpoint that "
            f"'neural-diffusion train' wrote, such as {BEST}, or this file to a command that has --weights."
        )
    try:
        config, made = content["hyper_parameters"]["config"], content["hyper_parameters"]["provenance"]
        network = build_network(config["network"])
        state = {name.removeprefix(_PREFIX): tensor for name, tensor in content["state_dict"].items()}
        missing, unexpected = network.load_state_dict(state, strict=False)
        fresh = tuple(dict.fromkeys(".".join(name.split(".")[:2]) for name in missing))
        if unexpected or any(name.startswith(f"{part}.") for part in fresh for name in state):
            raise KeyError("state_dict")
        done = {"epochs_done": str(content["epoch"] + 1), "steps_done": str(content["global_step"])}
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise CommandError(
            f"Checkpoint '{path}' was not written by this version's train command: train again."
        ) from error
    if fresh and not may_be_older:
        raise CommandError(
            f"Checkpoint '{path}' is of an older network, without {', '.join(fresh)}: "
            "train again, from it with --init if you like."
        )
    return TrainedNetwork(network.eval(), config["network"], config, made, done, fresh)
