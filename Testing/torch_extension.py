"""What the tests of PyTorch's absence share: a Slicer without it, and one that has the PyTorch extension."""

from __future__ import annotations

import importlib.machinery
import sys
import types

import pytest


class PyTorchUtilsLogic:
    """Slicer's PyTorch extension: `installTorch` gives the module, None when declined, or fails as pip does."""

    outcome = None
    installations = 0

    def installTorch(self, torchVersionRequirement=None):
        type(self).installations += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome is not None:
            sys.modules["torch"] = self.outcome
        return self.outcome


@pytest.fixture
def no_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def extension(monkeypatch, no_torch):
    """The extension, in a Slicer without PyTorch; its `outcome` is to be set."""
    module = types.ModuleType("PyTorchUtils")
    module.__spec__ = importlib.machinery.ModuleSpec("PyTorchUtils", None)
    module.PyTorchUtilsLogic = type("PyTorchUtilsLogic", (PyTorchUtilsLogic,), {})
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    return module.PyTorchUtilsLogic


def torch_of(version):
    """Return a module that says to be PyTorch of a version."""
    module = types.ModuleType("torch")
    module.__version__ = version
    module.__spec__ = importlib.machinery.ModuleSpec("torch", None)
    return module
