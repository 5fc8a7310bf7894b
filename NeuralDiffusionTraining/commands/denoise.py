"""`neural-diffusion denoise`: one scan in, the denoised scan and its conduction map out."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError
from ..files.words import counted
from .chosen import chosen_denoiser
from .option_words import was_given
from .scan_options import (
    FILES,
    FLAG,
    METHOD,
    AsFloat,
    Device,
    IntensityRange,
    Iterations,
    Neighbours,
    NoAcross,
    Noise,
    NoRefine,
    Sigma,
    SliceAxis,
    Weights,
    chosen_settings,
)

if TYPE_CHECKING:
    import numpy as np

    from NeuralDiffusionLib import DenoiseResult

    from ..files.image_files import Scan


def denoise(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="The scan: a NIfTI, NRRD or MetaImage file, or a folder with a DICOM series.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT",
            help="Where to write the denoised scan; the name's end chooses the format: .nii.gz, .nii, .nrrd or .mha.",
            show_default=False,
        ),
    ],
    noise: Noise = DenoiseSettings.noise,
    iterations: Iterations = DenoiseSettings.iterations,
    neighbours: Neighbours = DenoiseSettings.neighbours,
    no_refine: NoRefine = False,
    no_across: NoAcross = False,
    sigma: Sigma = None,
    intensity_range: IntensityRange = None,
    slice_axis: SliceAxis = "auto",
    device: Device = "auto",
    conduction: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the conduction map: 1 where the scan was smoothed freely, 0 where edges were held.",
            rich_help_panel=FILES,
            show_default=False,
        ),
    ] = None,
    uncertainty: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write how uncertain the network is, as a standard deviation in the scan's units. Takes weights "
            "that were trained with dropout, and the time of as many runs as there are samples.",
            rich_help_panel=FILES,
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=2, metavar="COUNT", help="Runs behind the uncertainty map.", rich_help_panel=METHOD),
    ] = 16,
    weights: Weights = None,
    series: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Number or UID of the series to take from a DICOM folder that holds several.",
            rich_help_panel=FILES,
            show_default=False,
        ),
    ] = None,
    as_float: AsFloat = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", metavar=FLAG, help="Replace files that exist already.", rich_help_panel=FILES),
    ] = False,
) -> None:
    """Remove the noise from an MR scan.

    The output keeps the geometry of the scan, and its header where the format stays the same. Files are
    written at the end, whole or not at all; Ctrl-C leaves nothing behind.

    Example: neural-diffusion denoise scan.nii.gz clean.nii.gz --conduction map.nii.gz
    """
    from ..files.image_files import check_target, scalar_type_in
    from ..files.scan_denoising import for_scan, read_source

    # A job scheduler's stop is treated like Ctrl-C, so that it leaves no unfinished file either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if uncertainty is None and was_given(context, "samples"):
        raise CommandError("Option '--samples' is of the uncertainty map only: add --uncertainty FILE or leave it out.")
    maps = {name: path for name, path in (("conduction", conduction), ("uncertainty", uncertainty)) if path is not None}
    targets = [output, *maps.values()]
    settings = chosen_settings(noise, iterations, neighbours, no_refine, no_across, sigma, intensity_range, slice_axis)
    try:
        _check_paths(source, targets, series, overwrite)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be used ({error.strerror}): choose another name.") from error
    scan = read_source(source, series)
    for target in targets:
        check_target(target, scan)
    settings = for_scan(settings, scan)
    wanted = _Wanted(scalar_type_in(output, scan, as_float), conduction is not None, samples if uncertainty else 0)
    run = _denoise(source, scan, settings, device, weights, wanted)
    _write(output, maps, scan, run, as_float, overwrite)
    for note in run.result.notes:
        typer.echo(note, err=True)
    typer.echo(_summary(source, targets, settings, run))


@dataclass(frozen=True)
class _Wanted:
    scalar_type: np.dtype
    conduction: bool
    samples: int


@dataclass(frozen=True)
class _Run:
    result: DenoiseResult
    uncertainty: np.ndarray | None
    slices: int
    seconds: float


def _check_paths(source: Path, targets: list[Path], series: str | None, overwrite: bool) -> None:
    from ..files.image_files import OUTPUT_SUFFIXES
    from ..files.result_files import check_distinct, check_file

    if not source.exists():
        raise CommandError(f"{source} does not exist: name a scan file or a folder with a DICOM series.")
    if not os.access(source, os.R_OK):
        raise CommandError(f"{source} may not be read: ask for the permission to read it.")
    if series is not None and not source.is_dir():
        raise CommandError(f"{source} is a file: --series chooses from a folder of DICOM images.")
    # Not even --overwrite replaces the scan by one of its maps.
    check_distinct(targets[1:], inputs=[source])
    for target in targets:
        # ITK writes two files of other names for .MHA, and reads none.
        small = target.name if target.name.lower().endswith(".mha") else target.name.lower()
        if not small.endswith(OUTPUT_SUFFIXES):
            ends = f"{', '.join(OUTPUT_SUFFIXES[:-1])} or {OUTPUT_SUFFIXES[-1]}"
            raise CommandError(f"{target} cannot be written: its name must end in {ends}.")
        check_file(target)
        if os.path.lexists(target) and not overwrite:
            what = "is the input itself" if target.exists() and target.samefile(source) else "exists already"
            raise CommandError(f"{target} {what}: choose another name, or add --overwrite to replace it.")
    check_distinct(targets)


def _denoise(
    source: Path, scan: Scan, settings: DenoiseSettings, device: str, weights: Path | None, wanted: _Wanted
) -> _Run:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from NeuralDiffusionLib.engine.uncertainty import sample_uncertainty

    from ..files.scan_denoising import naming, with_warnings
    from ..files.terminal import terminal

    started = time.perf_counter()
    denoiser = chosen_denoiser(device, weights)
    slices = scan.voxels.shape[settings.slice_axis]
    console = terminal(stderr=True)
    bar = Progress(
        TextColumn("Denoising"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("slices"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=slices)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        with naming(source):
            if wanted.samples:
                sampled = sample_uncertainty(denoiser, scan.voxels, settings, wanted.samples, show)
                result, deviation = sampled.result, sampled.deviation
            else:
                # What is not written is not held in memory either.
                result = denoiser(
                    scan.voxels, settings, show, scalar_type=wanted.scalar_type, conduction=wanted.conduction
                )
                deviation = None
            result = with_warnings(result, scan, settings)
    return _Run(result, deviation, slices, time.perf_counter() - started)


def _write(output: Path, maps: dict[str, Path], scan: Scan, run: _Run, as_float: bool, overwrite: bool) -> None:
    from ..files.image_files import write_denoised, write_map
    from ..files.scan_denoising import write_scan_files

    write = {
        "conduction": partial(write_map, scan=scan, values=run.result.conduction, window=(0.0, 1.0)),
        "uncertainty": partial(write_map, scan=scan, values=run.uncertainty),
    }
    files = [(output, lambda path: write_denoised(path, scan, run.result.image, as_float))]
    files += [(target, write[name]) for name, target in maps.items()]
    write_scan_files(files, overwrite)


def _summary(source: Path, targets: list[Path], settings: DenoiseSettings, run: _Run) -> str:
    level = f"{run.result.sigma:.3g}" + (" of the signal" if settings.noise == "speckle" else "")
    return (
        f"Denoised {counted(run.slices, 'slice')} of {source} in {run.seconds:.1f} s on {run.result.device} "
        f"({settings.noise}, {counted(settings.iterations, 'iteration')}, {settings.neighbours} neighbours, "
        f"{'refined' if settings.refine else 'not refined'}, "
        f"{'with' if settings.across_slices else 'without'} a step across slices, "
        f"{'estimated' if settings.sigma is None else 'given'} noise level {level}) "
        f"and wrote {' and '.join(map(str, targets))}."
    )
