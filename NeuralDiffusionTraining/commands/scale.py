"""`neural-diffusion scale`: how a batch that was run would go on with many more scans and computers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from ..files.result_files import check_outputs, write_text
from .benchmark_options import MarkdownFile

_INSTEAD = "Instead of what is measured or assumed"
# 256 x 256 x 180 voxels in 0.15 s.
_VOXELS_PER_GPU_SECOND = 7.9e7
_STORAGE = 1000.0
# Of what an option gives: products and quotients of two are still numbers.
_MOST = 1e9


def _instead(least: float, unit: str, words: str) -> OptionInfo:
    return typer.Option(min=least, max=_MOST, metavar=unit, help=words, rich_help_panel=_INSTEAD)


def scale(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="OUT_DIR",
            help="Folder that 'neural-diffusion batch' wrote; what its scans took is what was measured.",
            show_default=False,
        ),
    ],
    scans: Annotated[int, typer.Option(min=1, max=10**12, metavar="COUNT", help="Scans of the cohort.")] = 100_000,
    core_seconds: Annotated[
        float | None,
        _instead(1e-6, "SECONDS", "Seconds a scan on one CPU core, reading and writing included."),
    ] = None,
    host_seconds: Annotated[
        float | None,
        _instead(0, "SECONDS", "Seconds of one CPU core to read, check and write a scan."),
    ] = None,
    gpu_seconds: Annotated[
        float | None,
        _instead(1e-6, "SECONDS", "Seconds of one GPU to denoise a scan."),
    ] = None,
    megabytes: Annotated[
        float | None,
        _instead(1e-6, "MB", "Read and written for a scan."),
    ] = None,
    start_up: Annotated[
        float | None,
        _instead(0, "SECONDS", "Until a worker is ready."),
    ] = None,
    storage: Annotated[
        float | None,
        _instead(1e-6, "MB", f"Megabytes a second of the storage that all workers share; {_STORAGE:g} is assumed."),
    ] = None,
    tasks: Annotated[
        float | None,
        _instead(1e-6, "COUNT", "Tasks a second that the scheduler hands out."),
    ] = None,
    markdown_file: MarkdownFile = None,
) -> None:
    """Print how many scans an hour a cohort would reach on more cores and GPUs, and where that saturates.

    A model of few numbers: what a scan costs, taken from a batch that was run; what Dask costs, measured on the spot;
    and what workers share. The first table says of each number whether it was measured, given or assumed; a GPU is
    measured if the batch ran on one, with one worker for each, as workers that share one wait for each other.

    Example: neural-diffusion scale clean --storage 5000
    """
    from ..cohort.measured import measure_dask, megabytes_of, on_cpu, read_records, seconds_of, voxels_of
    from ..cohort.throughput import Quantity, ScanCost, Site
    from ..cohort.throughput_tables import to_markdown

    def given(value: float | None) -> Quantity | None:
        return None if value is None else Quantity(value, "given")

    # Of the many files only those of its name are looked at.
    check_outputs(markdown_file, inputs=folder.rglob(markdown_file.name) if markdown_file is not None else ())
    records = read_records(folder)
    by_cores = [record for record in records if on_cpu(record)]
    by_gpus = [record for record in records if not on_cpu(record)]
    on_core, on_gpu = given(core_seconds), given(gpu_seconds)
    if on_core is None and by_cores:
        on_core = seconds_of(by_cores, ("Read", "Denoise", "Write"))
    if on_gpu is None:
        assumed = Quantity(
            voxels_of(records) / _VOXELS_PER_GPU_SECOND, "assumed, not measured: 79 million voxels a second"
        )
        on_gpu = seconds_of(by_gpus, ("Denoise",)) if by_gpus else assumed
    cost = ScanCost(
        on_core,
        given(host_seconds) or seconds_of(records, ("Read", "Write")),
        on_gpu,
        given(megabytes) or megabytes_of(records),
    )
    ready, handed_out = given(start_up), given(tasks)
    if ready is None or handed_out is None:
        measured = measure_dask()
        ready, handed_out = ready or measured[0], handed_out or measured[1]
    text = to_markdown(cost, Site(ready, given(storage) or Quantity(_STORAGE, "assumed"), handed_out), scans)
    typer.echo(text, nl=False)
    if markdown_file is not None:
        write_text(markdown_file, text)
