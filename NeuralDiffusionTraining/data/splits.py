"""Splits of the slices into training, validation and test part, kept as files of names."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from ..files.command_error import CommandError
from ..files.result_files import read_json, write_texts
from .near_duplicates import CRITERION
from .slices import check_data_folder

COMMITTED = Path(__file__).parent / "splits"
NAMES = ("original", "grouped")
SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}
PARTS = tuple(SHARES)
_SEED = 42


@dataclass(frozen=True)
class Split:
    """Names of slices, as "class/file", part by part; order matters, as the benchmark's noise follows it.

    `groups` has a number for each name; near-duplicates share one.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    groups: dict[str, int] = field(repr=False)

    def part(self, part: str) -> tuple[str, ...]:
        """One of `PARTS`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[part]

    @property
    def sha256(self) -> str:
        """SHA-256 of the names, part by part, in order."""
        lines = [f"{part}:{name}" for part in PARTS for name in self.part(part)]
        # Names may be no UTF-8.
        return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()

    @property
    def leak(self) -> float:
        """Share of test slices of which the training part has a near-duplicate."""
        return self.related(self.test, self.train) / max(1, len(self.test))

    def related(self, names: Sequence[str], others: Sequence[str]) -> int:
        """How many of some slices of this split are among others, or have a near-duplicate there."""
        seen = {self.groups[name] for name in others}
        return sum(self.groups[name] in seen for name in names)


def original_split(names: Sequence[str], groups: dict[str, int]) -> Split:
    """The original project's split, 70 / 15 / 15 % by class, of names in the order of `slices.list_slices`.

    Near-duplicates are scattered over all parts: see `Split.leak`.

    Raises
    ------
    CommandError
        If a class has too few slices to give each part one.
    """
    try:
        train, rest = train_test_split(names, test_size=0.30, random_state=_SEED, stratify=_labels(names))
        validation, test = train_test_split(rest, test_size=0.50, random_state=_SEED, stratify=_labels(rest))
    except ValueError as error:
        raise CommandError(
            f"{len(names)} slices cannot be split into three parts with both classes in each: "
            "give at least seven slices of each class."
        ) from error
    return Split("original", tuple(train), tuple(validation), tuple(test), groups)


def grouped_split(names: Sequence[str], groups: dict[str, int]) -> Split:
    """Whole groups of near-duplicates to one part; 70 / 15 / 15 % of each class.

    Groups are dealt out in the order of their size, equal ones shuffled, each to the part that lacks the largest share
    of its slices: every part gets large and small groups, and the small ones at the end even out the numbers.

    Raises
    ------
    CommandError
        If a class has too few different pictures to give each part one.
    """
    generator = np.random.default_rng(_SEED)
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    home: dict[int, str] = {}
    for label in sorted(set(_labels(names))):
        members: dict[int, list[str]] = {}
        for name in names:
            if name.startswith(f"{label}/"):
                members.setdefault(groups[name], []).append(name)
        shuffled = [list(members.values())[index] for index in generator.permutation(len(members))]
        wanted = {part: share * sum(map(len, shuffled)) for part, share in SHARES.items()}
        lacking = dict(wanted)
        # First those that have slices in a class before this one: they stay where these are.
        for group in sorted(shuffled, key=lambda group: (groups[group[0]] in home, len(group)), reverse=True):
            number = groups[group[0]]
            part = home.setdefault(number, max(PARTS, key=lambda part: lacking[part] / wanted[part]))
            parts[part] += group
            lacking[part] -= len(group)
        if any(not any(name.startswith(f"{label}/") for name in names) for names in parts.values()):
            raise CommandError(
                f"Class '{label}' has too few pictures that are not alike ({len(shuffled)} kinds) to split into three "
                "parts: give more."
            )
    # Mixed, so that the first slices of a part stand for all of it.
    train, validation, test = (tuple(part[i] for i in generator.permutation(len(part))) for part in parts.values())
    return Split("grouped", train, validation, test, groups)


def load_split(name_or_path: str, folder: Path) -> Split:
    """Read a split and check that the folder has its slices.

    Parameters
    ----------
    name_or_path
        ``"original"`` or ``"grouped"``, the committed splits of Br35H, or the path of a file that `write_splits` wrote:
        a split of other slices by one of these names is called "own original" or "own grouped", so that no table takes
        the one for the other.
    folder
        Holds the class folders.

    Raises
    ------
    CommandError
        If there is no such split, its file is damaged, or a slice is missing in the folder.
    """
    path = COMMITTED / f"{name_or_path}.json" if name_or_path in NAMES else Path(name_or_path)
    split = read_split(path)
    if split.name in NAMES and split.sha256 != read_split(COMMITTED / f"{split.name}.json").sha256:
        split = replace(split, name=f"own {split.name}")
    check_data_folder(folder)
    missing = [name for part in PARTS for name in split.part(part) if not (folder / name).is_file()]
    if missing:
        raise CommandError(
            f"Data folder '{folder}' lacks {len(missing)} slices of the split '{name_or_path}', {missing[0]} for one: "
            f"write splits of your own slices with 'neural-diffusion data check {folder} --splits FOLDER' "
            "and give '--split FOLDER/grouped.json'."
        )
    return split


def read_split(path: Path) -> Split:
    """Read a split file.

    Raises
    ------
    CommandError
        If it cannot be read, is damaged, or names a slice twice.
    """
    try:
        content = read_json(path)
        parts = {part: tuple(content[part]) for part in PARTS}
        names = [name for part in PARTS for name in parts[part]]
        together = {name: number for number, group in enumerate(content["near_duplicates"]) for name in group}
        alone = iter(range(len(content["near_duplicates"]), len(content["near_duplicates"]) + len(names)))
        groups = {name: together[name] if name in together else next(alone) for name in names}
        split = Split(str(content["name"]), **parts, groups=groups)
        written = content["sha256"]
    except OSError as error:
        raise CommandError(
            f"Split '{path}' cannot be read ({error.strerror}): choose original, grouped or a split file."
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise CommandError(
            f"Split '{path}' is not a split file: write one with 'neural-diffusion data check DIR --splits FOLDER'."
        ) from error
    if written != split.sha256 or len(set(names)) < len(names):
        raise CommandError(f"Split '{path}' was changed since it was written: write it again.")
    return split


def write_splits(splits: Sequence[Split], folder: Path) -> None:
    """Write each split to a file of its name, all or none, one name a line.

    Raises
    ------
    CommandError
        If they cannot be written.
    """
    write_texts([(folder / f"{split.name}.json", _to_json(split)) for split in splits])


def _to_json(split: Split) -> str:
    members: dict[int, list[str]] = {}
    for name, group in split.groups.items():
        members.setdefault(group, []).append(name)
    content = {
        "name": split.name,
        "made_by": "neural-diffusion data check DIR --splits FOLDER",
        "criterion": CRITERION,
        "sha256": split.sha256,
        "near_duplicates": [group for group in members.values() if len(group) > 1],
        **{part: list(split.part(part)) for part in PARTS},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _labels(names: Sequence[str]) -> list[str]:
    return [name.split("/")[0] for name in names]
