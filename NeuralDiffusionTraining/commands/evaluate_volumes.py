"""`neural-diffusion evaluate-volumes`: measure a file of weights on whole scans, against filters in 3-D."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError
from ..files.result_files import check_is_file, check_outputs, write_json, write_text
from ..files.words import counted
from .benchmark_options import (
    LARGEST_SIGMA,
    SMALLEST_SIGMA,
    CleanScans,
    CsvFile,
    Device,
    Iterations,
    JsonFile,
    MarkdownFile,
    Neighbours,
    Own,
    OwnTold,
    Template,
    Weights,
    check_not_faint,
)
from .chosen import chosen_denoiser, settings_of
from .table_rows import foreign_sha256

if TYPE_CHECKING:
    from ..benchmark.volumes.evaluation import CleanVolume


def evaluate_volumes(
    scans: CleanScans = None,
    template: Template = False,
    sigma: Annotated[
        list[float] | None,
        typer.Option(
            max=LARGEST_SIGMA,
            help=f"Noise level relative to the range, {SMALLEST_SIGMA:g} or more; repeat for more. Default: 0.01-0.15.",
        ),
    ] = None,
    iterations: Iterations = DenoiseSettings.iterations,
    neighbours: Neighbours = DenoiseSettings.neighbours,
    slices: Annotated[int, typer.Option(min=0, help="Use only this many middle slices; 0 means all.")] = 0,
    peers: Annotated[bool, typer.Option("--peers/--no-peers", help="Measure the 3-D filters, too.")] = True,
    peers_tuned: Annotated[
        Path | None,
        typer.Option(
            help="File of 'neural-diffusion tune-volumes' with what the parameters of the 3-D filters are chosen by; "
            "the one that comes with the package if left out."
        ),
    ] = None,
    bm4d: Annotated[bool, typer.Option("--bm4d", help="Measure BM4D, too: minutes a volume, non-commercial.")] = False,
    own: Own = None,
    own_told: OwnTold = None,
    weights: Weights = None,
    device: Device = "auto",
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    markdown_file: MarkdownFile = None,
) -> None:
    """Add Rician noise to scans and print the PSNR inside the head, for Neural Diffusion and 3-D filters.

    Neural Diffusion is blind; the filters are told the true noise level and have parameters that were best on other
    scans. Every method sees the same noisy voxels; with --slices, all of them only those slices. A function of your own
    gets a whole scan in one call.
    The files also hold the SSIM, slice by slice inside the head, and the time.

    Example: neural-diffusion evaluate-volumes --template --slices 40 --own Mine=mine.py:denoise
    """
    from dataclasses import asdict

    from ..benchmark.own_methods import own_files, own_volume_methods
    from ..benchmark.run_facts import run_facts
    from ..benchmark.volumes.bm4d import bm4d as bm4d_method
    from ..benchmark.volumes.evaluation import CLINICAL_SIGMAS, VolumeRow, evaluate_volume
    from ..benchmark.volumes.methods import ours
    from ..benchmark.volumes.peers import LEAST_SLICES
    from ..benchmark.volumes.tables import harm_sentences, loss_sentences, to_csv, to_markdown, to_terminal
    from ..benchmark.volumes.tuning import PACKAGED_GRID, has_other_scans, read_grid, tuned_peers
    from ..files.terminal import terminal, then_shown

    settings = settings_of(iterations=iterations, neighbours=neighbours)
    denoiser = chosen_denoiser(device, weights)
    # What is asked for twice is measured once.
    sigmas = tuple(dict.fromkeys(sigma or CLINICAL_SIGMAS))
    check_not_faint(sigmas)
    blind, told = own or [], own_told or []
    read = [*(scans or []), weights, peers_tuned, *own_files([*blind, *told])]
    check_outputs(json_file, csv_file, markdown_file, inputs=read)
    if peers_tuned is not None and not peers:
        raise CommandError("--peers-tuned is about the 3-D filters: leave it out, or leave out --no-peers.")
    grid, grid_sha256 = None, None
    if peers_tuned is not None:
        grid, grid_sha256 = read_grid(peers_tuned), foreign_sha256(peers_tuned, PACKAGED_GRID)
    added = own_volume_methods(blind, told) + ([bm4d_method()] if bm4d else [])
    # Planes across the slices need two of them.
    clean = read_clean(scans or [], template, slices, LEAST_SLICES if peers else 2)
    for volume in clean:
        if grid is not None and not has_other_scans(grid, volume.sha256):
            raise CommandError(
                f"'{peers_tuned}' was measured on no scan but '{volume.name}' itself, or the template, by which no "
                "parameters may be chosen for it: run 'neural-diffusion tune-volumes' on other scans, too."
            )

    progress = terminal(stderr=True)

    def tell(row: VolumeRow) -> None:
        progress.print(
            f"{row.volume}, sigma {row.sigma:g}: {row.method}, {row.seconds:.1f} s", highlight=False, soft_wrap=True
        )

    rows: list[VolumeRow] = []
    skipped: list[str] = []
    for volume in clean:
        others, skipped = tuned_peers(volume.sha256, grid) if peers else ([], [])
        rows += evaluate_volume([*ours(denoiser, settings), *others, *added], volume, sigmas, tell)
    chosen_by = None if peers_tuned is None else peers_tuned.name
    sentences = *harm_sentences(rows), *loss_sentences(rows), *skipped
    with then_shown(*to_terminal(rows, chosen_by), *sentences):
        if json_file is not None:
            content = {
                "kind": "volumes",
                "rows": [asdict(row) for row in rows],
                "slices": slices,
                "iterations": iterations,
                "neighbours": neighbours,
                "device": denoiser.device,
                "weights_sha256": denoiser.weights_sha256,
                "peers_tuned_sha256": grid_sha256,
                "adapted_from_sha256": denoiser.weights_metadata.get("adapted_from_sha256"),
                "skipped": skipped,
                **run_facts(),
            }
            write_json(json_file, content)
        for path, text in ((csv_file, to_csv(rows)), (markdown_file, to_markdown(rows, chosen_by))):
            if path is not None:
                write_text(path, text)


def read_clean(scans: list[Path], template: bool, slices: int, least: int) -> list[CleanVolume]:
    """Read scans, and the template if asked for, as clean volumes cut to their middle slices.

    Raises
    ------
    CommandError
        If there is none, two have one name, or one cannot be read or measured, or has fewer slices then than the least.
    """
    from ..benchmark.volumes.evaluation import prepare_volume
    from ..benchmark.volumes.template import TEMPLATE_NAME, template_path
    from ..files.image_files import read_scan

    named = [(path.name, path) for path in scans]
    if template:
        named.append((TEMPLATE_NAME, template_path()))
    if not named:
        raise CommandError("No scan is given: name at least one, or add --template.")
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"Two scans are called '{name}': rename one, or the table could not tell them apart.")
    clean = []
    for name, path in named:
        check_is_file("Scan", path, "name a NIfTI, NRRD or MetaImage file")
        scan = read_scan(path)
        volume = prepare_volume(name, *scan.as_acquired, slices)
        if len(volume.voxels) < least:
            raise CommandError(
                f"Scan '{name}' has {counted(len(volume.voxels), 'slice')} to be measured, but methods in three "
                f"dimensions need {least}: give another scan, or more --slices."
            )
        clean.append(volume)
    return clean
