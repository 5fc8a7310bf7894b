"""The extension as Slicer's build puts it together: configured, installed, and used from the installed tree alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cmake
import pytest
import SimpleITK as sitk
from shell import ROOT, write

pytest_plugins = ["panel_host.fixtures"]

CONFIG = ROOT / "Testing" / "SlicerConfig"
LIBRARIES = Path("lib", "Slicer-5.12")
MODULES = LIBRARIES / "qt-scripted-modules"
PROGRAMS = LIBRARIES / "cli-modules"
SOURCES = ("CMakeLists.txt", "LICENSE.txt", "README.md", "NeuralDiffusion", "NeuralDiffusionTraining")

IN_THE_TREE = """
import importlib, pkgutil, sys
from pathlib import Path
tree, testing, *packages = sys.argv[1:]
sys.path.insert(0, tree)
sys.path.append(testing)
import slicer_host
slicer_host.MODULE_FOLDER = Path(tree)
slicer_host.install()

def import_all():
    for name in ("NeuralDiffusion", *packages):
        for found in pkgutil.walk_packages(getattr(importlib.import_module(name), "__path__", ()), name + "."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)

if "NeuralDiffusionPanel" in packages:
    import panel_host
    with panel_host.application():
        panel_host.open_module("NeuralDiffusion")
        import_all()
    assert panel_host.console_errors == []
else:
    import_all()
print(*(module.__file__ for name, module in sys.modules.items() if name.startswith("NeuralDiffusion")), sep="\\n")
"""

LIBRARY_OF_PROGRAM = """
import runpy, sys
runpy.run_path(sys.argv[1])["_add_library_path"]()
import NeuralDiffusionLib
print(NeuralDiffusionLib.__file__)
"""


def tool(name, *arguments):
    program = Path(cmake.CMAKE_BIN_DIR) / name
    return subprocess.run([program, *map(str, arguments)], capture_output=True, encoding="utf-8", check=False)


def configure(source, build, *options):
    # project() asks for a C++ compiler, as Slicer's template does; nothing is compiled, so any program will do.
    compilers = [
        f"-DCMAKE_{language}_{option}={value}"
        for language in ("C", "CXX")
        for option, value in (("COMPILER", sys.executable), ("COMPILER_ID_RUN", 1), ("COMPILER_FORCED", 1))
    ]
    make = ["-G", "Unix Makefiles", f"-DCMAKE_MAKE_PROGRAM={sys.executable}"]
    return tool("cmake", "-S", source, "-B", build, *make, *compilers, f"-DSlicer_DIR={CONFIG}", *options)


def python(program, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, *(["-c", program] if "\n" in str(program) else [str(program)]), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    done = configure(ROOT, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def tree(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("Extension of Größe")
    done = tool("cmake", "--install", build, "--prefix", folder)
    assert done.returncode == 0, done.stderr
    return folder


def in_git(folder):
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    files = [Path(line).relative_to(folder) for line in listing.stdout.splitlines() if (ROOT / line).is_file()]
    return [file for file in files if file.name != "CMakeLists.txt"]


def test_the_tree_holds_every_file_of_the_packages_and_nothing_else(tree):
    programs = {PROGRAMS / file.name for file in in_git("NeuralDiffusion/CommandLine")}
    module = {MODULES / file for file in in_git("NeuralDiffusion") if file.parts[0] != "CommandLine"}
    training = {MODULES / "NeuralDiffusionTraining" / file for file in in_git("NeuralDiffusionTraining")}
    installed = {path.relative_to(tree) for path in tree.rglob("*") if path.is_file()}
    assert installed == programs | module | training
    assert len(programs) == 2


def check_imported_from(tree, *packages, left_out):
    done = python(IN_THE_TREE, tree / MODULES, ROOT / "Testing", *packages)
    assert done.returncode == 0, done.stderr
    files = {path for path in (tree / MODULES).rglob("*.py") if path.name != "__main__.py"}
    assert set(map(Path, done.stdout.splitlines())) == {path for path in files if left_out not in path.parts}


def test_module_library_and_training_package_are_imported_from_the_tree_alone(tree):
    check_imported_from(tree, "NeuralDiffusionLib", "NeuralDiffusionTraining", left_out="NeuralDiffusionPanel")


def test_the_panel_opens_from_the_tree_alone(qt_loads, tree):
    check_imported_from(tree, "NeuralDiffusionLib", "NeuralDiffusionPanel", left_out="NeuralDiffusionTraining")


def test_the_program_uses_the_library_that_was_installed_with_it(tree):
    done = python(LIBRARY_OF_PROGRAM, tree / PROGRAMS / "NeuralDiffusionCommandLine.py")
    assert done.stdout.strip() == str(tree / MODULES / "NeuralDiffusionLib" / "__init__.py"), done.stderr


def test_a_build_tree_of_visual_studio_has_the_library_one_folder_further_up(tree, tmp_path):
    shutil.copytree(tree / MODULES / "NeuralDiffusionLib", tmp_path / "qt-scripted-modules" / "NeuralDiffusionLib")
    program = tmp_path / "cli-modules" / "Release" / "NeuralDiffusionCommandLine.py"
    program.parent.mkdir(parents=True)
    shutil.copy(tree / PROGRAMS / program.name, program)
    done = python(LIBRARY_OF_PROGRAM, program)
    assert done.stdout.strip().startswith(str(tmp_path / "qt-scripted-modules")), done.stderr


def test_the_installed_program_denoises_a_scan(tree, tmp_path):
    scan = write(tmp_path / "scan.nrrd")
    program = tree / PROGRAMS / "NeuralDiffusionCommandLine.py"
    done = python(program, scan, tmp_path / "clean.nrrd", "--iterations", 1, "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert sitk.ReadImage(str(tmp_path / "clean.nrrd")).GetSize() == sitk.ReadImage(str(scan)).GetSize()


def test_slicers_tests_of_the_module_are_registered(build):
    done = tool("ctest", "--test-dir", build, "-N")
    assert "py_NeuralDiffusion\n" in done.stdout
    assert "py_nomainwindow_qSlicerNeuralDiffusionModuleGenericTest\n" in done.stdout


class TestMistakes:
    """What Slicer's build stops at, it is stopped at here: else the checks above would prove nothing."""

    @pytest.fixture
    def source(self, tmp_path):
        folder = tmp_path / "source"
        folder.mkdir()
        for name in SOURCES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        return folder

    @pytest.mark.parametrize(
        "missing",
        [
            "NeuralDiffusion/NeuralDiffusionLib/engine/settings.py",
            "NeuralDiffusion/Resources/UI/NeuralDiffusion.ui",
            "NeuralDiffusion/CommandLine/NeuralDiffusionCommandLine.xml",
            "NeuralDiffusionTraining/cli.py",
            "LICENSE.txt",
        ],
    )
    def test_a_listed_file_that_is_missing_is_fatal(self, source, tmp_path, missing):
        (source / missing).unlink()
        done = configure(source, tmp_path / "build")
        assert done.returncode != 0
        assert Path(missing).name in done.stderr

    def test_an_argument_that_slicer_does_not_know_is_fatal(self, source, tmp_path):
        lists = source / "NeuralDiffusion" / "CMakeLists.txt"
        lists.write_text(lists.read_text(encoding="utf-8").replace("WITH_GENERIC_TESTS", "NO_SUCH_OPTION"))
        done = configure(source, tmp_path / "build")
        assert done.returncode != 0
