"""`neural-diffusion evaluate-volumes`: measure a file of weights on whole scans."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..files.command_error import CommandError
from ..files.result_files import check_folder_of, write_json


def evaluate_volumes(
    scans: Annotated[list[Path], typer.Argument(help="Scans to take as clean: NIfTI, NRRD or MetaImage files.")],
    sigma: Annotated[
        list[float] | None, typer.Option(help="Noise level relative to the range; repeat for more. Default: 0.01-0.15.")
    ] = None,
    iterations: Annotated[int, typer.Option(help="Number of diffusion steps, 1 to 64.")] = 16,
    neighbours: Annotated[int, typer.Option(help="Neighbourhood of the diffusion, 4 or 8.")] = 8,
    slices: Annotated[int, typer.Option(min=0, help="Use only this many middle slices; 0 means all.")] = 0,
    weights: Annotated[Path | None, typer.Option(help="File of weights; the bundled one if left out.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the table to this file.")] = None,
) -> None:
    """Add Rician noise to scans and print the PSNR inside the head, before and after blind denoising."""
    from rich.console import Console
    from rich.table import Table

    from NeuralDiffusionLib import Denoiser, DenoiseSettings
    from NeuralDiffusionLib.weights import BUNDLED_WEIGHTS

    from ..benchmark.volumes import CLINICAL_SIGMAS, VolumeRow, evaluate_volume
    from ..files.image_files import read_scan

    try:
        settings = DenoiseSettings(iterations=iterations, neighbours=neighbours)
        denoiser = Denoiser(device, weights or BUNDLED_WEIGHTS)
    except ValueError as error:
        raise CommandError(str(error)) from error
    check_folder_of(json_file)
    table = Table(title="Rician noise, PSNR in dB inside the head")
    table.add_column("Volume")
    for heading in ("Sigma", "Noisy", "Neural Diffusion", "No refinement", "Estimated sigma"):
        table.add_column(heading, justify="right")
    rows: list[VolumeRow] = []
    progress = Console(stderr=True)
    for path in scans:
        voxels = read_scan(path).voxels
        rows += evaluate_volume(
            denoiser,
            path.name,
            voxels,
            settings,
            sigma or CLINICAL_SIGMAS,
            slices,
            lambda row: progress.print(f"{row.volume}: sigma {row.sigma:g} done", highlight=False),
        )
    for row in rows:
        psnr = (row.noisy_psnr_db, row.denoised_psnr_db, row.diffused_psnr_db)
        table.add_row(row.volume, f"{row.sigma:g}", *(f"{one:.2f}" for one in psnr), f"{row.estimated_sigma:.4f}")
    Console().print(table)
    if json_file is not None:
        content = {
            "rows": [asdict(row) for row in rows],
            "slices": slices,
            "iterations": iterations,
            "neighbours": neighbours,
            "device": denoiser.device,
            "weights_sha256": denoiser.weights_sha256,
        }
        write_json(json_file, content)
