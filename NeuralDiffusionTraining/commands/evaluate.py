"""`neural-diffusion evaluate`: measure a file of weights on the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..files.command_error import CommandError
from ..files.result_files import check_folder_of, write_json


def evaluate(
    data: Annotated[Path, typer.Option(help="Folder that holds the Br35H classes 'no' and 'yes'.")],
    split: Annotated[Literal["original"], typer.Option(help="Split of the slices.")] = "original",
    part: Annotated[Literal["test", "validation"], typer.Option(help="Part of the split.")] = "test",
    noise: Annotated[str, typer.Option(help="rician, gaussian, speckle or mixed.")] = "rician",
    sigma: Annotated[
        float | None, typer.Option(min=0, help="Noise level that is added; drawn from 0.05-0.20 if left out.")
    ] = None,
    iterations: Annotated[int, typer.Option(help="Number of diffusion steps, 1 to 64.")] = 16,
    neighbours: Annotated[int, typer.Option(help="Neighbourhood of the diffusion, 4 or 8.")] = 8,
    limit: Annotated[int, typer.Option(min=0, help="Use only the first slices of the part; 0 means all.")] = 0,
    weights: Annotated[Path | None, typer.Option(help="File of weights; the bundled one if left out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[
        Literal["fast", "float32"], typer.Option(help="fast computes in bfloat16 or float16 where that is faster.")
    ] = "fast",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the table to this file.")] = None,
) -> None:
    """Print the table of the benchmark: Neural Diffusion, the same without refinement, and the noisy input.

    The noise is fixed by (42, position in the list), so every run and every method sees the same pixels. The denoiser
    is blind: it is told the noise type, never the level.
    """
    import numpy as np
    from rich.console import Console
    from rich.progress import Progress

    from NeuralDiffusionLib import Denoiser, DenoiseSettings
    from NeuralDiffusionLib.weights import BUNDLED_WEIGHTS

    from ..benchmark.evaluation import evaluate as measure_rows
    from ..data.slices import list_slices, load_slices, original_split, split_hash

    check_folder_of(json_file)
    try:
        settings = DenoiseSettings(noise=noise, iterations=iterations, neighbours=neighbours)
        denoiser = Denoiser(device, weights or BUNDLED_WEIGHTS, precision)
    except ValueError as error:
        raise CommandError(str(error)) from error
    parts = original_split(list_slices(data))
    names = parts[part][:limit] if limit else parts[part]
    clean = load_slices(data, names).astype(np.float32) / 255

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Denoising", total=len(clean))
        rows = measure_rows(denoiser, clean, settings, sigma, lambda done, _: bar.update(task, completed=done))
    Console().print(_table(rows, f"{noise}, {len(clean)} {part} slices, {split} split"))
    if json_file is not None:
        content = {
            "rows": [row.as_dict() for row in rows],
            "slices": len(clean),
            "split": split,
            "part": part,
            "split_sha256": split_hash(parts),
            "noise": noise,
            "sigma": sigma,
            "iterations": iterations,
            "neighbours": neighbours,
            "precision": precision,
            "device": denoiser.device,
            "weights_sha256": denoiser.weights_sha256,
        }
        write_json(json_file, content)


def _table(rows: list, title: str) -> object:
    from rich.table import Table

    table = Table(title=title)
    table.add_column("Method")
    for heading in ("PSNR dB", "SSIM", "Edge MSE", "Mean error of sigma"):
        table.add_column(heading, justify="right")
    for row in rows:
        figures = row.figures
        error = "" if row.sigma_error is None else f"{row.sigma_error:.4f}"
        table.add_row(row.method, f"{figures.psnr_db:.3f}", f"{figures.ssim:.4f}", f"{figures.edge_mse:.4f}", error)
    return table
