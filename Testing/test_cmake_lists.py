"""The CMake lists against the tree: a file not listed is silently not packaged, one listed but absent is fatal."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://raw.githubusercontent.com/SlicerNeuralDiffusion/SlicerNeuralDiffusion/main/"
PACKAGES = ("NeuralDiffusion", "NeuralDiffusionTraining")
COMMAND_LINE = "CommandLine"
"""Folder of the command-line module: a list of its own, and installed elsewhere."""
NOT_PACKAGED = {"CMakeLists.txt"}


def commands(path: Path) -> list[tuple[str, list[str]]]:
    """Return the commands of a CMake file with their arguments, MODULE_NAME filled in."""
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    found = re.findall(r"(\w+)\s*\(((?:\"[^\"]*\"|[^()\"])*)\)", text)
    parsed = [(name, re.findall(r"\"([^\"]*)\"|(\S+)", arguments)) for name, arguments in found]
    parsed = [(name, [quoted or bare for quoted, bare in arguments]) for name, arguments in parsed]
    module = next((arguments[1] for name, arguments in parsed if arguments[:1] == ["MODULE_NAME"]), "")
    return [(name, [word.replace("${MODULE_NAME}", module) for word in arguments]) for name, arguments in parsed]


def variables(path: Path) -> dict[str, list[str]]:
    return {arguments[0]: arguments[1:] for name, arguments in commands(path) if name == "set"}


def in_the_tree(folder: Path) -> set[str]:
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    left_out = (".", "__pycache__", COMMAND_LINE)
    hidden = {path for path in files if any(part.startswith(left_out) for part in path.parts)}
    return {path.as_posix() for path in files - hidden} - NOT_PACKAGED


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_listed_and_every_listed_file_is_there(package):
    lists = variables(ROOT / package / "CMakeLists.txt")
    listed = lists["MODULE_PYTHON_SCRIPTS"] + lists.get("MODULE_PYTHON_RESOURCES", [])
    assert sorted(listed) == sorted(in_the_tree(ROOT / package))


@pytest.mark.parametrize("package", PACKAGES)
def test_programs_are_listed_as_scripts_and_nothing_else_is(package):
    lists = variables(ROOT / package / "CMakeLists.txt")
    assert all(name.endswith(".py") for name in lists["MODULE_PYTHON_SCRIPTS"])
    assert not any(name.endswith(".py") for name in lists.get("MODULE_PYTHON_RESOURCES", []))


@pytest.mark.parametrize(
    ("package", "option"), [("NeuralDiffusion", "WITH_GENERIC_TESTS"), ("NeuralDiffusionTraining", "WITH_SUBDIR")]
)
def test_each_package_is_built_under_its_own_name(package, option):
    (arguments,) = [
        arguments
        for name, arguments in commands(ROOT / package / "CMakeLists.txt")
        if name == "slicerMacroBuildScriptedModule"
    ]
    assert arguments[:2] == ["NAME", package]
    assert arguments[2:4] == ["SCRIPTS", "${MODULE_PYTHON_SCRIPTS}"]
    assert option in arguments


def test_the_command_line_module_is_built_from_its_two_files():
    folder = ROOT / "NeuralDiffusion" / COMMAND_LINE
    added = [
        arguments for name, arguments in commands(ROOT / "NeuralDiffusion" / "CMakeLists.txt") if "add_sub" in name
    ]
    assert added == [[COMMAND_LINE]]
    (arguments,) = [arguments for name, arguments in commands(folder / "CMakeLists.txt") if "ScriptedCLI" in name]
    assert arguments == ["NAME", "NeuralDiffusionCommandLine"]
    assert in_the_tree(folder) == {"NeuralDiffusionCommandLine.py", "NeuralDiffusionCommandLine.xml"}


def test_the_lists_are_written_by_hand():
    for package in (".", *PACKAGES, "NeuralDiffusion/CommandLine"):
        assert "GLOB" not in (ROOT / package / "CMakeLists.txt").read_text(encoding="utf-8")


class TestExtension:
    @pytest.fixture
    def text(self):
        return (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")

    @pytest.fixture
    def settings(self):
        return variables(ROOT / "CMakeLists.txt")

    @pytest.mark.parametrize(
        "name", ["HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"]
    )
    def test_what_the_extensions_index_reads_is_one_quoted_string(self, text, name):
        (value,) = re.findall(rf'^set\(EXTENSION_{name} "([^"]+)"\)$', text, flags=re.MULTILINE)
        assert "${" not in value
        # Slicer hands it on without quotes: what stands behind a semicolon would be lost.
        assert ";" not in value

    def test_torch_comes_through_the_pytorch_extension(self, settings):
        assert settings["EXTENSION_DEPENDS"] == ["PyTorch"]

    @pytest.mark.parametrize("name", ["EXTENSION_LICENSE_FILE", "EXTENSION_README_FILE"])
    def test_licence_and_readme_are_the_extensions_own(self, settings, name):
        (value,) = settings[name]
        assert Path(value.replace("${CMAKE_CURRENT_SOURCE_DIR}", str(ROOT))).is_file()

    @pytest.mark.parametrize("name", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
    def test_the_pictures_are_in_the_repository(self, settings, name):
        (url,) = settings[name]
        assert url.startswith(REPOSITORY)
        assert (ROOT / url.removeprefix(REPOSITORY)).is_file()

    def test_every_package_is_built(self):
        added = [arguments[0] for name, arguments in commands(ROOT / "CMakeLists.txt") if name == "add_subdirectory"]
        assert added == list(PACKAGES)

    def test_the_commands_stand_in_the_order_of_slicers_template(self, text):
        order = [
            "cmake_minimum_required(",
            "project(",
            "set(EXTENSION_HOMEPAGE",
            "set(EXTENSION_DEPENDS",
            "find_package(Slicer REQUIRED)",
            "include(${Slicer_USE_FILE})",
            "add_subdirectory(",
            "## NEXT_MODULE",
            "include(${Slicer_EXTENSION_GENERATE_CONFIG})",
            "include(${Slicer_EXTENSION_CPACK})",
        ]
        assert sorted(order, key=text.index) == order


def test_the_icon_has_the_size_that_slicer_expects():
    icon = (ROOT / "NeuralDiffusion" / "Resources" / "Icons" / "NeuralDiffusion.png").read_bytes()
    assert icon[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", icon[16:24]) == (128, 128)
