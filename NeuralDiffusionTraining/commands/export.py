"""`neural-diffusion export`: a checkpoint becomes a file of weights that the Denoiser loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.command_error import CommandError
from ..files.result_files import check_folder_of, write_file

LIMITS = (
    "Trained on single 2-D slices of one public brain collection with simulated noise; not for diagnosis. "
    "Not tested on other organs, on CT, or on noise that varies across the slice."
)


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a training run, as a rule RUN/best.ckpt.")],
    output: Annotated[Path, typer.Argument(help="File of weights to write (.pt).")],
    note: Annotated[str, typer.Option(help="What else should be known of the run; kept in the file.")] = "",
) -> None:
    """Write the averaged weights of a checkpoint, with how they were made, to a small file that is safe to load."""
    import pickle

    import torch

    from NeuralDiffusionLib.weights import save_weights

    from ..training.denoising_task import DenoisingTask

    if not checkpoint.is_file():
        raise CommandError(f"Checkpoint '{checkpoint}' does not exist: give the best.ckpt of a training run.")
    check_folder_of(output)
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        task = DenoisingTask(**content["hyper_parameters"])
        task.load_state_dict(content["state_dict"])
        made = dict(task.hparams.provenance)
    except (KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CommandError(
            f"Checkpoint '{checkpoint}' was not written by this version's train command: train again."
        ) from error
    made |= {
        "epochs_done": str(content["epoch"] + 1),
        "steps_done": str(content["global_step"]),
        "limits": LIMITS,
        "note": note,
    }
    write_file(output, lambda unfinished: save_weights(unfinished, task.network, made))
    typer.echo(f"Weights of epoch {content['epoch'] + 1} written to {output}.")
