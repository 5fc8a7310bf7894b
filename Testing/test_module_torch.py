"""PyTorch is asked for, installed through its extension, or its absence explained."""

from __future__ import annotations

import importlib.machinery
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from NeuralDiffusionLib.slicer_torch import MINIMUM_VERSION, ensure_torch, torch_installed


class PyTorchUtilsLogic:
    """Slicer's PyTorch extension: `installTorch` gives the module, None when declined, or fails as pip does."""

    outcome = None

    def installTorch(self, torchVersionRequirement=None):
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
    module = types.ModuleType("PyTorchUtils")
    module.__spec__ = importlib.machinery.ModuleSpec("PyTorchUtils", None)
    module.PyTorchUtilsLogic = type("PyTorchUtilsLogic", (PyTorchUtilsLogic,), {})
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)
    return module.PyTorchUtilsLogic


def torch_of(version):
    module = types.ModuleType("torch")
    module.__version__ = version
    module.__spec__ = importlib.machinery.ModuleSpec("torch", None)
    return module


def never_asked(text):
    raise AssertionError(f"The user was asked: {text}")


def test_nothing_is_asked_when_torch_is_there():
    assert torch_installed()
    ensure_torch(never_asked)


def test_without_the_extension_the_user_is_told_to_install_it(no_torch):
    with pytest.raises(RuntimeError, match="install the PyTorch extension in the Extensions Manager"):
        ensure_torch(never_asked)


def test_the_user_is_asked_and_told_that_slicer_will_not_respond(extension):
    asked = []
    extension.outcome = torch_of("2.13.0+cpu")
    ensure_torch(lambda text: asked.append(text) or True)
    assert len(asked) == 1
    assert "does not respond" in asked[0]
    assert "GB" in asked[0]


def test_a_declined_installation_stops_and_says_how_to_go_on(extension):
    extension.outcome = AssertionError("Installed although declined.")
    with pytest.raises(RuntimeError, match="as you chose: press Apply or Install PyTorch"):
        ensure_torch(lambda text: False)


def test_a_failed_installation_stops_and_says_how_to_go_on(extension):
    extension.outcome = subprocess.CalledProcessError(1, ["light_the_torch"])
    with pytest.raises(RuntimeError, match=r"could not be installed .* check the network connection"):
        ensure_torch(lambda text: True)


def test_an_installation_that_gives_nothing_stops(extension):
    with pytest.raises(RuntimeError, match="was not installed: install it in the PyTorch Utils module"):
        ensure_torch(lambda text: True)


def test_an_old_torch_is_named_with_its_version(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", torch_of("1.13.1+cu117"))
    with pytest.raises(RuntimeError, match=r"PyTorch 1\.13\.1\+cu117 is too old"):
        ensure_torch(never_asked)


def test_a_torch_that_does_not_load_is_told_from_a_missing_one(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('A library is missing.')")
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match=r"installed but does not load .A library is missing"):
        ensure_torch(never_asked)


def test_slicer_and_the_shell_need_the_same_torch():
    project = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'"torch>=([\d.]+)"', project)[1] == ".".join(str(part) for part in MINIMUM_VERSION)
