"""The command line: `neural-diffusion COMMAND`, and how it ends."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from NeuralDiffusionLib import DeviceError, InvalidVolumeError, WeightsError, __version__

from .commands.ablate import ablate
from .commands.adapt import adapt
from .commands.batch import batch
from .commands.bench import bench
from .commands.card import card
from .commands.data_check import data
from .commands.denoise import denoise
from .commands.evaluate import evaluate
from .commands.evaluate_volumes import evaluate_volumes
from .commands.export import export
from .commands.fidelity import fidelity
from .commands.report import report
from .commands.scale import scale
from .commands.segmentation import segmentation
from .commands.sweep import sweep
from .commands.train import train
from .commands.tune import tune
from .commands.tune_volumes import tune_volumes
from .files.command_error import CommandError

PROGRAM = "neural-diffusion"
STATUS_BAD_INPUT = 2
STATUS_CANCELLED = 130
_OWN = ("NeuralDiffusionLib", "NeuralDiffusionTraining")
_EXTRAS = {"dask": "batch", "distributed": "batch"}

app = typer.Typer(
    help="Remove noise from MR scans with a learned diffusion equation, and train or measure the network behind it.",
    epilog="Research software, not for diagnosis. See the options of a command with: neural-diffusion COMMAND --help",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

_COMMANDS = {
    "Denoise": (denoise, batch, scale),
    "Train": (train, adapt, export),
    "Measure": (evaluate, fidelity, sweep, segmentation, evaluate_volumes, ablate, bench, tune, tune_volumes),
    "Report": (report, card),
}
"""What `--help` lists, in this order, under these titles."""

for purpose, commands in _COMMANDS.items():
    for command in commands:
        # Only `bench` has something to do without any option.
        app.command(no_args_is_help=command is not bench, rich_help_panel=purpose)(command)
app.add_typer(data, name="data", rich_help_panel="Train")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """Run the command line and exit: 0 done, 2 bad input (one sentence on standard error), 130 cancelled."""
    for stream in (sys.stdout, sys.stderr):
        # Names of files may hold what a terminal, or a log, cannot show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        os.getcwd()
    except FileNotFoundError:
        # A library that PyTorch loads would end the process over it.
        _fail("The current folder is gone: change into another.")
    if "" in sys.argv[1:]:
        # For a path it would mean the current folder.
        _fail("One of the arguments is empty: give it a value, or leave it out (was a variable of the shell unset?).")
    try:
        status = app(prog_name=PROGRAM, standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        asked = context.command_path if context else " ".join([PROGRAM, *_command()])
        sentence = error.format_message().replace("Value error, ", "").rstrip(".")
        if not sentence:
            # Nothing was asked for, and the help was shown.
            sys.exit(STATUS_BAD_INPUT)
        # typer ends some of its sentences with a full stop, some with a question, and some with nothing.
        _fail(f"{sentence} See {asked} --help." if sentence.endswith("?") else f"{sentence}: see {asked} --help.")
    except (CommandError, DeviceError, InvalidVolumeError, WeightsError) as error:
        _fail(str(error))
    except MemoryError as error:
        _fail(f"The memory is full ({error or 'no more to be had'}): close other programs, or take a smaller scan.")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OWN:
            raise
        package = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(package, "train")
        _fail(f"This command needs the Python package '{package}': pip install '.[{extra}]' in the checkout.")
    except OSError as error:
        if _can_show():
            raise
        _fail(
            f"Standard output cannot be written ({error.strerror}), so that not all was shown: send it elsewhere, or "
            "free some space."
        )
    if status == STATUS_CANCELLED:
        typer.echo("Cancelled.", err=True)
    sys.exit(status or 0)


def _command() -> list[str]:
    """The command that was given, where the error does not know it; of "data" its own command, too."""
    known = [command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands]
    groups = [group.name for group in app.registered_groups]
    given = sys.argv[1:2]
    return sys.argv[1:3] if given and given[0] in groups else [name for name in given if name in known]


def _can_show() -> bool:
    """Whether standard output takes an empty line; if not, it leads nowhere from now on."""
    try:
        print(flush=True)
    except OSError:
        # What is left of it would be tried again at the end, which complains in words of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _fail(sentence: str) -> None:
    typer.echo(sentence, err=True)
    sys.exit(STATUS_BAD_INPUT)
