"""One part of a split, read into memory for measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files.command_error import CommandError
from ..files.words import counted
from .slices import load_slices
from .splits import load_split


@dataclass(frozen=True)
class LoadedPart:
    """Slices of a part, in its order.

    `clean` is (slices, 128, 128), float32 in [0, 1]; `names` are those of the slices' files below the data folder, and
    `groups` holds the near-duplicate group of each slice. `split` and `part` are their names, `sha256` is that of the
    split.
    """

    clean: np.ndarray
    names: tuple[str, ...]
    groups: np.ndarray
    split: str
    part: str
    sha256: str

    @property
    def title(self) -> str:
        """For the heading of a table."""
        return f"{counted(len(self.clean), f'{self.part} slice')}, {self.split} split"

    def facts(self) -> dict[str, Any]:
        """What a file of results says of the slices."""
        return {
            "slices": len(self.clean),
            "groups": len(np.unique(self.groups)),
            "split": self.split,
            "part": self.part,
            "split_sha256": self.sha256,
        }


def load_part(folder: Path, split: str, part: str, limit: int = 0) -> LoadedPart:
    """Read the first `limit` slices of a part, or all of them if it is 0.

    Raises
    ------
    CommandError
        If the part is empty, or `load_split` or `load_slices` cannot read something.
    """
    loaded = load_split(split, folder)
    names = loaded.part(part)[:limit] if limit else loaded.part(part)
    if not names:
        raise CommandError(f"Split '{split}' has no {part} slices: choose another.")
    clean = load_slices(folder, names).astype(np.float32) / 255
    groups = np.array([loaded.groups[name] for name in names])
    return LoadedPart(clean, tuple(names), groups, loaded.name, part, loaded.sha256)
