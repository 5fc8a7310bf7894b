"""What a user gets who installs the project: the whole package, and a Makefile that says what is missing."""

from __future__ import annotations

import ast
import email
import importlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from shell import ROOT, environment, write

from NeuralDiffusionLib import __version__

PACKAGES = {
    "NeuralDiffusionLib": ROOT / "NeuralDiffusion" / "NeuralDiffusionLib",
    "NeuralDiffusionTraining": ROOT / "NeuralDiffusionTraining",
}
SHIPPED = (".py", ".pt", ".md", ".yaml", ".json", ".html")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's wheel, built from a copy: building leaves files behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE.txt"):
        shutil.copy(ROOT / name, source)
    for folder in PACKAGES.values():
        shutil.copytree(folder, source / folder.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__"))
    # No isolation: the tests' own setuptools builds it, so that nothing is downloaded.
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next((source / "dist").glob("*.whl"))) as archive:
        yield archive


def _metadata(wheel: zipfile.ZipFile, name: str) -> str:
    return wheel.read(next(path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))).decode()


def test_wheel_holds_all_of_both_packages_and_nothing_else(wheel):
    expected = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.suffix in SHIPPED
    }
    found = {path for path in wheel.namelist() if ".dist-info/" not in path}

    assert found == expected
    assert any(path.endswith(".pt") for path in found), "no weights"
    assert any(path.endswith("LICENSE.txt") for path in wheel.namelist())


def test_wheel_states_version_licence_and_command(wheel):
    metadata = email.message_from_string(_metadata(wheel, "METADATA"))
    commands = ConfigParser()
    commands.read_string(_metadata(wheel, "entry_points.txt"))

    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    module, _, function = commands["console_scripts"]["neural-diffusion"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_every_dependency_has_a_tested_version_in_the_constraints(wheel):
    metadata = email.message_from_string(_metadata(wheel, "METADATA"))
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower() for line in lines if "==" in line}

    required = {re.match(r"[\w.-]+", line)[0].lower() for line in metadata.get_all("Requires-Dist")}

    assert required <= pinned
    assert "torch==2.13.0" in lines


def test_denoising_needs_none_of_the_extras(tmp_path):
    script = (
        "import sys\n"
        "for name in ('lightning', 'dask', 'nilearn', 'slicer', 'vtk', 'hypothesis', 'pytest'):\n"
        "    sys.modules[name] = None\n"
        "from NeuralDiffusionTraining.cli import main\n"
        "main()\n"
    )
    scan = write(tmp_path / "scan.nrrd")
    command = [sys.executable, "-c", script, "denoise", str(scan), str(tmp_path / "clean.nrrd")]

    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_no_file_names_a_path_of_the_machine_it_was_written_on():
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    # Written in parts, or this file would find itself.
    machine_path = re.compile(rb"(?<![\w./])/" + rb"(work|home|root|Users)/\w")

    naming = [name for name in listing.stdout.splitlines() if machine_path.search((ROOT / name).read_bytes())]

    assert naming == []


@pytest.mark.parametrize(
    ("version", "lacks_ensurepip", "advice"),
    [("3.9", False, "Python 3.10, 3.11 or 3.12"), ("3.13", False, "PYTHON="), ("3.11", True, "python3-venv")],
)
def test_make_says_in_one_sentence_what_the_machine_lacks(tmp_path, version, lacks_ensurepip, advice):
    python = tmp_path / "python3"
    # An interpreter that claims another version, or has no ensurepip, as Debian's without its venv package.
    python.write_text(
        "#!/bin/sh\n"
        f"[ \"$1\" = -V ] && echo 'Python {version}.0' && exit\n"
        f'case "$2" in\n'
        f"  *ensurepip*) exit {int(lacks_ensurepip)} ;;\n"
        f'  *) exec "{sys.executable}" -c "import sys; sys.version_info = ({version.replace(".", ", ")}); $2" ;;\n'
        "esac\n"
    )
    python.chmod(0o755)

    done = subprocess.run(
        ["make", "demo", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    sentences = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode == 2
    assert len(sentences) == 1, done.stderr
    assert advice in sentences[0]
    assert not (tmp_path / "venv").exists()


def test_no_modules_import_each_other_in_a_circle():
    """Such a circle works or fails by what was imported before it: within the tests, and not in a command."""
    files = {
        ".".join((package, *path.relative_to(folder).with_suffix("").parts)): path
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*.py")
    }
    imports = {name.removesuffix(".__init__"): set(_imported(name, path)) for name, path in files.items()}
    assert imports["NeuralDiffusionTraining.files.scan_denoising"] >= {"NeuralDiffusionTraining.files.image_files"}
    TopologicalSorter({name: found & imports.keys() - {name} for name, found in imports.items()}).prepare()


def _imported(name: str, path: Path) -> Iterator[str]:
    """What a module imports as it is imported itself: names of modules, and of what it takes from them."""
    package = name.split(".")[:-1]
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package[: len(package) + 1 - node.level] if node.level else []
            parent = ".".join((*parts, *([node.module] if node.module else [])))
            yield parent
            yield from (f"{parent}.{alias.name}" for alias in node.names)
