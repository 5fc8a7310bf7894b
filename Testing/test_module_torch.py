"""PyTorch is asked for, installed through its extension, or its absence explained."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from torch_extension import torch_of

from NeuralDiffusionLib.mrml.slicer_torch import MINIMUM_VERSION, ensure_torch, torch_installed

pytest_plugins = ["torch_extension"]

TESTING = Path(__file__).resolve().parent


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


LEFT_OVER = """
import sys
sys.path.insert(0, {testing!r})
import slicer_host
slicer_host.install()
from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib.mrml.slicer_torch import ensure_torch, import_torch, torch_installed
sys.path[:] = [{folder!r}, *(path for path in sys.path if "site-packages" not in path)]
{first}
print(torch_installed())
for call in (import_torch, lambda: ensure_torch(None), NeuralDiffusionLogic().denoiser):
    try:
        call()
    except RuntimeError as error:
        print(error)
"""
NOT_INSTALLED = "PyTorch is not installed: install it in the PyTorch Utils module."


@pytest.mark.parametrize("file", ["torch/lib/libtorch.so", "torch/__init__.py"], ids=["no package", "an empty package"])
@pytest.mark.parametrize("first", ["", "import torch"], ids=["not imported", "imported"])
def test_a_folder_that_an_uninstallation_left_over_is_no_torch(tmp_path, file, first):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    program = LEFT_OVER.format(testing=str(TESTING), folder=str(tmp_path), first=first)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    installed, imported, *rest = run.stdout.splitlines()
    # A package is known to be empty only once it has been imported.
    assert installed == str(file.endswith("__init__.py") and not first), run.stderr
    assert imported == NOT_INSTALLED
    assert [line.split(":")[0] for line in rest] == ["PyTorch is not installed"] * 2


def test_slicer_and_the_shell_need_the_same_torch():
    project = (TESTING.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'"torch>=([\d.]+)"', project)[1] == ".".join(str(part) for part in MINIMUM_VERSION)
