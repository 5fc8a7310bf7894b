"""BIDS: what a dataset says of a scan in JSON files, and what of it stays true of the denoised one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..files.command_error import CommandError
from ..files.result_files import read_json
from .bids import SOURCE_DATASET, split_name

# They tell how the scan's own file was made.
_OF_THE_FILE = ("Description", "Sources", "RawSources")


def metadata_files(root: Path, scan: Path, json_files: Callable[[Path], Iterable[Path]]) -> tuple[Path, ...]:
    """The JSON files of a dataset that apply to a scan, from the general to the particular.

    Parameters
    ----------
    root
        Of the dataset.
    scan
        In the dataset.
    json_files
        Gives the JSON files of a folder.
    """
    *entities, suffix = split_name(scan.name)[0].split("_")
    folders = [folder for folder in reversed(scan.parents) if folder == root or root in folder.parents]
    return tuple(path for folder in folders for path in json_files(folder) if _applies(path, entities, suffix))


def kept_metadata(files: Iterable[Path]) -> dict[str, Any]:
    """What the files say of a scan and of what is denoised of it; the more particular file has the last word.

    Raises
    ------
    CommandError
        If one cannot be read.
    """
    found: dict[str, Any] = {}
    for path in files:
        try:
            found |= read_json(path)
        except OSError as error:
            raise CommandError(f"{path} cannot be read ({error.strerror}): make it readable first.") from error
        except (ValueError, TypeError) as error:
            raise CommandError(f"{path} cannot be read as JSON: fix it first.") from error
    kept = {name: value for name, value in found.items() if name not in _OF_THE_FILE}
    # A file without the name of its dataset is one of the dataset that says so.
    return json.loads(json.dumps(kept).replace('"bids::', f'"bids:{SOURCE_DATASET}:'))


def _applies(path: Path, entities: Iterable[str], suffix: str) -> bool:
    *own, own_suffix = path.stem.split("_")
    return own_suffix == suffix and set(own) <= set(entities)
