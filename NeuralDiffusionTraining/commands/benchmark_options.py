"""Options of the commands that train, measure and report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from NeuralDiffusionLib import NOISE_TYPES

from ..files.command_error import CommandError
from .option_words import DEVICE_HELP, ITERATIONS_HELP, NEIGHBOURS_HELP, NOISE_HELP, WEIGHTS_HELP

# An upper bound is needed, as `min=` alone lets infinity through.
LARGEST_SIGMA = 1.0
SMALLEST_SIGMA = 1e-4
"""Of what is measured relative to the noise: far below a grey level, where 32-bit floats round it away."""


Data = Annotated[Path, typer.Option(help="Folder that holds the Br35H classes 'no' and 'yes'.")]
SplitName = Annotated[str, typer.Option(help="original, grouped, or a split file.")]
Part = Annotated[Literal["test", "validation"], typer.Option(help="Part of the split.")]
Limit = Annotated[int, typer.Option(min=0, help="Use only the first slices of the part; 0 means all.")]
Noise = Annotated[str, typer.Option(help=NOISE_HELP)]
Noises = Annotated[
    list[str] | None, typer.Option(help=f"Kind of noise: {', '.join(NOISE_TYPES)}; repeat for more. Default: all.")
]
AddedSigma = Annotated[
    float | None,
    typer.Option(min=0, max=LARGEST_SIGMA, help="Noise level that is added; drawn from 0.05-0.20 if left out."),
]
Iterations = Annotated[int, typer.Option(help=ITERATIONS_HELP)]
Neighbours = Annotated[int, typer.Option(help=NEIGHBOURS_HELP)]
Weights = Annotated[Path | None, typer.Option(help=WEIGHTS_HELP)]
Device = Annotated[str, typer.Option(help=DEVICE_HELP)]
Precision = Annotated[Literal["fast", "float32"], typer.Option(help="fast computes in bfloat16 where that is faster.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the table to this file.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write the table to this file.")]
MarkdownFile = Annotated[Path | None, typer.Option("--markdown", help="Write the table to this file.")]
CleanScans = Annotated[
    list[Path] | None, typer.Argument(help="Scans to take as clean: NIfTI, NRRD or MetaImage files.")
]
Template = Annotated[bool, typer.Option("--template", help="Measure the T1 template of nilearn, too.")]
ResultFiles = Annotated[Path, typer.Argument(help="Folder of the JSON files that the measuring commands wrote.")]
Rows = Annotated[
    str,
    typer.Option(
        help="Rows beside the noisy input: ours, published (classical filters as the original ran them), tuned (the "
        "same, tuned on the validation slices of Br35H unless --tuned is given, and bias-corrected), peers (other "
        "programs, where installed), levers (ours in float32, and with gates in every step); several with commas, or "
        "all, which leaves levers out."
    ),
]
Tuned = Annotated[
    Path | None,
    typer.Option(
        help="File of 'neural-diffusion tune' with the parameters of the rows tuned; the one that comes with the "
        "package if left out."
    ),
]
Trained = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=CHECKPOINT", help="A row for a network that 'train' trained; repeat for more."),
]
Own = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FILE.py:FUNCTION",
        help="A row for a method of your own: a Python function that takes noisy slices, (slices, rows, columns), "
        "float32 from 0 to 1, and returns them denoised; repeat for more.",
    ),
]
OwnTold = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FILE.py:FUNCTION",
        help="The same for a function that takes the true noise levels, too: (slices,), of a whole scan one number.",
    ),
]


def check_not_faint(sigmas: Iterable[float], may_be_0: bool = False) -> None:
    """Refuse noise levels that nothing can be measured relative to.

    Raises
    ------
    CommandError
        If one lies below `SMALLEST_SIGMA`; with `may_be_0` no noise at all is possible, too.
    """
    for sigma in sigmas:
        if sigma < SMALLEST_SIGMA and not (may_be_0 and sigma == 0):
            none = "0, or " if may_be_0 else ""
            raise CommandError(f"Noise level {sigma:g} is not possible: give {none}{SMALLEST_SIGMA:g} or more.")
