"""The options of the commands that denoise scans, in the same words, and what they choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError
from .chosen import settings_of
from .option_words import DEVICE_HELP, ITERATIONS_HELP, NEIGHBOURS_HELP, NOISE_HELP, WEIGHTS_HELP

FILES = "Files"
METHOD = "Method"
# typer shows the type of an option that has no metavar, even of one that takes no value.
FLAG = " "

_ARRAY_AXIS = {"i": 2, "j": 1, "k": 0}

Noise = Annotated[
    str,
    typer.Option(metavar="TYPE", help=NOISE_HELP, rich_help_panel=METHOD),
]
Iterations = Annotated[
    int,
    typer.Option(metavar="COUNT", help=ITERATIONS_HELP, rich_help_panel=METHOD),
]
Neighbours = Annotated[
    int,
    typer.Option(metavar="COUNT", help=NEIGHBOURS_HELP, rich_help_panel=METHOD),
]
NoRefine = Annotated[
    bool,
    typer.Option(
        "--no-refine",
        metavar=FLAG,
        help="Leave out the refinement that follows the diffusion.",
        rich_help_panel=METHOD,
    ),
]
NoAcross = Annotated[
    bool,
    typer.Option(
        "--no-across",
        metavar=FLAG,
        help="Leave out the diffusion step across the slices, which follows where they are not thick.",
        rich_help_panel=METHOD,
    ),
]
Sigma = Annotated[
    float | None,
    typer.Option(
        metavar="LEVEL",
        help="Standard deviation of the noise in the scan's own units (for speckle: as a share of the signal). "
        "Estimated slice by slice if not given.",
        rich_help_panel=METHOD,
        show_default=False,
    ),
]
IntensityRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="LOW HIGH",
        help="Intensities of dark background and bright tissue. Estimated from the whole scan if not given; "
        "brighter voxels are kept either way.",
        rich_help_panel=METHOD,
        show_default=False,
    ),
]
SliceAxis = Annotated[
    str,
    typer.Option(
        metavar="AXIS",
        help="Voxel axis across the slices, which are denoised one by one: i, j, k or auto, which takes the axis "
        "of clearly widest spacing (so the slices are those that were acquired) and k if there is none.",
        rich_help_panel=METHOD,
    ),
]
Device = Annotated[
    str,
    typer.Option(metavar="NAME", help=DEVICE_HELP, rich_help_panel=METHOD),
]
Weights = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help=WEIGHTS_HELP, rich_help_panel=FILES, show_default=False),
]
AsFloat = Annotated[
    bool,
    typer.Option(
        "--float",
        metavar=FLAG,
        help="Write 32-bit floats. Without it the output has the voxel type of the input, rounded and clipped.",
        rich_help_panel=FILES,
    ),
]


def chosen_settings(
    noise: str,
    iterations: int,
    neighbours: int,
    no_refine: bool,
    no_across: bool,
    sigma: float | None,
    intensity_range: tuple[float, float] | None,
    slice_axis: str,
) -> DenoiseSettings:
    """The settings that the options choose; what depends on the scan is left open.

    Raises
    ------
    CommandError
        If an option is not possible.
    """
    settings = settings_of(
        noise=noise,
        iterations=iterations,
        neighbours=neighbours,
        refine=not no_refine,
        across_slices=False if no_across else None,
        slice_axis=_ARRAY_AXIS.get(slice_axis),
        sigma=sigma,
        intensity_range=intensity_range,
    )
    if slice_axis not in ("auto", *_ARRAY_AXIS):
        raise CommandError(f"Slice axis {slice_axis!r} is not possible: choose auto, i, j or k.")
    return settings
