"""Words of the options that commands share, whether they denoise scans or measure, and whether one was given."""

from __future__ import annotations

import typer

from NeuralDiffusionLib import MAX_ITERATIONS, NEIGHBOURHOODS, NOISE_TYPES

NOISE_HELP = (
    f"Kind of noise: {', '.join(NOISE_TYPES)}. Rician is that of usual (magnitude) MR scans, speckle grows with the "
    "signal, mixed is for not knowing."
)
ITERATIONS_HELP = f"Diffusion steps, 1 to {MAX_ITERATIONS}; more steps smooth more."
NEIGHBOURS_HELP = (
    f"Neighbours of a pixel within its slice, {' or '.join(map(str, NEIGHBOURHOODS))}: 8 counts the diagonal ones."
)
DEVICE_HELP = "Where to compute: cpu, cuda, cuda:1, mps or auto, which takes a graphics card if there is one."
WEIGHTS_HELP = "Weights that 'neural-diffusion export' or 'adapt' wrote; the bundled ones if left out."


def was_given(context: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line, by the name of its parameter."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"
