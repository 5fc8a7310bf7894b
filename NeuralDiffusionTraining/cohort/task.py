"""What a worker does with one scan."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from NeuralDiffusionLib import Denoiser, DeviceError, WeightsError
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS
from NeuralDiffusionLib.image_headers import files_of

from ..files.checksum import sha256_of
from ..files.command_error import CommandError
from ..files.image_files import check_target, scalar_type_in, write_denoised
from ..files.pipes import refuse_pipes
from ..files.result_files import make_folder
from ..files.scan_denoising import for_scan, naming, read_source, with_warnings, write_scan_files
from .bids_metadata import kept_metadata
from .outcome import Outcome
from .record import Order, is_done, is_of_a_run, read_record, sidecar_text
from .scans import CohortScan, sidecar_of


@dataclass(frozen=True)
class ScanTask:
    """One scan and how it is to be denoised."""

    scan: CohortScan
    order: Order

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.scan.name


def run_task(task: ScanTask) -> Outcome:
    """Denoise one scan, unless that is done already; scan and sidecar are each written whole or not at all."""
    try:
        return Outcome(task.name, _run(task.scan, task.order))
    except (CommandError, DeviceError, WeightsError) as error:
        # The table names the scan already.
        reason = str(error).removeprefix(str(task.scan.source)).lstrip(": ")
        return Outcome(task.name, "failed", reason[0].upper() + reason[1:])
    except MemoryError:
        reason = "The main memory is too small for it: run fewer workers, or denoise a part of the scan."
        return Outcome(task.name, "failed", reason)


def _run(scan: CohortScan, order: Order) -> Literal["denoised", "already done"]:
    refuse_pipes(scan.source)
    sidecar = sidecar_of(scan.output)
    started = time.perf_counter()
    try:
        found = read_record(sidecar)
        input_sha256 = sha256_of(*files_of(scan.source))
        held_sha256 = _sha256_if_there(scan.output)
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be read ({error.strerror}).") from error
    if is_done(found, input_sha256, held_sha256, order):
        # A worker that died after it wrote, before it said so: the scan comes again within the run.
        return "denoised" if found.get("Run") == order.run else "already done"
    if found is None and (os.path.lexists(scan.output) or os.path.lexists(sidecar)):
        raise CommandError(f"{scan.output} or its sidecar exists and is not of a batch: choose another folder.")
    if held_sha256 and not is_of_a_run(found, held_sha256) and _can_be_read(scan.output):
        raise CommandError(f"{scan.output} was changed since and was left as it is: move it away to have it made anew.")
    scan = replace(scan, fields={**scan.fields, **kept_metadata(scan.metadata)})
    volume = read_source(scan.source)
    check_target(scan.output, volume)
    read = time.perf_counter() - started
    settings = for_scan(order.settings, volume)
    denoiser = _denoiser(order.device, order.weights, order.weights_sha256)
    started = time.perf_counter()
    with naming(scan.source):
        stored_as = scalar_type_in(scan.output, volume, order.as_float)
        result = denoiser(volume.voxels, settings, scalar_type=stored_as, conduction=False)
        result = with_warnings(result, volume, settings)
    denoised = time.perf_counter()

    text = ""

    def write(path: Path) -> None:
        nonlocal text
        write_denoised(path, volume, result.image, order.as_float)
        seconds = {"Read": read, "Denoise": denoised - started, "Write": time.perf_counter() - denoised}
        text = sidecar_text(scan, order, input_sha256, held_sha256, path, result, settings, seconds)

    make_folder(scan.output.parent)
    # The sidecar takes its place first: a scan without one was not written by a run.
    files = [(sidecar, lambda path: path.write_text(text, encoding="utf-8")), (scan.output, write)]
    try:
        write_scan_files(files, overwrite=found is not None, instead="choose another folder")
    except CommandError:
        # Dask gives a scan to a second worker if it loses sight of the first, which may have written it meanwhile.
        if not _is_there(sidecar, scan, input_sha256, order):
            raise
    return "denoised"


def _sha256_if_there(output: Path) -> str | None:
    return sha256_of(output) if output.is_file() else None


def _can_be_read(output: Path) -> bool:
    """Whether an output is more than what a disk or a copy has left of one."""
    try:
        read_source(output)
    except CommandError:
        return False
    return True


def _is_there(sidecar: Path, scan: CohortScan, input_sha256: str, order: Order) -> bool:
    try:
        return is_done(read_record(sidecar), input_sha256, _sha256_if_there(scan.output), order)
    except OSError:
        return False


# A worker keeps it from scan to scan.
@lru_cache(maxsize=1)
def _denoiser(device: str, weights: Path | None, weights_sha256: str) -> Denoiser:
    denoiser = Denoiser(device, weights or BUNDLED_WEIGHTS)
    if denoiser.weights_sha256 != weights_sha256:
        raise WeightsError(
            f"The weights ({weights or 'the bundled ones'}) are others on this worker than where the run was started."
        )
    return denoiser
