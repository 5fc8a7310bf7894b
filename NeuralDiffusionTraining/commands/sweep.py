"""`neural-diffusion sweep`: the network over every setting."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..files.command_error import CommandError
from ..files.result_files import check_distinct, check_folder_to_make, check_outputs, write_file, write_json, write_text
from .benchmark_options import (
    LARGEST_SIGMA,
    SMALLEST_SIGMA,
    CsvFile,
    Data,
    Device,
    JsonFile,
    Limit,
    Noises,
    Own,
    OwnTold,
    Part,
    Precision,
    SplitName,
    Weights,
    check_not_faint,
)
from .chosen import chosen_denoiser, settings_of


def sweep(
    data: Data,
    split: SplitName = "original",
    part: Part = "test",
    limit: Limit = 0,
    noise: Noises = None,
    sigma: Annotated[
        list[float] | None,
        typer.Option(
            min=0,
            max=LARGEST_SIGMA,
            help=f"Noise level, 0 or {SMALLEST_SIGMA:g} and more; repeat for more. Default: seven from 0 to 0.2.",
        ),
    ] = None,
    neighbours: Annotated[
        list[int] | None, typer.Option(help="Neighbourhood; repeat for more. Default: 4 and 8.")
    ] = None,
    iterations: Annotated[
        list[int] | None, typer.Option(help="Diffusion steps; repeat for more. Default: 1, 4, 8, 16, 32, 64.")
    ] = None,
    weights: Weights = None,
    own: Own = None,
    own_told: OwnTold = None,
    device: Device = "auto",
    precision: Precision = "fast",
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    plots: Annotated[Path | None, typer.Option(help="Draw the figures into this folder, as PNG.")] = None,
) -> None:
    """Measure PSNR, SSIM and edge MSE for each noise type, level, neighbourhood and number of iterations.

    336 combinations, each with and without refinement, on the same noisy slices as 'evaluate'. Prints the PSNR after 16
    iterations, or the number nearest to it that was asked for; the files hold everything. A method of your own, which
    has no such settings, is a further column, measured once for each noise type and level; it is not drawn.
    """
    import torch

    from NeuralDiffusionLib import NOISE_TYPES
    from NeuralDiffusionLib.engine.settings import NEIGHBOURHOODS

    from ..benchmark import sweep as swept
    from ..benchmark import sweep_tables
    from ..benchmark.methods import NOISY_INPUT, check_names
    from ..benchmark.network_pass import NetworkPass
    from ..benchmark.own_methods import own_files, own_methods, with_told_in_name
    from ..benchmark.run_facts import run_facts
    from ..data.loaded_part import load_part
    from ..files.terminal import passing_bar, then_shown

    blind, told = own or [], own_told or []
    check_outputs(json_file, csv_file)
    check_distinct([json_file, csv_file, plots], inputs=(weights, Path(split), *own_files([*blind, *told])))
    check_folder_to_make(plots)
    # What is asked for twice is measured once.
    noises, sigmas = (list(dict.fromkeys(asked)) for asked in (noise or NOISE_TYPES, sigma or swept.SIGMAS))
    neighbourhoods = list(dict.fromkeys(neighbours or NEIGHBOURHOODS))
    steps = list(dict.fromkeys(iterations or swept.ITERATIONS))
    check_not_faint(sigmas, may_be_0=True)
    for one in noises:
        settings_of(noise=one)
    for one in neighbourhoods:
        settings_of(neighbours=one)
    for one in steps:
        settings_of(iterations=one)
    own_columns = with_told_in_name(own_methods(blind, told))
    check_names([NOISY_INPUT, *sweep_tables.PICTURES, *(method.name for method in own_columns)])
    denoiser = chosen_denoiser(device, weights, precision)
    slices = load_part(data, split, part, limit)
    network = NetworkPass(denoiser.network, torch.device(denoiser.device), precision)

    with passing_bar() as bar:
        task = bar.add_task("", total=len(noises) * len(sigmas) * len(neighbourhoods) * len(steps))
        cells = swept.sweep(
            network,
            slices.clean,
            slices.groups,
            noises,
            sigmas,
            neighbourhoods,
            steps,
            lambda words: bar.update(task, advance=1, description=words),
            own_columns,
        )
    content = {
        "kind": "sweep",
        "cells": cells,
        **slices.facts(),
        "precision": precision,
        "device": denoiser.device,
        "weights_sha256": denoiser.weights_sha256,
        **run_facts(),
    }
    with then_shown(sweep_tables.to_terminal(cells, slices.title)):
        if json_file is not None:
            write_json(json_file, content)
        if csv_file is not None:
            write_text(csv_file, sweep_tables.to_csv(cells))
        if plots is not None:
            from ..reporting.plots import as_png
            from ..reporting.sweep_plots import SWEEP_DPI, sweep_figures

            try:
                plots.mkdir(exist_ok=True)
            except OSError as error:
                raise CommandError(
                    f"Folder '{plots}' cannot be made ({error.strerror}): name another place."
                ) from error
            for name, figure in sweep_figures(cells, slices.split).items():
                write_file(plots / f"{name}.png", partial(Path.write_bytes, data=as_png(figure, SWEEP_DPI)))
