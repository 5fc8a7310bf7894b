"""`neural-diffusion denoise`: one scan in, the denoised scan and its conduction map out."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from NeuralDiffusionLib import MAX_ITERATIONS, NEIGHBOURHOODS, NOISE_TYPES, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.whole_files import write_whole

from ..files.command_error import CommandError

if TYPE_CHECKING:
    import numpy as np

    from NeuralDiffusionLib import DenoiseResult

    from ..files.image_files import Scan

_ARRAY_AXIS = {"i": 2, "j": 1, "k": 0}

_FILES = "Files"
_METHOD = "Method"
# typer shows the type of an option that has no metavar, even of one that takes no value.
_FLAG = " "


def denoise(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="The scan: a NIfTI, NRRD or MetaImage file, or a folder with a DICOM series. Never changed.",
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
    noise: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            help=f"Kind of noise: {', '.join(NOISE_TYPES)}. Rician is that of usual (magnitude) MR scans, speckle "
            "grows with the signal, mixed is for not knowing.",
            rich_help_panel=_METHOD,
        ),
    ] = DenoiseSettings.noise,
    iterations: Annotated[
        int,
        typer.Option(
            metavar="COUNT",
            help=f"Diffusion steps, 1 to {MAX_ITERATIONS}; more steps smooth more.",
            rich_help_panel=_METHOD,
        ),
    ] = DenoiseSettings.iterations,
    neighbours: Annotated[
        int,
        typer.Option(
            metavar="COUNT",
            help=f"Neighbours of a voxel within its slice, {' or '.join(map(str, NEIGHBOURHOODS))}: 8 counts the "
            "diagonal ones.",
            rich_help_panel=_METHOD,
        ),
    ] = DenoiseSettings.neighbours,
    no_refine: Annotated[
        bool,
        typer.Option(
            "--no-refine",
            metavar=_FLAG,
            help="Leave out the refinement that follows the diffusion.",
            rich_help_panel=_METHOD,
        ),
    ] = False,
    sigma: Annotated[
        float | None,
        typer.Option(
            metavar="LEVEL",
            help="Standard deviation of the noise in the scan's own units (for speckle: as a share of the signal). "
            "Estimated slice by slice if not given.",
            rich_help_panel=_METHOD,
            show_default=False,
        ),
    ] = None,
    intensity_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="Intensities of dark background and bright tissue. Estimated from the whole scan if not given; "
            "brighter voxels are kept either way.",
            rich_help_panel=_METHOD,
            show_default=False,
        ),
    ] = None,
    slice_axis: Annotated[
        str,
        typer.Option(
            metavar="AXIS",
            help="Voxel axis across the slices, which are denoised one by one: i, j, k or auto, which takes the axis "
            "of clearly widest spacing (so the slices are those that were acquired) and k if there is none.",
            rich_help_panel=_METHOD,
        ),
    ] = "auto",
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Where to compute: cpu, cuda, cuda:1, mps or auto, which takes a graphics card if there is one.",
            rich_help_panel=_METHOD,
        ),
    ] = "auto",
    conduction: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the conduction map: 1 where the scan was smoothed freely, 0 where edges were held.",
            rich_help_panel=_FILES,
            show_default=False,
        ),
    ] = None,
    uncertainty: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write how uncertain the network is, as a standard deviation in the scan's units. Takes weights "
            "that were trained with dropout, and the time of as many runs as there are samples.",
            rich_help_panel=_FILES,
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=2, metavar="COUNT", help="Runs behind the uncertainty map.", rich_help_panel=_METHOD),
    ] = 16,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights that 'neural-diffusion export' wrote; the bundled ones if not given.",
            rich_help_panel=_FILES,
            show_default=False,
        ),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Number or UID of the series to take from a DICOM folder that holds several.",
            rich_help_panel=_FILES,
            show_default=False,
        ),
    ] = None,
    as_float: Annotated[
        bool,
        typer.Option(
            "--float",
            metavar=_FLAG,
            help="Write 32-bit floats. Without it the output has the voxel type of the input, rounded and clipped.",
            rich_help_panel=_FILES,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", metavar=_FLAG, help="Replace files that exist already.", rich_help_panel=_FILES),
    ] = False,
) -> None:
    """Remove the noise from an MR scan.

    The output keeps the geometry of the scan, and its header where the format stays the same. Files are
    written at the end, whole or not at all; Ctrl-C leaves nothing behind.

    Example: neural-diffusion denoise scan.nii.gz clean.nii.gz --conduction map.nii.gz
    """
    # A job scheduler's stop is treated like Ctrl-C, so that it leaves no unfinished file either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    maps = {name: path for name, path in (("conduction", conduction), ("uncertainty", uncertainty)) if path is not None}
    targets = [output, *maps.values()]
    try:
        settings = DenoiseSettings(
            noise=noise,
            iterations=iterations,
            neighbours=neighbours,
            refine=not no_refine,
            sigma=sigma,
            intensity_range=intensity_range,
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    if slice_axis not in ("auto", *_ARRAY_AXIS):
        raise CommandError(f"Slice axis {slice_axis!r} is not possible: choose auto, i, j or k.")
    _check_paths(source, targets, series, overwrite)
    scan = _read(source, series)
    settings = replace(settings, slice_axis=_choose_axis(scan) if slice_axis == "auto" else _ARRAY_AXIS[slice_axis])
    run = _denoise(source, scan, settings, device, weights, samples if uncertainty is not None else 0)
    _write(output, maps, scan, run, as_float)
    for note in run.result.notes:
        typer.echo(note, err=True)
    typer.echo(_summary(source, targets, settings, run))


@dataclass(frozen=True)
class _Run:
    result: DenoiseResult
    uncertainty: np.ndarray | None
    slices: int
    seconds: float


def _check_paths(source: Path, targets: list[Path], series: str | None, overwrite: bool) -> None:
    from ..files.image_files import OUTPUT_SUFFIXES

    if not source.exists():
        raise CommandError(f"{source} does not exist: name a scan file or a folder with a DICOM series.")
    if not os.access(source, os.R_OK):
        raise CommandError(f"{source} may not be read: ask for the permission to read it.")
    if series is not None and not source.is_dir():
        raise CommandError(f"{source} is a file: --series chooses from a folder of DICOM images.")
    for target in targets:
        if not target.name.lower().endswith(OUTPUT_SUFFIXES):
            raise CommandError(f"{target} cannot be written: its name must end in {', '.join(OUTPUT_SUFFIXES)}.")
        if not target.parent.is_dir():
            raise CommandError(f"{target} cannot be written: there is no folder {target.parent}, create it first.")
        if not os.access(target.parent, os.W_OK):
            raise CommandError(f"{target} cannot be written: choose a folder that you may write to.")
        if target.is_dir():
            raise CommandError(f"{target} is a folder: choose a file name.")
        if target.exists() and not overwrite:
            what = "is the input itself" if target.samefile(source) else "exists already"
            raise CommandError(f"{target} {what}: choose another name, or add --overwrite to replace it.")
    if len({target.resolve() for target in targets}) < len(targets):
        twice = next(target for number, target in enumerate(targets) if target in targets[:number])
        raise CommandError(f"{twice} is named for two of the files to write: choose two names.")


def _read(source: Path, series: str | None) -> Scan:
    from ..files.dicom_folders import read_dicom_folder
    from ..files.image_files import read_scan

    return read_dicom_folder(source, series) if source.is_dir() else read_scan(source)


def _choose_axis(scan: Scan) -> int:
    from NeuralDiffusionLib.slice_planes import acquisition_axis

    return acquisition_axis(scan.spacing[::-1], scan.voxels.shape)


def _denoise(
    source: Path, scan: Scan, settings: DenoiseSettings, device: str, weights: Path | None, samples: int
) -> _Run:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from NeuralDiffusionLib import Denoiser
    from NeuralDiffusionLib.uncertainty import sample_uncertainty
    from NeuralDiffusionLib.weights import BUNDLED_WEIGHTS

    started = time.perf_counter()
    denoiser = Denoiser(device, weights or BUNDLED_WEIGHTS)
    slices = scan.voxels.shape[settings.slice_axis]
    console = Console(stderr=True)
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

        try:
            if samples:
                sampled = sample_uncertainty(denoiser, scan.voxels, settings, samples, show)
                result, deviation = sampled.result, sampled.deviation
            else:
                result, deviation = denoiser(scan.voxels, settings, show), None
        except InvalidVolumeError as error:
            sentence = str(error)
            raise CommandError(f"{source}: {sentence[0].lower()}{sentence[1:]}") from error
    return _Run(result, deviation, slices, time.perf_counter() - started)


def _write(output: Path, maps: dict[str, Path], scan: Scan, run: _Run, as_float: bool) -> None:
    from ..files.image_files import write_denoised, write_map

    write = {
        "conduction": partial(write_map, scan=scan, values=run.result.conduction, window=(0.0, 1.0)),
        "uncertainty": partial(write_map, scan=scan, values=run.uncertainty),
    }
    files = [(output, lambda path: write_denoised(path, scan, run.result.image, as_float))]
    files += [(target, write[name]) for name, target in maps.items()]
    try:
        write_whole(files)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            f"{' and '.join(map(str, (output, *maps.values())))} could not be written ({reason}) and nothing was left "
            "behind: free some space or choose another folder."
        ) from error


def _summary(source: Path, targets: list[Path], settings: DenoiseSettings, run: _Run) -> str:
    level = f"{run.result.sigma:.3g}" + (" of the signal" if settings.noise == "speckle" else "")
    return (
        f"Denoised {run.slices} slices of {source} in {run.seconds:.1f} s on {run.result.device} "
        f"({settings.noise}, {settings.iterations} iterations, {settings.neighbours} neighbours, "
        f"{'refined' if settings.refine else 'not refined'}, "
        f"{'estimated' if settings.sigma is None else 'given'} noise level {level}) "
        f"and wrote {' and '.join(map(str, targets))}."
    )
