"""Many volumes, one after the other: nodes of a scene or the files of a folder, with one table that sums them up."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from ...background import IsCancelled, ReportProgress
from ...errors import DenoiseCancelled, InvalidVolumeError
from ...file_names import shown, written_name
from ..nodes.new_volume import scene_of
from ..nodes.tables import add_table
from ..nodes.volume_files import check_name, find_volume_files, read_volume_file, write_volume_file
from ..nodes.volumes import check_input

if TYPE_CHECKING:
    from ...engine.denoiser import DenoiseResult

Denoise = Callable[
    [slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLScalarVolumeNode, ReportProgress, IsCancelled], "DenoiseResult"
]
Task = tuple[str, Callable[[ReportProgress], "DenoiseResult"]]


@dataclass(frozen=True)
class BatchRow:
    """What became of one volume: noise level in its own units (NaN where there is none), run time in seconds."""

    name: str
    status: str
    slices: int = 0
    noise_level: float = math.nan
    device: str = ""
    seconds: float = 0.0


def common_scene(volumes: Sequence[slicer.vtkMRMLScalarVolumeNode]) -> slicer.vtkMRMLScene:
    """Return the scene of the first volume that is in one.

    Raises
    ------
    InvalidVolumeError
        If there are no volumes, or none of them is in a scene.
    """
    for volume in volumes:
        if volume is not None and volume.GetScene() is not None:
            return volume.GetScene()
    raise InvalidVolumeError(_("No volume of a scene was given: choose at least one."))


def volume_tasks(
    volumes: Iterable[slicer.vtkMRMLScalarVolumeNode],
    denoise: Denoise,
    add_output: Callable[[slicer.vtkMRMLScalarVolumeNode], slicer.vtkMRMLScalarVolumeNode],
    cancelled: IsCancelled,
) -> list[Task]:
    """Return one task for each volume node; it adds an output node to the volume's scene, or nothing if it fails."""

    def run(volume: slicer.vtkMRMLScalarVolumeNode, progress: ReportProgress) -> DenoiseResult:
        check_input(volume)
        scene_of(volume)
        output = add_output(volume)
        try:
            return denoise(volume, output, progress, cancelled)
        except BaseException:
            if output.GetScene() is not None:
                output.GetScene().RemoveNode(output)
            raise

    return [("" if volume is None else volume.GetName() or "", partial(run, volume)) for volume in volumes]


def folder_tasks(
    folder: Path, output_folder: Path | None, denoise: Denoise, cancelled: IsCancelled, overwrite: bool
) -> list[Task]:
    """Return one task for each image file of a folder; it writes a file of the same name into the output folder.

    Each file is read into a scene of its own, which is gone afterwards. A label map is refused by its name or header.

    Raises
    ------
    InvalidVolumeError
        If there is nothing to read, or the output folder is not given, cannot be made or is the folder itself.
    """
    files = find_volume_files(folder)
    if output_folder is None:
        raise InvalidVolumeError(_("No output folder was given: choose one for the denoised files."))
    if output_folder.resolve() == folder.resolve():
        raise InvalidVolumeError(
            _("'{folder}' is both input and output: choose another output folder, scans are never overwritten.").format(
                folder=folder
            )
        )
    check_name(output_folder)
    try:
        output_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = _("'{folder}' cannot be made a folder ({reason}): choose another output folder.")
        raise InvalidVolumeError(message.format(folder=output_folder, reason=error.strerror)) from error
    taken: set[str] = set()

    def there_already(target: Path) -> InvalidVolumeError:
        message = _(
            "'{target}' is there already and was not replaced: choose another folder, or allow files to be replaced."
        )
        return InvalidVolumeError(message.format(target=shown(Path(target.name))))

    def run(path: Path, progress: ReportProgress) -> DenoiseResult:
        target = output_folder / written_name(path)
        # Two files that differ in their format alone must not replace each other's result.
        if target.name.lower() in taken or (os.path.lexists(target) and not overwrite):
            raise there_already(target)
        scene = slicer.vtkMRMLScene()
        volume = read_volume_file(path, scene)
        output = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        result = denoise(volume, output, progress, cancelled)
        try:
            write_volume_file(output, target, replace=overwrite)
        except FileExistsError as error:
            # Somebody else has put a file there meanwhile.
            raise there_already(target) from error
        taken.add(target.name.lower())
        return result

    return [(shown(Path(path.name)), partial(run, path)) for path in files]


def run_batch(tasks: Sequence[Task], progress: Callable[[float, int], None], cancelled: IsCancelled) -> list[BatchRow]:
    """Run tasks one after the other; one that fails does not stop the others.

    Parameters
    ----------
    tasks
        Name and work of each volume.
    progress
        Called with the volumes done, as a real number, and all volumes, after each batch of slices.
    cancelled
        Asked between batches of slices; once it returns True what is left is not started.

    Returns
    -------
    list of BatchRow
        What became of each volume, in their order.
    """
    rows: list[BatchRow] = []
    stopped = False
    for index, (name, run) in enumerate(tasks):
        stopped = stopped or cancelled()
        if stopped:
            rows.append(BatchRow(name, _("Not started: the batch was cancelled.")))
            continue
        row = _run_one(name, run, lambda done, total, before=index: progress(before + done / total, len(tasks)))
        stopped = row is None
        rows.append(row or BatchRow(name, _("Cancelled: nothing was written.")))
        if not stopped:
            progress(index + 1, len(tasks))
    return rows


def _run_one(name: str, run: Callable[[ReportProgress], DenoiseResult], progress: ReportProgress) -> BatchRow | None:
    """Return what became of one volume, or None if it was cancelled."""
    started = time.monotonic()
    try:
        result = run(progress)
    except DenoiseCancelled:
        return None
    except MemoryError:
        return BatchRow(name, _("The memory does not suffice: close other programs or crop the volume."))
    except (InvalidVolumeError, OSError, RuntimeError) as error:
        return BatchRow(name, str(error), seconds=time.monotonic() - started)
    return BatchRow(
        name,
        " ".join([_("Denoised."), *result.notes]),
        len(result.slice_sigma),
        result.sigma,
        result.device,
        time.monotonic() - started,
    )


def add_summary(scene: slicer.vtkMRMLScene, rows: Sequence[BatchRow]) -> slicer.vtkMRMLTableNode:
    """Add a table with one row for each volume to a scene."""
    columns = (
        (_("Name"), str, [row.name for row in rows]),
        (_("Slices"), int, [row.slices for row in rows]),
        (_("Noise level"), float, [row.noise_level for row in rows]),
        (_("Device"), str, [row.device for row in rows]),
        (_("Seconds"), float, [row.seconds for row in rows]),
        (_("Status"), str, [row.status for row in rows]),
    )
    return add_table(scene, _("Neural Diffusion batch"), columns)
