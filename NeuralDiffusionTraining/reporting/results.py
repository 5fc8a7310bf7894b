"""The folder of results: what was measured, told apart by what the files say of themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from NeuralDiffusionLib import NOISE_TYPES

from ..benchmark.methods import NOISY_INPUT, OUR_GROUP
from ..data.splits import NAMES
from ..files.command_error import CommandError
from ..files.result_files import read_json
from ..speed.aims import is_finished
from ..speed.bench_volume import SHAPE
from .measured_settings import is_default, is_default_cell
from .result_contents import KINDS, fault_of

FIGURES = "figures"
"""Entry of a file's metadata: what was measured with these weights."""

MEASURED_AS = "measured_sha256"
"""Entry of a file's metadata: its SHA-256 before its figures were put into it, which changed that."""


def names_of(sha256: str, metadata: Mapping[str, str]) -> set[str]:
    """The hashes under which a file of weights was measured."""
    return {sha256, metadata.get(MEASURED_AS, sha256)}


@dataclass(frozen=True)
class Result:
    """One file: its name without folder, what it holds, and its content, with NaN and infinity as they were."""

    name: str
    kind: str
    content: dict[str, Any]

    def is_of(self, names: Set[str]) -> bool:
        """Whether it was measured with weights of one of these hashes; also of what networks were trained for."""
        return self.content.get("weights_sha256") in {None, *names}

    def concerns(self, names: Set[str]) -> bool:
        """Whether it `is_of` weights of one of these hashes, or of such as were adapted from them."""
        return self.is_of(names) or self.content.get("adapted_from_sha256") in names


@dataclass(frozen=True)
class Results:
    """Every file of a folder; `curves` are the learning curves, by the name of their file without ending."""

    files: tuple[Result, ...]
    curves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    unknown: tuple[str, ...] = field(default=())

    def of(self, kind: str, where: Callable[[dict[str, Any]], bool] = lambda content: True) -> list[Result]:
        """Files of a kind, in the order of their names."""
        return [one for one in self.files if one.kind == kind and where(one.content)]

    def tables(self, split: str | None = None) -> list[Result]:
        """Evaluations of test slices with drawn noise levels at the default settings.

        Rician noise first, then the most slices, so that no quick look takes the place of the whole part, then the most
        rows.
        """
        found = self.of("evaluation", lambda c: is_default(c) and split in (None, c["split"]))

        def order(one: Result) -> tuple[int, int, int]:
            content = one.content
            return NOISE_TYPES.index(content["noise"]), -content["slices"], -len(content["rows"])

        return sorted(found, key=order)

    def sweeps(self) -> list[Result]:
        """Those with something at the default settings first, of them the original split, then the most slices.

        The original split is the one to compare with what was published. Of as many slices, the one with the most cells
        at the default settings comes first.
        """

        def order(one: Result) -> tuple[bool, bool, int, int]:
            content = one.content
            usual = sum(map(is_default_cell, content["cells"])) if is_default(content) else 0
            return not usual, content["split"] != "original", -content["slices"], -usual

        return sorted(self.of("sweep"), key=order)

    def checks(self) -> list[Result]:
        """Checks of fidelity: the default settings, the original split, Rician noise and the most slices first."""

        def order(one: Result) -> tuple[bool, bool, int, int, int]:
            content = one.content
            place = content["split"] != "original", NOISE_TYPES.index(content["noise"])
            return not is_default(content), *place, -content["slices"], -len(content["envelope"])

        return sorted(self.of("checks"), key=order)

    def volumes(self, adapted: bool = False) -> list[Result]:
        """Measurements of whole scans, those at the default settings first.

        With `adapted` they are those of weights that blind-spot training fitted to a scan.
        """
        found = self.of("volumes", lambda content: bool(content.get("adapted_from_sha256")) == adapted)
        return sorted(found, key=lambda one: not is_default(one.content))

    def ablations(self) -> list[Result]:
        """Ablations under Rician noise with the usual seed, of parts or networks; the committed splits first."""
        return sorted(self.of("ablation", _is_usual_ablation), key=lambda one: _place_of_split(one.content))

    def benches(self) -> list[Result]:
        """Timings: finished runs, those of the usual volume, and the most methods first."""

        def order(one: Result) -> tuple[bool, bool, int]:
            content = one.content
            return not is_finished(content), tuple(content["shape"]) != SHAPE, -len(content["rows"])

        return sorted(self.of("bench"), key=order)

    def headline(self) -> Result | None:
        """Rician noise on the original split, the first of its `tables`; another table where there is none."""
        found = [*self.tables("original"), *self.tables()]
        return found[0] if found else None


def read_results(folder: Path) -> Results:
    """Read every JSON file of a folder, and note its learning curves (files whose names end in curves.csv).

    Raises
    ------
    CommandError
        If there is no such folder, or `read_result` refuses a file.
    """
    if not folder.is_dir():
        raise CommandError(f"Folder '{folder}' does not exist: give the folder that the results were written to.")
    files, unknown = [], []
    measured, curves = _files_of(folder)
    for path in measured:
        result = read_result(path)
        if result is None:
            unknown.append(path.name)
        else:
            files.append(result)
    learned = {}
    for path in curves:
        table = _read_curves(path)
        if table is None:
            unknown.append(path.name)
        else:
            learned[path.stem] = table
    return Results(tuple(files), learned, tuple(unknown))


def refuse_other_weights(results: Results, folder: Path, weights: Path, names: Set[str]) -> None:
    """Refuse results of a folder that do not concern the weights whose figures are published.

    Parameters
    ----------
    results, folder
        What was read, and from where.
    weights, names
        File of weights, and the hashes under which it was measured.

    Raises
    ------
    CommandError
        If some were measured with other weights.
    """
    for one in results.files:
        if not one.concerns(names):
            raise CommandError(
                f"Result '{folder / f'{one.name}.json'}' was measured with other weights than '{weights}': measure it "
                "again, or give those with --weights."
            )


def files_of_results(folder: Path) -> list[Path]:
    """What `read_results` reads of a folder, whether or not it exists."""
    return [path for found in _files_of(folder) for path in found]


def read_result(path: Path) -> Result | None:
    """Read one file; ``None`` if it holds no results.

    Raises
    ------
    CommandError
        If it cannot be read, was written by an older version, or lacks what its kind holds.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise CommandError(f"Result '{path}' cannot be read ({error.strerror}): name another file.") from error
    except ValueError as error:
        raise CommandError(f"Result '{path}' is damaged: delete it, or measure it again.") from error
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind not in KINDS:
        return None
    # Only the newer versions note how something was measured.
    if "command" not in content:
        raise CommandError(f"Result '{path}' was written by an older version: measure it again.")
    fault = fault_of(kind, content)
    if fault is not None:
        raise CommandError(f"Result '{path}' lacks a sound '{fault}': delete it, or measure it again.")
    return Result(path.stem, kind, _restored(content))


def splits_of(found: Sequence[Result]) -> list[str]:
    """The splits that results are of, each once: the committed ones before one's own."""
    measured = dict.fromkeys(one.content["split"] for one in found)
    return [*(name for name in NAMES if name in measured), *(name for name in measured if name not in NAMES)]


def our_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of ours: 8 neighbours with refinement first."""
    return [row for row in rows if row["group"] == OUR_GROUP]


def best_row(rows: Sequence[dict[str, Any]], *groups: str, sigma: str | None = None) -> dict[str, Any] | None:
    """The row of the highest PSNR among some groups, and among those that are given that noise level."""
    fitting = [row for row in rows if row["group"] in groups and sigma in (None, row["sigma"])]
    return max(fitting, key=lambda row: row["psnr_db"]["mean"], default=None)


def noisy_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row that does nothing."""
    return next((row for row in rows if row["method"] == NOISY_INPUT), None)


def _place_of_split(content: dict[str, Any]) -> int:
    """The committed splits in their order, and then one's own."""
    return NAMES.index(content["split"]) if content["split"] in NAMES else len(NAMES)


def _is_usual_ablation(content: dict[str, Any]) -> bool:
    # Older files, all of Rician noise and one seed, do not say.
    usual = content.get("noise", "rician") == "rician" and content.get("seed", 0) == 0
    return usual and content.get("of") != "optimisers"


def _files_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """Files of results, and of learning curves."""
    return sorted(folder.glob("*.json")), sorted(folder.glob("*curves.csv"))


def _read_curves(path: Path) -> pd.DataFrame | None:
    """Learning curves of a training run; ``None`` for another table."""
    try:
        table = pd.read_csv(path)
    except OSError as error:
        raise CommandError(f"'{path}' cannot be read ({error.strerror}): name another folder.") from error
    except ValueError as error:
        raise CommandError(f"'{path}' is no table of learning curves: copy it again, or delete it.") from error
    return table if {"step", "epoch"} <= set(table) else None


def _restored(value: Any) -> Any:
    """JSON has no NaN and no infinity; both were written as null."""
    if isinstance(value, list):
        return [_restored(one) for one in value]
    if not isinstance(value, dict):
        return value
    if not {"mean", "low", "high"} <= value.keys():
        return {name: _restored(one) for name, one in value.items()}
    unknown = {name: math.nan if one is None else one for name, one in value.items()}
    if value.get("infinite_slices") and value["mean"] is None:
        unknown["mean"] = math.inf
    return unknown
