"""Under which circumstances something was measured."""

from __future__ import annotations

import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import torch


def run_facts() -> dict[str, Any]:
    """The command as it was typed, the versions and the hardware, for the file of results."""
    return {
        "command": command_line(sys.argv[1:]),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "hardware": hardware(),
    }


def command_line(arguments: list[str]) -> str:
    """`neural-diffusion` with its arguments.

    Of paths outside the working folder only the name stands, which means something elsewhere too.
    """
    return shlex.join(["neural-diffusion", *map(_without_folder, arguments)])


def hardware() -> str:
    """Processor family, the instructions torch uses on it and, if there is one, the GPU."""
    parts = [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def device_name(device: str) -> str:
    """What a table calls a device of PyTorch: "CPU", "MPS", or the name of the card."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device.upper()


def _without_folder(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    path = Path(value)
    return f"{option}{equals}{path.name}" if path.is_absolute() or ".." in path.parts else argument
