"""`neural-diffusion ablate`: what each part of the design brings, on one budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..files.command_error import CommandError
from ..files.result_files import check_outputs, write_json, write_text
from ..files.words import counted
from .benchmark_options import Data, Device, JsonFile, MarkdownFile, Noise


def ablate(
    data: Data,
    output: Annotated[Path, typer.Option(help="Folder for the runs; what is finished there is only measured.")],
    of: Annotated[
        Literal["design", "competitors", "optimisers"],
        typer.Option(
            help="design: our network with one part changed; competitors: other networks on the same budget; "
            "optimisers: ours and those with other optimisers."
        ),
    ] = "design",
    only: Annotated[list[str] | None, typer.Option(help="Run only this variant; may be repeated.")] = None,
    noise: Noise = "rician",
    config: Annotated[str, typer.Option(help="YAML file, or the name of a bundled one, of the budget.")] = "comparison",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any option of the configuration but network: `--set epochs=20`.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Use only the first test slices; 0 means all.")] = 0,
    device: Device = "auto",
    json_file: JsonFile = None,
    markdown_file: MarkdownFile = None,
) -> None:
    """Train variants of the network on the same budget, and compare them on the test part.

    They are trained for the noise that they are measured with, unless `--set sampling.setting_weights` says otherwise.
    An interrupted command goes on where it was when it is run again.
    """

    from ..benchmark.run_facts import run_facts
    from ..benchmark.tables import to_markdown, to_terminal
    from ..files.terminal import terminal, then_shown
    from ..training.ablation import (
        ABLATED,
        COMPETITORS,
        FULL,
        OPTIMISERS,
        configuration,
        train_and_measure,
        trained_for,
    )
    from ..training.config import bundled_config, parse_settings
    from ..training.run import RunSite

    check_outputs(json_file, markdown_file, inputs=[bundled_config(config)])
    variants = {"design": ABLATED, "competitors": COMPETITORS, "optimisers": OPTIMISERS}[of]
    for name in only or []:
        if name not in [variant.name for variant in variants]:
            known = ", ".join(variant.name for variant in variants)
            raise CommandError(f"Variant '{name}' is not known: choose from {known}.")
    if only:
        variants = [FULL, *(variant for variant in variants if variant.name in only and variant != FULL)]
    console = terminal(stderr=True)
    rows, facts = train_and_measure(
        variants,
        configuration(bundled_config(config), trained_for(noise) | parse_settings(settings or [])),
        RunSite(data, output, device),
        noise,
        limit,
        lambda name: console.print(f"Training: {name}"),
    )
    trained, measured = counted(facts["epochs"], "epoch"), counted(facts["slices"], "test slice")
    title = f"Trained {trained} each; {noise}, {measured}, {facts['split']} split"
    with then_shown(to_terminal(rows, title)):
        if markdown_file is not None:
            write_text(markdown_file, to_markdown(rows, title))
        if json_file is not None:
            write_json(json_file, {"kind": "ablation", "of": of, "noise": noise, "rows": rows, **facts, **run_facts()})
