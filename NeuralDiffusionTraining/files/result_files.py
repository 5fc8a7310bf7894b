"""What the commands write: results as JSON, and any other file whole or not at all; and JSON read back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from NeuralDiffusionLib.file_names import are_same, check_no_pipe, is_pipe
from NeuralDiffusionLib.whole_files import write_whole

from .command_error import CommandError


def check_is_file(what: str, path: Path, instead: str) -> None:
    """Refuse what is to be read and is no file; `what` it is and what to give `instead` are parts of the sentence.

    Raises
    ------
    CommandError
        If it does not exist, or is a folder or a pipe.
    """
    if not os.path.exists(path):
        raise CommandError(f"{what} '{path}' does not exist: {instead}.")
    if os.path.isdir(path):
        raise CommandError(f"{what} '{path}' is a folder: {instead}.")
    if is_pipe(path):
        raise CommandError(f"{what} '{path}' is no file but a pipe or a device: {instead}.")


def check_file(path: Path | None) -> None:
    """Refuse a file, if one is asked for, that could not be written in the end, before any work is done.

    Raises
    ------
    CommandError
        If it is a folder, a pipe or a device, or its own folder does not exist or may not be written into.
    """
    if path is not None and os.path.isdir(path):
        raise CommandError(f"'{path}' is a folder: name a file.")
    if path is not None and (is_pipe(path) or _is_of_the_system(path)):
        # A file would take its place, which only root may do, but does.
        raise CommandError(f"'{path}' is no file but a pipe or a device: name a file.")
    _check_above(path)


def check_folder_to_make(path: Path | None) -> None:
    """Refuse a folder to write into, if one is asked for, that cannot be made, before any work is done.

    Raises
    ------
    CommandError
        If it is a file or may not be written into, or the folder above it does not exist.
    """
    if path is None or not os.path.exists(path):
        _check_above(path)
    elif not os.path.isdir(path):
        raise CommandError(f"'{path}' is a file: name a folder.")
    elif not os.access(path, os.W_OK):
        raise CommandError(f"Folder '{path}' may not be written into: choose another.")


def check_weights_file(path: Path) -> None:
    """Refuse a name for a file of weights that is that of something else, before any work is done.

    Raises
    ------
    CommandError
        If it does not end in ".pt".
    """
    if path.suffix != ".pt":
        raise CommandError(f"'{path}' is no name for a file of weights: let it end in .pt.")


def check_distinct(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = ()) -> None:
    """Refuse to write one file twice, or over what is read, before any work is done.

    Parameters
    ----------
    outputs, inputs
        Files to write and to read; ``None`` for those that are not asked for. Links count as what they lead to.

    Raises
    ------
    CommandError
        If two of the outputs are one file, or one of them is an input.
    """
    written: list[Path] = []
    read = [path for path in inputs if path is not None]
    for output in outputs:
        if output is None:
            continue
        if any(are_same(output, other) for other in read):
            raise CommandError(f"'{output}' would be written over what is read: choose another name for the output.")
        if any(are_same(output, other) for other in written):
            raise CommandError(f"'{output}' is given for two outputs: choose different names.")
        written.append(output)


def check_outputs(*outputs: Path | None, inputs: Iterable[Path | None] = ()) -> None:
    """Refuse files to write that `check_file` or `check_distinct` refuses, before any work is done.

    Raises
    ------
    CommandError
        If they cannot be written side by side.
    """
    for path in outputs:
        check_file(path)
    check_distinct(outputs, inputs)


def make_folder(path: Path) -> None:
    """Make a folder to write into, with those above it, unless it is there.

    Raises
    ------
    CommandError
        If it cannot be made, or may not be written into.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{path} cannot be made ({error.strerror}): choose another folder.") from error
    if not os.access(path, os.W_OK):
        raise CommandError(f"{path} may not be written into: choose another folder.")


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write one file, whole or not at all.

    Raises
    ------
    CommandError
        If it cannot be written.
    """
    try:
        write_whole([(path, write)])
    except OSError as error:
        raise CommandError(f"'{path}' cannot be written ({error.strerror}): name another place.") from error


def write_text(path: Path, text: str) -> None:
    """Write one text file, whole or not at all.

    Raises
    ------
    CommandError
        If it cannot be written.
    """
    write_file(path, _writer(text))


def write_texts(texts: Sequence[tuple[Path, str]]) -> None:
    """Write several text files, all or none.

    Raises
    ------
    CommandError
        If one cannot be written.
    """
    write_files([(path, _writer(text)) for path, text in texts])


def write_files(targets: Sequence[tuple[Path, Callable[[Path], object]]]) -> None:
    """Write several files, all or none; see `write_whole`.

    Raises
    ------
    CommandError
        If one cannot be written.
    """
    try:
        write_whole(targets)
    except OSError as error:
        names = " and ".join(str(path) for path, _ in targets)
        raise CommandError(f"{names} cannot be written ({error.strerror}): name another folder.") from error


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write results; JSON knows no infinity, so the PSNR of equal pictures becomes null."""
    text = json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"
    write_text(path, text)


def read_json(path: Path) -> Any:
    """Read a JSON file, whoever wrote it.

    Raises
    ------
    OSError
        If it cannot be read, or is a pipe.
    ValueError
        If it is not JSON, or nested so deeply that it cannot be read.
    """
    check_no_pipe(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _writer(text: str) -> Callable[[Path], object]:
    # Names of files in it may be no UTF-8.
    return partial(Path.write_text, data=text, encoding="utf-8", errors="backslashreplace")


def _is_of_the_system(path: Path) -> bool:
    """Whether it is a name such as /dev/stdout, which may lead to a file."""
    above = Path(os.path.realpath(path.parent))
    return above == Path("/dev") or above.is_relative_to("/proc")


def _check_above(path: Path | None) -> None:
    if path is None:
        return
    # A link in the place of the file is replaced, so the folder that it leads into does not matter.
    above = Path(os.path.realpath(path.parent))
    if above.exists() and not above.is_dir():
        raise CommandError(f"'{above}' is a file, in which nothing can be written: name a folder.")
    if not above.is_dir():
        raise CommandError(f"Folder '{above}' does not exist: create it first.")
    if not os.access(above, os.W_OK):
        raise CommandError(f"Folder '{above}' may not be written into: choose another.")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
