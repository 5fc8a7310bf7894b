"""`neural-diffusion batch`: the scans of a whole cohort, on the processes of this computer or of a cluster."""

from __future__ import annotations

import os
import signal
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError
from .scan_options import (
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
    from ..cohort.outcome import Outcome
    from ..cohort.record import Order
    from ..cohort.scans import Cohort

_DASK = "Dask"
STATUS_SOME_FAILED = 1


def batch(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT_GLOB_OR_BIDS_DIR",
            help="The scans: a pattern in quotes, such as 'scans/**/*.nii.gz' (NIfTI, NRRD and MetaImage files, ** "
            "for folders of any depth), or the folder of a BIDS dataset, whose anatomical MR scans are taken.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT_DIR",
            help="Where to write the denoised scans, under their own names in their own folders. For a BIDS dataset "
            "the folder of the derivatives, such as study/derivatives/neural-diffusion; that folder is made if you "
            "name the dataset itself or its folder derivatives.",
            show_default=False,
        ),
    ],
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on the workers of this Dask scheduler, such as tcp://10.0.0.1:8786 or tls://..., which see the "
            "same files under the same names and have this package. dask-jobqueue starts one on SLURM, PBS, SGE or "
            "LSF, dask-kubernetes on Kubernetes, dask-cuda one with a worker for each graphics card.",
            rich_help_panel=_DASK,
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="COUNT",
            help="Without --scheduler: processes on this computer, with one thread each. One for each CPU if not "
            "given.",
            rich_help_panel=_DASK,
            show_default=False,
        ),
    ] = None,
    noise: Noise = DenoiseSettings.noise,
    iterations: Iterations = DenoiseSettings.iterations,
    neighbours: Neighbours = DenoiseSettings.neighbours,
    no_refine: NoRefine = False,
    no_across: NoAcross = False,
    sigma: Sigma = None,
    intensity_range: IntensityRange = None,
    slice_axis: SliceAxis = "auto",
    device: Device = "auto",
    weights: Weights = None,
    as_float: AsFloat = False,
) -> int:
    """Remove the noise from many MR scans, on all CPUs of this computer or on a cluster, through Dask.

    Beside each denoised scan a JSON file says how it was made. Run again, the command leaves alone what was made of
    the same scan with the same settings and weights, and makes the rest; so it goes on after any interruption. A scan
    that cannot be denoised keeps no other from it: those that failed are listed at the end, and the exit status is 1.

    Example: neural-diffusion batch 'scans/*.nii.gz' clean --workers 8
    """
    if scheduler is not None and workers is not None:
        raise CommandError("--workers counts processes of this computer: leave it out, or leave out --scheduler.")
    settings = chosen_settings(noise, iterations, neighbours, no_refine, no_across, sigma, intensity_range, slice_axis)
    # A job scheduler's stop is treated like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    from NeuralDiffusionLib.engine.devices import resolve_device
    from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights

    from ..cohort.record import Order
    from ..cohort.scans import find_cohort
    from ..cohort.summary import failure_table, summary

    started = time.perf_counter()
    cohort = find_cohort(source, output)
    if scheduler is None:
        # Workers elsewhere may have a device that is not here.
        resolve_device(device)
    weights = None if weights is None else Path(os.path.abspath(weights))
    sha256 = load_weights(weights or BUNDLED_WEIGHTS).sha256
    order = Order(settings, as_float, device, weights, sha256, uuid.uuid4().hex)
    try:
        outcomes = _run(cohort, order, scheduler, workers)
    except KeyboardInterrupt:
        typer.echo("What is written is whole, and the same command goes on from there.", err=True)
        raise
    if cohort.left_out:
        typer.echo(f"Files that match '{source}' but are no scans by their names: {cohort.left_out}.", err=True)
    table = failure_table(outcomes)
    if table:
        typer.echo(table)
    typer.echo(summary(outcomes, cohort.folder, time.perf_counter() - started))
    return STATUS_SOME_FAILED if table else 0


def _run(cohort: Cohort, order: Order, scheduler: str | None, workers: int | None) -> list[Outcome]:
    # Those that the job may use, which may be fewer than the computer has.
    from dask.system import CPU_COUNT

    from ..cohort.bar import progress_bar
    from ..cohort.bids import write_derivative_description
    from ..cohort.cluster import check_seen, connected
    from ..cohort.leftovers import remove_leftovers
    from ..cohort.running import run_all
    from ..cohort.task import ScanTask, run_task
    from ..files.folder_lock import alone_in
    from ..files.result_files import make_folder
    from ..files.terminal import terminal

    console = terminal(stderr=True)
    outcomes: list[Outcome] = []
    with progress_bar(console, len(cohort.scans)) as show:

        def tell(outcome: Outcome) -> None:
            outcomes.append(outcome)
            show(outcome)

        def clean_up() -> None:
            # Workers of a scheduler elsewhere end the scan that they have begun.
            if scheduler is None or len(outcomes) == len(cohort.scans):
                remove_leftovers(cohort.scans)

        # What is left to do once the workers of this computer have gone.
        with ExitStack() as afterwards, connected(scheduler, workers or CPU_COUNT, console.print) as client:
            # Before each scan fails over it.
            make_folder(cohort.folder)
            if scheduler is not None:
                check_seen(client, scheduler, (cohort.scans[0].source.parent, cohort.folder))
            afterwards.enter_context(alone_in(cohort.folder, console.print))
            afterwards.callback(clean_up)
            if cohort.dataset is not None:
                write_derivative_description(cohort.dataset, cohort.folder)
            run_all(client, run_task, [ScanTask(scan, order) for scan in cohort.scans], tell)
    return outcomes
