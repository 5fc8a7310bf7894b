"""The scans of a cohort: those of a pattern or of a BIDS dataset, and where each of them will be written."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from NeuralDiffusionLib.file_names import WRITTEN_AS, volume_suffix, written_name

from ..files.command_error import CommandError
from .bids import bids_fields, bids_output, derivative_folder, find_bids_scans, is_dataset, read_description
from .bids_metadata import metadata_files


@dataclass(frozen=True)
class CohortScan:
    """One scan of a cohort.

    Attributes
    ----------
    name
        The scan's path within what was searched, as tables show it.
    source, output
        Absolute paths of the scan and of what will be written.
    fields
        What its sidecar says beside the record of the run.
    metadata
        JSON files with more that it says, from the general to the particular.
    """

    name: str
    source: Path
    output: Path
    fields: dict[str, Any]
    metadata: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """The scans, the folder for the output, the BIDS dataset they come from, and how many other files were found."""

    scans: tuple[CohortScan, ...]
    folder: Path
    dataset: Path | None
    left_out: int


def find_cohort(given: str, folder: Path) -> Cohort:
    """The scans that match a pattern, or those of a BIDS dataset.

    Parameters
    ----------
    given
        A pattern such as ``"scans/**/*.nii.gz"``, or the folder of a BIDS dataset.
    folder
        Where the output shall go. Folders below the fixed part of the pattern are kept.

    Raises
    ------
    CommandError
        If there is no scan, or an output would replace a scan or the output of another one.
    """
    # Patterns are quoted, so no shell has done it.
    given = os.path.expanduser(given)
    folder = Path(os.path.abspath(folder))
    # Asked of a path itself, a name that is too long is an error.
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise CommandError(f"{folder} is a file: name a folder for the denoised scans.")
    if os.path.isdir(given):
        cohort = _of_dataset(Path(os.path.abspath(given)), folder)
    elif os.path.isfile(given):
        # A name with brackets is no pattern if it is that of a file.
        cohort = _of_pattern(glob.escape(given), os.path.dirname(given), folder)
    else:
        cohort = _of_pattern(given, _fixed_part(given), folder)
    _check_outputs(cohort.scans)
    return cohort


def sidecar_of(output: Path) -> Path:
    """The path of an output's sidecar: its own with the ending replaced, as in BIDS."""
    return output.with_name(output.name[: -len(volume_suffix(output))] + ".json")


def _of_pattern(pattern: str, above: str, folder: Path) -> Cohort:
    """The scans that match; the folders between `above` and them are kept."""
    fixed = Path(os.path.abspath(above))
    real = cache(Path.resolve)
    inside = real(fixed) in real(folder).parents
    found = [Path(os.path.abspath(path)) for path in sorted(glob.glob(pattern, recursive=True))]
    # What an earlier run wrote into a folder among the scans is no scan of the cohort.
    found = [path for path in found if _is_file(path) and not (inside and _is_below(real(path.parent), real(folder)))]
    # A pattern with ** more than once may find a file as often.
    found = list(dict.fromkeys(found))
    scans = []
    for path in found:
        if volume_suffix(path):
            name = path.relative_to(fixed)
            output = folder / name.parent / written_name(path)
            scans.append(CohortScan(name.as_posix(), path, output, {"Sources": [name.as_posix()]}))
    if not scans:
        raise CommandError(
            f"No scan matches '{pattern}': give a pattern of {', '.join(WRITTEN_AS)} files in quotes, such as "
            "'scans/*.nii.gz', or the folder of a BIDS dataset."
        )
    return Cohort(tuple(scans), folder, None, len(found) - len(scans))


def _is_below(folder: Path, other: Path) -> bool:
    return folder == other or other in folder.parents


def _is_file(path: Path) -> bool:
    # A link to nothing, as to a file that was not fetched, fails by its name.
    return path.is_file() or (path.is_symlink() and not path.exists())


def _fixed_part(pattern: str) -> str:
    """The folders of a pattern that stand before its first wildcard."""
    parts = Path(pattern).parts
    fixed = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return os.path.join(*parts[:fixed]) if fixed else "."


def _of_dataset(root: Path, folder: Path) -> Cohort:
    if not is_dataset(root):
        raise CommandError(
            f"{root} holds no dataset_description.json, so it is no BIDS dataset: give a pattern in quotes, such as "
            f"'{root.name}/*.nii.gz'."
        )
    # Whatever is read of it later: one that is broken is refused as a whole.
    read_description(root)
    folder = derivative_folder(root, folder)
    json_files = cache(_json_files)
    scans = []
    for path in find_bids_scans(root):
        name = path.relative_to(root)
        output = folder / name.parent / bids_output(path.name)
        metadata = metadata_files(root, path, json_files)
        scans.append(CohortScan(name.as_posix(), path, output, bids_fields(root, path), metadata))
    if not scans:
        raise CommandError(f"{root} holds no anatomical MR scan, such as sub-01/anat/sub-01_T1w.nii.gz.")
    return Cohort(tuple(scans), folder, root, 0)


def _json_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def _check_outputs(scans: Iterable[CohortScan]) -> None:
    # Folders are few, scans may be many: each folder is looked up once.
    place = cache(Path.resolve)
    by_source = {place(scan.source.parent) / scan.source.name: scan for scan in scans}
    by_sidecar: dict[Path, CohortScan] = {}
    for scan in scans:
        if (other := by_source.get(place(scan.output.parent) / scan.output.name)) is not None:
            raise CommandError(
                f"{scan.name} would be written over the scan {other.name}: choose another folder for the output."
            )
        if place(scan.output.parent) == place(scan.source.parent):
            raise CommandError(
                f"{scan.name} would be written among the scans, as {scan.output.name}: choose another folder for the "
                "output."
            )
        # Two outputs of one name have one sidecar, too, whatever their formats are.
        sidecar = sidecar_of(scan.output)
        if (other := by_sidecar.setdefault(sidecar, scan)) is not scan:
            raise CommandError(
                f"{other.name} and {scan.name} would both be described by {sidecar}: rename one of them, or choose "
                "a pattern that leaves it out."
            )
