"""`neural-diffusion evaluate`: the table of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.result_files import check_outputs, write_json, write_text
from .benchmark_options import (
    NEIGHBOURS_HELP,
    AddedSigma,
    CsvFile,
    Data,
    Device,
    Iterations,
    JsonFile,
    Limit,
    MarkdownFile,
    Noise,
    Own,
    OwnTold,
    Part,
    Precision,
    Rows,
    SplitName,
    Trained,
    Tuned,
    Weights,
)
from .chosen import chosen_denoiser, settings_of
from .table_rows import AskedRows


def evaluate(
    data: Data,
    split: SplitName = "original",
    part: Part = "test",
    noise: Noise = "rician",
    sigma: AddedSigma = None,
    iterations: Iterations = DenoiseSettings.iterations,
    neighbours: Annotated[
        int | None, typer.Option(help=f"{NEIGHBOURS_HELP} A row of ours for each if left out.")
    ] = None,
    limit: Limit = 0,
    draw: Annotated[
        int, typer.Option(min=0, help="Another draw of the noise, to see how much depends on it; 0 is the benchmark's.")
    ] = 0,
    weights: Weights = None,
    methods: Rows = "ours",
    tuned: Tuned = None,
    trained: Trained = None,
    own: Own = None,
    own_told: OwnTold = None,
    device: Device = "auto",
    precision: Precision = "fast",
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    markdown_file: MarkdownFile = None,
    per_slice_file: Annotated[
        Path | None,
        typer.Option(
            "--per-slice",
            help="Write every figure of every slice and method to this CSV file, for statistics of your own.",
        ),
    ] = None,
) -> None:
    """Print the table of the benchmark: methods on the same noisy pixels, judged by the same code.

    The noise is fixed by (42, position in the list) and the draw, so every run and every method sees the same pixels.
    Neural Diffusion is blind: it is told the noise type, never the level. Intervals are 95 %, bootstrapped over groups
    of near-duplicate slices; differences are paired with the first row of ours. The head is found in the clean slice,
    as the largest part above 5 % of the range. Times are those of this run; classical methods always use the CPU, so
    give --device cpu to compare them. BM3D has one thread of it, with which it gives the same in every run.

    Example: neural-diffusion evaluate --data br35h --methods all --own Mine=mine.py:denoise --markdown table.md
    """
    from ..benchmark import tables
    from ..benchmark.bootstrap import RESAMPLES
    from ..benchmark.cost import TIMED_PASSES, TIMED_SLICES
    from ..benchmark.evaluation import evaluate as measure_rows
    from ..benchmark.learned import TABLE_NEIGHBOURHOODS
    from ..benchmark.run_facts import run_facts
    from ..data.corruption import level_in_words
    from ..data.loaded_part import load_part
    from ..files.terminal import passing_bar, then_shown

    asked = AskedRows(methods, trained, own, own_told, tuned)
    read = [weights, Path(split), *asked.files]
    check_outputs(json_file, csv_file, markdown_file, per_slice_file, inputs=read)
    settings = settings_of(
        noise=noise,
        iterations=iterations,
        neighbours=DenoiseSettings.neighbours if neighbours is None else neighbours,
    )
    asked.read(noise)
    denoiser = chosen_denoiser(device, weights, precision)
    slices = load_part(data, split, part, limit)
    neighbourhoods = TABLE_NEIGHBOURHOODS if neighbours is None else (neighbours,)
    rows, skipped = asked.build(denoiser, settings, neighbourhoods, precision)

    with passing_bar() as bar:
        task = bar.add_task("", total=len(slices.clean) * len(rows))
        results = measure_rows(
            rows,
            slices.clean,
            noise,
            sigma,
            slices.groups,
            lambda name, done: bar.update(task, advance=done, description=name),
            draw,
        )
    table = tables.rows(results)
    title = f"{noise}, {level_in_words(sigma)}, {slices.title}" + (f", draw {draw} of the noise" if draw else "")
    title += asked.tuned_words
    content: dict[str, Any] = {
        "kind": "evaluation",
        "rows": table,
        **slices.facts(),
        "noise": noise,
        "sigma": sigma,
        "draw": draw,
        "iterations": iterations,
        "neighbours": settings.neighbours,
        "precision": precision,
        "device": denoiser.device,
        "weights_sha256": denoiser.weights_sha256,
        **asked.facts(),
        "bootstrap_resamples": RESAMPLES,
        "timing": f"median of {TIMED_PASSES} passes over the first {min(TIMED_SLICES, len(slices.clean))} slices",
        "skipped": skipped,
        **run_facts(),
    }
    with then_shown(tables.to_terminal(table, title)):
        if json_file is not None:
            write_json(json_file, content)
        texts = (
            (csv_file, tables.to_csv(table)),
            (markdown_file, tables.to_markdown(table, title)),
            (per_slice_file, tables.slices_to_csv(results, slices.names)),
        )
        for path, text in texts:
            if path is not None:
                write_text(path, text)
    for sentence in skipped:
        typer.echo(sentence, err=True)
