"""`neural-diffusion fidelity`: are small lesions kept, are any invented, do new extrema appear?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.result_files import check_outputs, write_json, write_text
from .benchmark_options import (
    AddedSigma,
    Data,
    Device,
    Iterations,
    Limit,
    Neighbours,
    Own,
    OwnTold,
    Part,
    Precision,
    Rows,
    SplitName,
    Trained,
    Tuned,
    Weights,
    check_not_faint,
)
from .chosen import chosen_denoiser, settings_of
from .table_rows import AskedRows


def fidelity(
    data: Data,
    split: SplitName = "original",
    part: Part = "test",
    noise: Annotated[Literal["rician", "gaussian"], typer.Option(help="Noise that is added.")] = "rician",
    sigma: AddedSigma = None,
    iterations: Iterations = DenoiseSettings.iterations,
    neighbours: Neighbours = DenoiseSettings.neighbours,
    limit: Limit = 0,
    weights: Weights = None,
    methods: Rows = "ours",
    tuned: Tuned = None,
    trained: Trained = None,
    own: Own = None,
    own_told: OwnTold = None,
    device: Device = "auto",
    precision: Precision = "fast",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the tables to this file.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the tables to this file.")] = None,
) -> None:
    """Check what a radiologist would ask: small lesions kept or invented, new extrema.

    Bright discs of 1 to 4 pixels radius and 0.5 to 3 times the noise level are put into the heads of the slices. The
    first table says how much of their contrast each method leaves. The second counts, in slices without any, the blobs,
    bright or dark, that a method shows and the clean slice does not. The third gives the share of pixels that leave the
    local envelope, the lowest to the highest noisy input in a window around them. Taking away the noise bias lowers the
    air below the lowest input, which counts there: the row "diffusion alone" stops before.

    Where ours is asked for, each table is followed by the differences from the first row of ours, paired slice by
    slice, with 95 % intervals, bootstrapped over groups of near-duplicate slices.
    """
    from ..benchmark.checks import fidelity_tables
    from ..benchmark.checks.fidelity import RUNS, check_fidelity
    from ..benchmark.learned import diffusion_alone
    from ..benchmark.run_facts import run_facts
    from ..data.corruption import level_in_words
    from ..data.loaded_part import load_part
    from ..files.terminal import passing_bar, then_shown

    if sigma is not None:
        check_not_faint([sigma])
    asked = AskedRows(methods, trained, own, own_told, tuned)
    check_outputs(json_file, markdown_file, inputs=[weights, Path(split), *asked.files])
    settings = settings_of(noise=noise, iterations=iterations, neighbours=neighbours)
    asked.read(noise)
    denoiser = chosen_denoiser(device, weights, precision)
    slices = load_part(data, split, part, limit)
    rows, skipped = asked.build(denoiser, settings, (neighbours,), precision)
    if "ours" in asked.kinds:
        rows.append(diffusion_alone(denoiser, settings))

    with passing_bar() as bar:
        task = bar.add_task("", total=RUNS * len(slices.clean) * len(rows))
        tables = check_fidelity(
            rows,
            slices.clean,
            noise,
            sigma,
            slices.groups,
            lambda name, done: bar.update(task, advance=done, description=name),
        )
    title = f"{noise}, {level_in_words(sigma)}, {slices.title}{asked.tuned_words}"
    with then_shown(title, *fidelity_tables.to_terminal(tables)):
        if json_file is not None:
            content = {
                "kind": "checks",
                **tables,
                **slices.facts(),
                "noise": noise,
                "sigma": sigma,
                "iterations": iterations,
                "neighbours": neighbours,
                "precision": precision,
                "device": denoiser.device,
                "weights_sha256": denoiser.weights_sha256,
                **asked.facts(),
                "skipped": skipped,
                **run_facts(),
            }
            write_json(json_file, content)
        if markdown_file is not None:
            write_text(markdown_file, fidelity_tables.to_markdown(tables, title))
    for sentence in skipped:
        typer.echo(sentence, err=True)
