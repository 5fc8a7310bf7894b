"""Which rows a table shall have, as `evaluate`, `fidelity` and `segmentation` are asked for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..files.checksum import sha256_of
from ..files.command_error import CommandError
from ..files.result_files import check_is_file

if TYPE_CHECKING:
    from NeuralDiffusionLib import Denoiser, DenoiseSettings

    from ..benchmark.methods import Method

ROWS = ("published", "tuned", "peers", "ours", "levers")
_NOT_IN_ALL = {"levers"}


def asked_rows(methods: str) -> set[str]:
    """The kinds of rows in a comma list; the noisy input is always there, so naming it is no mistake.

    Raises
    ------
    CommandError
        If one is not known, or none is named.
    """
    asked = {name.strip() for name in methods.split(",") if name.strip()}
    unknown = asked - {*ROWS, "input", "all"}
    if unknown or not asked:
        raise CommandError(
            f"Rows '{', '.join(sorted(unknown)) or methods}' are not known: choose from {', '.join(ROWS)} or all."
        )
    return (asked | set(ROWS) - _NOT_IN_ALL) - {"all"} if "all" in asked else asked


def name_and_checkpoint(text: str) -> tuple[str, Path]:
    """Take ``"NAME=CHECKPOINT"`` apart.

    Raises
    ------
    CommandError
        If one of the two is missing, or there is no such file.
    """
    name, equals, path = text.partition("=")
    if not (name.strip() and equals and path):
        raise CommandError(f"'--trained {text}' names no row and file: write NAME=CHECKPOINT, such as U-Net=best.ckpt.")
    check_is_file("Checkpoint", Path(path), "give a file that 'neural-diffusion train' wrote")
    return name.strip(), Path(path)


def check_tuned(file: Path | None, asked: set[str], noise: str) -> None:
    """Refuse a file of --tuned, if one is given, that no row could take its parameters from, before any work is done.

    Raises
    ------
    CommandError
        If it has no parameters for the noise type, or the rows that have such parameters are not asked for.
    """
    from ..benchmark.tuned import read_parameters

    if file is None:
        return
    if "tuned" not in asked:
        raise CommandError(f"No row takes parameters from '{file}': add tuned to --methods, or leave out --tuned.")
    check_is_file("File of parameters", file, "give one that 'neural-diffusion tune' wrote")
    read_parameters(noise, file)


def tuned_words(file: Path | None) -> str:
    """What the title of a table says of a file of --tuned; nothing if none is given."""
    return "" if file is None else f", filters tuned by '{file.name}'"


def file_sha256(path: Path | None) -> str | None:
    """SHA-256 of a file that parameters were taken from; ``None`` for that of the package.

    Raises
    ------
    CommandError
        If it cannot be read.
    """
    try:
        return None if path is None else sha256_of(path)
    except OSError as error:
        raise CommandError(f"'{path}' cannot be read ({error.strerror}): give another file.") from error


def build_rows(
    asked: set[str],
    checkpoints: list[tuple[str, Path]],
    own: list[Method],
    denoiser: Denoiser,
    settings: DenoiseSettings,
    neighbours: int | None,
    precision: str,
    tuned_file: Path | None,
) -> tuple[list[Method], list[str]]:
    """The rows that were asked for, in the order of the table, and why some of them are not there.

    The classical filters take their parameters from `tuned_file`, if one is given.

    Raises
    ------
    CommandError
        If two rows share a name.
    """
    from ..benchmark.evaluation import noisy_input
    from ..benchmark.learned import TABLE_NEIGHBOURHOODS, ours
    from ..benchmark.learned import trained as trained_row
    from ..benchmark.methods import check_names

    rows, skipped = [noisy_input()], []
    if "published" in asked:
        from ..benchmark.classical import as_published

        rows += as_published()
    if "tuned" in asked:
        from ..benchmark.tuned import PARAMETERS, tuned

        rows += tuned(settings.noise, tuned_file or PARAMETERS)
    if "peers" in asked:
        from ..benchmark.peers import peers

        installed, skipped = peers(settings.noise)
        rows += installed
    rows += [trained_row(name, path, settings, denoiser.device, precision) for name, path in checkpoints]
    rows += own
    if "ours" in asked:
        rows += ours(denoiser, settings, TABLE_NEIGHBOURHOODS if neighbours is None else (neighbours,))
    if "levers" in asked:
        from ..speed.levers import lever_rows

        rows += lever_rows(denoiser, settings)
    check_names([row.name for row in rows])
    return rows, skipped
