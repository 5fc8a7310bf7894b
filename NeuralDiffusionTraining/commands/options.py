"""Options that several commands have, in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

# An upper bound is needed, as `min=` alone lets infinity through.
LARGEST_SIGMA = 1.0
SMALLEST_SIGMA = 1e-4
"""Of what is measured relative to the noise: far below a grey level, where 32-bit floats round it away."""


def was_given(context: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line, by the name of its parameter."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


Data = Annotated[Path, typer.Option(help="Folder that holds the Br35H classes 'no' and 'yes'.")]
SplitName = Annotated[str, typer.Option(help="original, grouped, or a split file.")]
Part = Annotated[Literal["test", "validation"], typer.Option(help="Part of the split.")]
Limit = Annotated[int, typer.Option(min=0, help="Use only the first slices of the part; 0 means all.")]
Noise = Annotated[str, typer.Option(help="rician, gaussian, speckle or mixed.")]
Sigma = Annotated[
    float | None,
    typer.Option(min=0, max=LARGEST_SIGMA, help="Noise level that is added; drawn from 0.05-0.20 if left out."),
]
Iterations = Annotated[int, typer.Option(help="Number of diffusion steps, 1 to 64.")]
Neighbours = Annotated[int, typer.Option(help="Neighbourhood of our diffusion, 4 or 8.")]
Weights = Annotated[Path | None, typer.Option(help="File of weights; the bundled one if left out.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[Literal["fast", "float32"], typer.Option(help="fast computes in bfloat16 where that is faster.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the table to this file.")]
MarkdownFile = Annotated[Path | None, typer.Option("--markdown", help="Write the table to this file.")]
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
