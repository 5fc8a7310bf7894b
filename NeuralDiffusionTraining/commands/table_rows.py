"""Which rows a table shall have, as `evaluate`, `fidelity` and `segmentation` are asked for them."""

from __future__ import annotations

from collections.abc import Sequence
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


def foreign_sha256(path: Path, packaged: Path) -> str | None:
    """SHA-256 of a file that parameters were taken from; ``None`` if it is a copy of the one of the package.

    Raises
    ------
    CommandError
        If it cannot be read.
    """
    try:
        found = sha256_of(path)
    except OSError as error:
        raise CommandError(f"'{path}' cannot be read ({error.strerror}): give another file.") from error
    return None if found == sha256_of(packaged) else found


class AskedRows:
    """The rows of a table as options ask for them, from the first check to the methods.

    Parameters
    ----------
    methods
        Kinds of rows, as for `asked_rows`.
    trained
        Checkpoints, each ``"NAME=CHECKPOINT"``.
    own, own_told
        Methods of whoever measures, as for `own_methods`; the latter are told the noise level.
    tuned
        File from which the classical filters take their parameters; that of the package if ``None``.

    Raises
    ------
    CommandError
        If a kind is not known, or a checkpoint is not there.
    """

    def __init__(
        self,
        methods: str,
        trained: list[str] | None,
        own: list[str] | None,
        own_told: list[str] | None,
        tuned: Path | None,
    ) -> None:
        self.kinds = asked_rows(methods)
        self.tuned = tuned
        self._checkpoints = [name_and_checkpoint(text) for text in trained or []]
        self._blind, self._told = own or [], own_told or []
        self._own: list[Method] = []
        self._tuned_sha256: str | None = None

    @property
    def files(self) -> list[Path | None]:
        """Every file that the rows come from: no output may replace one."""
        from ..benchmark.own_methods import own_files

        return [self.tuned, *(path for _, path in self._checkpoints), *own_files([*self._blind, *self._told])]

    @property
    def tuned_words(self) -> str:
        """What the title of the table says of a file of parameters; nothing if none was given."""
        return "" if self.tuned is None else f", filters tuned by '{self.tuned.name}'"

    def facts(self) -> dict[str, str | None]:
        """What a file of results tells of them, for JSON; known once they were read."""
        return {"tuned_sha256": self._tuned_sha256}

    def read(self, noise: str) -> None:
        """Import the own methods and check the file of parameters, before anything takes time.

        Raises
        ------
        CommandError
            If an own method is not there, the file has no parameters for the noise type, or no row takes any.
        """
        from ..benchmark.own_methods import own_methods
        from ..benchmark.peers.tuned import PARAMETERS, read_parameters

        self._own = own_methods(self._blind, self._told)
        if self.tuned is None:
            return
        if "tuned" not in self.kinds:
            raise CommandError(
                f"No row takes parameters from '{self.tuned}': add tuned to --methods, or leave out --tuned."
            )
        check_is_file("File of parameters", self.tuned, "give one that 'neural-diffusion tune' wrote")
        read_parameters(noise, self.tuned)
        self._tuned_sha256 = foreign_sha256(self.tuned, PARAMETERS)

    def build(
        self, denoiser: Denoiser, settings: DenoiseSettings, neighbourhoods: Sequence[int], precision: str
    ) -> tuple[list[Method], list[str]]:
        """Make the methods, in the order of the table, and say why some of them are not there.

        Parameters
        ----------
        denoiser
            Of our rows, and where the networks compute.
        settings
            What they are told.
        neighbourhoods
            Of our rows, one each.
        precision
            Of the networks' passes.

        Raises
        ------
        CommandError
            If two rows share a name.
        """
        from ..benchmark.evaluation import noisy_input
        from ..benchmark.learned import ours
        from ..benchmark.learned import trained as trained_row
        from ..benchmark.methods import check_names

        rows, skipped = [noisy_input()], []
        if "published" in self.kinds:
            from ..benchmark.peers.classical import as_published

            rows += as_published()
        if "tuned" in self.kinds:
            from ..benchmark.peers.tuned import PARAMETERS, tuned

            rows += tuned(settings.noise, self.tuned or PARAMETERS)
        if "peers" in self.kinds:
            from ..benchmark.peers.other_programs import peers

            installed, skipped = peers(settings.noise)
            rows += installed
        rows += [trained_row(name, path, settings, denoiser.device, precision) for name, path in self._checkpoints]
        rows += self._own
        if "ours" in self.kinds:
            rows += ours(denoiser, settings, neighbourhoods)
        if "levers" in self.kinds:
            from ..speed.levers import lever_rows

            rows += lever_rows(denoiser, settings)
        check_names([row.name for row in rows])
        return rows, skipped
