"""Where the code of whoever measures runs: its own folder, neighbours among the modules, and settings of libraries."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import torch


@dataclass(frozen=True)
class _Settings:
    """What PyTorch and numpy keep for the whole process, as it is now: rows would else depend on each other."""

    threads: int = field(default_factory=torch.get_num_threads)
    default_type: torch.dtype = field(default_factory=torch.get_default_dtype)
    gradients: bool = field(default_factory=torch.is_grad_enabled)
    numpy_errors: dict[str, str] = field(default_factory=np.geterr)

    def take(self) -> None:
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        torch.set_default_dtype(self.default_type)
        torch.set_grad_enabled(self.gradients)
        np.seterr(**self.numpy_errors)


class OwnFolder:
    """A context in which the Python files of one folder run.

    They can import each other, but replace nothing that is installed, and files of the same name in two such folders
    are two modules. The current folder, the number of threads, PyTorch's default type and gradients, and numpy's
    warnings are within the context what they made of them the last time, and afterwards what they were before.

    Parameters
    ----------
    path
        The folder of the Python files, absolute.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._current = self._outside = os.getcwd()
        self._settings = self._settings_outside = _Settings()
        self._neighbours: dict[str, ModuleType] = {}
        self._loaded: set[str] = set()

    def __enter__(self) -> None:
        self._outside, self._loaded = os.getcwd(), set(sys.modules)
        self._settings_outside = _Settings()
        self._settings.take()
        os.chdir(self._current)
        sys.path.append(self._path)
        sys.modules.update(self._neighbours)

    def __exit__(self, *_error: object) -> None:
        self._settings = _Settings()
        self._settings_outside.take()
        for name in [name for name in sys.modules.keys() - self._loaded if self._is_neighbour(name)]:
            self._neighbours[name] = sys.modules.pop(name)
        # They may have changed the path, too, and have left a folder that is gone, as temporary ones are.
        with suppress(ValueError):
            sys.path.remove(self._path)
        with suppress(FileNotFoundError):
            self._current = os.getcwd()
        os.chdir(self._outside)

    def _is_neighbour(self, name: str) -> bool:
        """Whether a module, or the package that it is in, lies in the folder itself and is no other one's, too."""
        top = name.partition(".")[0]
        file = getattr(sys.modules.get(top), "__file__", None) if top not in self._loaded else None
        return file is not None and os.path.dirname(file) in (self._path, os.path.join(self._path, top))
