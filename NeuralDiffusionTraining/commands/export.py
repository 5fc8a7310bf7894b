"""`neural-diffusion export`: a checkpoint becomes a file of weights that the Denoiser loads, or an ONNX file."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError
from ..files.result_files import check_outputs, check_weights_file, write_files
from ..files.words import counted
from .chosen import settings_of
from .option_words import ITERATIONS_HELP, NEIGHBOURS_HELP, NOISE_HELP, was_given

LIMITS = (
    "Trained on single 2-D slices of the data named here, with simulated noise; not for diagnosis. "
    "Not tested on other anatomy, on CT, or on noise that varies across the slice."
)
_FOR_DENOISER = ("neural-diffusion", "single-scale", "dropout")
_ONNX = "ONNX"
_BUILT_IN = ("noise", "iterations", "neighbours", "refine")


def export(
    context: typer.Context,
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a training run, as a rule RUN/best.ckpt.")],
    output: Annotated[Path, typer.Argument(help="File of weights to write (.pt).")],
    note: Annotated[str, typer.Option(help="What else should be known of the run; kept in the file.")] = "",
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="EVALUATION",
            help="JSON file of 'evaluate' whose figures of ours to keep in the file; measured with a file that was "
            "exported from the same checkpoint before, with the same note.",
        ),
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write an ONNX file.", rich_help_panel=_ONNX)
    ] = None,
    noise: Annotated[str, typer.Option(help=NOISE_HELP, rich_help_panel=_ONNX)] = DenoiseSettings.noise,
    iterations: Annotated[int, typer.Option(help=ITERATIONS_HELP, rich_help_panel=_ONNX)] = DenoiseSettings.iterations,
    neighbours: Annotated[int, typer.Option(help=NEIGHBOURS_HELP, rich_help_panel=_ONNX)] = DenoiseSettings.neighbours,
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="With or without the refinement.", rich_help_panel=_ONNX)
    ] = True,
) -> None:
    """Write the averaged weights of a checkpoint, with how they were made, to a small file that is safe to load.

    The ONNX file, for programs without PyTorch, has the settings of the group ONNX built in. Its input "slices" is
    (batch, 1, rows, columns), float32, intensities about 0 to 1, 8 pixels or more along each side; its outputs are
    "image" and "conduction" of the same shape and "sigma", (batch,), the estimated noise level. Writing it takes a
    minute and the packages of the extra 'onnx'.
    """
    from NeuralDiffusionLib.engine.weights import weights_file

    from ..networks.checkpoints import load_trained
    from ..reporting.onnx_export import export_onnx, require_onnx
    from ..reporting.results import MEASURED_AS

    check_outputs(output, onnx, inputs=(checkpoint, figures))
    check_weights_file(output)
    settings = None
    given = [name for name in _BUILT_IN if was_given(context, name)]
    if given and onnx is None:
        option = "--refine/--no-refine" if given[0] == "refine" else f"--{given[0]}"
        raise CommandError(f"Option '{option}' is of the ONNX file only: add --onnx FILE, or leave it out.")
    if onnx is not None:
        require_onnx()
        settings = settings_of(noise=noise, iterations=iterations, neighbours=neighbours, refine=refine)
    measured = {} if figures is None else figures_to_keep(figures)
    trained = load_trained(checkpoint)
    if trained.name not in _FOR_DENOISER:
        raise CommandError(
            f"Checkpoint '{checkpoint}' is of the network '{trained.name}', which the denoiser cannot run: give one of "
            f"{' or '.join(_FOR_DENOISER)}."
        )
    made = {**trained.provenance, "limits": LIMITS, "note": note}
    content = weights_file(trained.network, made)
    if measured:
        if measured[MEASURED_AS] != hashlib.sha256(content).hexdigest():
            raise CommandError(
                f"'{figures}' was measured with other weights, of SHA-256 {measured[MEASURED_AS]}, than '{checkpoint}' "
                "gives: measure with --weights a file that was exported from this checkpoint without --figures, with "
                "the same --note."
            )
        made |= measured
        content = weights_file(trained.network, made)

    weights = (output, partial(Path.write_bytes, data=content))
    write_files([weights] if onnx is None else [weights, (onnx, partial(export_onnx, trained.network, settings, made))])
    epochs = trained.provenance["epochs_done"]
    typer.echo(f"Weights of epoch {epochs} written to {output}.")
    if onnx is not None:
        steps = counted(iterations, "iteration")
        typer.echo(f"ONNX file ({noise}, {steps}, {neighbours} neighbours) written to {onnx}.")


def figures_to_keep(path: Path) -> dict[str, str]:
    """Metadata: what a file of `evaluate` says of ours in a sentence, and with which weights that was measured.

    Raises
    ------
    CommandError
        If the file cannot be read or is none of `evaluate`.
    """
    from ..benchmark.figure_text import figure_text
    from ..reporting.result_tables import evaluation_title
    from ..reporting.results import FIGURES, MEASURED_AS, our_rows, read_result

    result = read_result(path)
    ours = our_rows(result.content["rows"]) if result is not None and result.kind == "evaluation" else []
    if not ours:
        raise CommandError(
            f"'{path}' holds no figures of ours: give a JSON file that 'neural-diffusion evaluate' wrote."
        )
    row, content = ours[0], result.content
    words = (
        f"{evaluation_title(content)}: PSNR {figure_text(row['psnr_db'], 'psnr_db')} dB, inside the head "
        f"{figure_text(row['psnr_head_db'], 'psnr_head_db')} dB, SSIM {figure_text(row['ssim'], 'ssim')}, edge MSE "
        f"{figure_text(row['edge_mse'], 'edge_mse')}, measured with the weights of SHA-256 {content['weights_sha256']}."
    )
    return {FIGURES: words, MEASURED_AS: content["weights_sha256"]}
