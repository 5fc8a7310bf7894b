"""One scan from file to file, step by step: what every command shares that denoises files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from NeuralDiffusionLib import DenoiseResult, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine import slice_planes
from NeuralDiffusionLib.engine.domain_checks import result_warnings
from NeuralDiffusionLib.whole_files import write_whole

from .command_error import CommandError
from .dicom_folders import read_dicom_folder
from .image_files import Scan, read_scan


def read_source(source: Path, series: str | None = None) -> Scan:
    """Read a scan file, or one series of a DICOM folder.

    Raises
    ------
    CommandError
        If it cannot be read, or is no single scalar volume.
    """
    return read_dicom_folder(source, series) if source.is_dir() else read_scan(source)


def for_scan(settings: DenoiseSettings, scan: Scan) -> DenoiseSettings:
    """The settings for this scan; see `slice_planes.for_scan`."""
    return slice_planes.for_scan(settings, scan.spacing[::-1], scan.voxels.shape)


def with_warnings(result: DenoiseResult, scan: Scan, settings: DenoiseSettings) -> DenoiseResult:
    """The result with sentences about what in the scan lies outside of the network's training among its notes."""
    found = result_warnings(scan.voxels, scan.spacing[::-1], settings.slice_axis, result, settings)
    return replace(result, notes=(*result.notes, *found))


@contextmanager
def naming(source: Path) -> Iterator[None]:
    """Put the scan's name before what the engine says of a volume that cannot be denoised.

    Raises
    ------
    CommandError
        If it cannot be, or the main memory is too small.
    """
    try:
        yield
    except InvalidVolumeError as error:
        sentence = str(error)
        raise CommandError(f"{source}: {sentence[0].lower()}{sentence[1:]}") from error
    except MemoryError as error:
        raise CommandError(
            f"{source}: the main memory is too small for it; close other programs, or denoise a part of the scan."
        ) from error


def write_scan_files(
    files: Sequence[tuple[Path, Callable[[Path], object]]],
    overwrite: bool = True,
    instead: str = "choose another name, or add --overwrite to replace it",
) -> None:
    """Write every file, or leave the disk as it was; see `write_whole`.

    Parameters
    ----------
    files
        As for `write_whole`.
    overwrite
        Whether files that have been written meanwhile may be replaced.
    instead
        What the user can do about such a file.

    Raises
    ------
    CommandError
        If one cannot be written, or must not replace a file that has been written meanwhile.
    """
    try:
        write_whole(files, replace=overwrite)
    except FileExistsError as error:
        taken = " and ".join(str(path) for path, _ in files if os.path.lexists(path))
        raise CommandError(f"{taken} appeared while the scan was denoised and was left as it is: {instead}.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            f"{' and '.join(str(path) for path, _ in files)} could not be written ({reason}) and nothing was left "
            "behind: free some space or choose another folder."
        ) from error
