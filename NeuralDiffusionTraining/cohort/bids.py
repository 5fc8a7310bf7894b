"""BIDS: which scans of a dataset are denoised, what they are called then, and how the derivatives are described."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from NeuralDiffusionLib import __version__
from NeuralDiffusionLib.file_names import NIFTI_SUFFIXES

from ..files.command_error import CommandError
from ..files.result_files import read_json, write_json

PIPELINE = "neural-diffusion"
_CODE_URL = "https://github.com/SlicerNeuralDiffusion/SlicerNeuralDiffusion"
_BIDS_VERSION = "1.10.0"
_DESCRIPTION = "dataset_description.json"
# What the derivatives call the dataset that they were made from.
SOURCE_DATASET = "source"
# Weighted images of one volume; maps, masks and time series are none.
SCAN_SUFFIXES = ("T1w", "T2w", "PDw", "T2starw", "FLAIR", "inplaneT1", "inplaneT2", "angio")
# Parts of a complex image that are no magnitude.
_OTHER_PARTS = {"part-phase", "part-real", "part-imag"}


def is_dataset(folder: Path) -> bool:
    """Whether a folder is the root of a BIDS dataset."""
    return (folder / _DESCRIPTION).is_file()


def read_description(root: Path) -> dict[str, Any]:
    """A dataset's description.

    Raises
    ------
    CommandError
        If it cannot be read.
    """
    path = root / _DESCRIPTION
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read as JSON: fix it first.") from error
    if not isinstance(content, dict):
        raise CommandError(f"{path} describes no BIDS dataset: fix it first.")
    return content


def derivative_folder(root: Path, folder: Path) -> Path:
    """Where derivatives go: the folder itself, but ``derivatives/neural-diffusion`` in the dataset if that is named."""
    if folder.resolve() == root.resolve():
        return folder / "derivatives" / PIPELINE
    return folder / PIPELINE if folder.name == "derivatives" else folder


def find_bids_scans(root: Path) -> Iterator[Path]:
    """Anatomical MR scans of a dataset in the order of their names."""
    for pattern in ("sub-*/anat/sub-*", "sub-*/ses-*/anat/sub-*"):
        for path in sorted(root.glob(pattern)):
            stem, extension = split_name(path.name)
            *entities, suffix = stem.split("_")
            if extension in NIFTI_SUFFIXES and suffix in SCAN_SUFFIXES and not _OTHER_PARTS & set(entities):
                yield path


def bids_output(name: str) -> str:
    """The name of a denoised scan: with ``desc-denoised`` before the suffix, in place of any other description."""
    stem, extension = split_name(name)
    *entities, suffix = stem.split("_")
    kept = [entity for entity in entities if not entity.startswith("desc-")]
    return "_".join([*kept, "desc-denoised", suffix]) + extension


def bids_fields(root: Path, scan: Path) -> dict[str, Any]:
    """What BIDS wants the sidecar of a denoised scan to say, unless the metadata of the scan know better."""
    return {"Sources": [f"bids:{SOURCE_DATASET}:{scan.relative_to(root).as_posix()}"], "SkullStripped": False}


def write_derivative_description(root: Path, folder: Path) -> None:
    """Describe the derivatives in their folder.

    Raises
    ------
    CommandError
        If the folder is that of other derivatives, or of another dataset's, or cannot be written.
    """
    ours = {"Name": PIPELINE, "Version": __version__, "CodeURL": _CODE_URL}
    found: dict[str, Any] = {"Name": "MR scans denoised by Neural Diffusion"}
    others: list[Any] = []
    if is_dataset(folder):
        found = read_description(folder)
        makers = found.get("GeneratedBy")
        # Who comes first made the dataset, the others what it was made from.
        first = makers[0] if isinstance(makers, list) and makers else None
        if not isinstance(first, dict) or first.get("Name") != PIPELINE:
            raise CommandError(f"{folder} holds another BIDS dataset: choose an empty folder for the output.")
        others = makers[1:]
    links = found.get("DatasetLinks")
    links = links if isinstance(links, dict) else {}
    former = folder / str(links.get(SOURCE_DATASET))
    if is_dataset(former) and not former.samefile(root):
        raise CommandError(
            f"{folder} holds scans of another dataset, {former.resolve()}, some of which may have the same names: "
            f"choose another folder, such as {folder.name}-{root.name}."
        )
    content = {
        **found,
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [ours, *others],
        "DatasetLinks": {**links, SOURCE_DATASET: _link(root, folder)},
    }
    if found != content:
        write_json(folder / _DESCRIPTION, content)


def split_name(name: str) -> tuple[str, str]:
    """The name of a file without its extension, and that."""
    extension = next((end for end in NIFTI_SUFFIXES if name.endswith(end)), Path(name).suffix)
    return name.removesuffix(extension), extension


def _link(root: Path, folder: Path) -> str:
    """The dataset as seen from its derivatives; relative, so that it stays true when it is moved with them."""
    try:
        return Path(os.path.relpath(os.path.realpath(root), os.path.realpath(folder))).as_posix()
    except ValueError:
        # On another drive of Windows.
        return root.resolve().as_uri()
