"""`neural-diffusion tune`: find the parameters with which the classical filters do best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.result_files import check_outputs, write_json
from .benchmark_options import Data, Noises, SplitName
from .chosen import settings_of


def tune(
    data: Data,
    output: Annotated[
        Path, typer.Option(help="File for the parameters, JSON; evaluate and others take it as --tuned.")
    ],
    split: SplitName = "original",
    noise: Noises = None,
    limit: Annotated[int, typer.Option(min=0, help="Use only the first validation slices; 0 means all.")] = 0,
) -> None:
    """Tune the classical filters on the validation part, for each noise type, by mean PSNR after bias inversion.

    Training and test slices are not read. The filters get an estimated noise level, as they do when they are measured.
    The search scans the grid of each filter coarsely and goes uphill from its best places; grids and
    outcome are written to the file, from which evaluate, fidelity and segmentation take the parameters with --tuned.
    """
    from rich.table import Table

    from NeuralDiffusionLib import NOISE_TYPES
    from NeuralDiffusionLib.engine.weights import load_weights

    from ..benchmark.evaluation import corrupt_all
    from ..benchmark.peers.tunable_filters import FILTERS
    from ..benchmark.peers.tuning import TunedFilter
    from ..benchmark.peers.tuning import tune as tune_filters
    from ..benchmark.run_facts import run_facts
    from ..data.loaded_part import load_part
    from ..files.terminal import passing_bar, then_shown

    check_outputs(output, inputs=[Path(split)])
    kinds = list(dict.fromkeys(noise or NOISE_TYPES))
    for kind in kinds:
        settings_of(noise=kind)
    slices = load_part(data, split, "validation", limit)

    found: dict[str, dict[str, TunedFilter]] = {}
    with passing_bar() as bar:
        task = bar.add_task("", total=len(kinds) * len(FILTERS))
        for kind in kinds:
            noisy, _ = corrupt_all(slices.clean, kind, None)

            def show(name: str, kind: str = kind) -> None:
                bar.update(task, advance=1, description=f"{kind}: {name}")

            found[kind] = tune_filters(slices.clean, noisy, kind, progress=show)

    table = Table(title=f"Mean PSNR in dB, {slices.title}")
    table.add_column("Filter")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for name in FILTERS:
        table.add_row(name, *(f"{found[kind][name].psnr_db:.2f}" for kind in kinds))
    content = {
        **slices.facts(),
        "objective": "mean PSNR in dB after bias inversion, noise level estimated by the bundled weights",
        "weights_sha256": load_weights().sha256,
        "grids": {name: {key: list(values) for key, values in one.grid.items()} for name, one in FILTERS.items()},
        "noise": {
            kind: {
                name: {
                    "parameters": outcome.parameters,
                    "psnr_db": round(outcome.psnr_db, 4),
                    "settings_tried": outcome.tried,
                    "at_end_of_grid": list(outcome.at_end),
                }
                for name, outcome in filters.items()
            }
            for kind, filters in found.items()
        },
        **run_facts(),
    }
    with then_shown(table):
        write_json(output, content)
    for kind, filters in found.items():
        for name, outcome in filters.items():
            for parameter in outcome.at_end:
                typer.echo(
                    f"{name}, {kind} noise: the best {parameter} found, {outcome.parameters[parameter]}, lies at "
                    "the end of its grid: one beyond it may be better.",
                    err=True,
                )
