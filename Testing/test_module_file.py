"""The module file as Slicer meets it: what importing it pulls in, what it says of itself, its self-test."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import NeuralDiffusion as module_file
from NeuralDiffusionLib import NOISE_TYPES, DenoiseSettings
from NeuralDiffusionLib.mrml.parameters import NoiseType

TESTING = Path(__file__).resolve().parent
MODULE = TESTING.parent / "NeuralDiffusion"
LIBRARY = sorted((MODULE / "NeuralDiffusionLib").rglob("*.py"))
PANEL = sorted((MODULE / "NeuralDiffusionPanel").glob("*.py"))
SLICER_FILES = [path for path in LIBRARY if "mrml" in path.parts]
TRANSLATED = [MODULE / "NeuralDiffusion.py", *LIBRARY, *PANEL]

# What a programmer meets, and never the user: the panel says itself that a run was cancelled.
FOR_PROGRAMMERS = ("AttributeError", "ValueError", "DenoiseCancelled", "getLogger")
IN_THE_SELF_TEST = ("delayDisplay", "skipUnless", "assertRaisesRegex", "error", "warning")
NO_SENTENCES = {
    "The SlicerNeuralDiffusion authors",
    # What libraries say of memory that is full.
    "DefaultCPUAllocator|bad_alloc|could not create a primitive|CUDA error: out of memory|"
    "(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED|MPS backend out of memory",
}

IN_A_PLAIN_INTERPRETER = """
import sys
sys.modules.update(dict.fromkeys({refused!r}))
sys.path.insert(0, {testing!r})
import slicer_host
slicer_host.install()
import numpy as np
import slicer
from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseSettings
volume = slicer.util.addVolumeFromArray(np.arange(3 * 16 * 16, dtype=np.int16).reshape(3, 16, 16), name="Scan")
logic = NeuralDiffusionLogic()
output = logic.addOutputVolume(volume)
{statements}
"""


def in_a_plain_interpreter(statements: str, refused: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    program = IN_A_PLAIN_INTERPRETER.format(statements=statements, refused=refused, testing=str(TESTING))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def imported_packages(nodes: Iterable[ast.AST]) -> set[str]:
    packages = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            packages.add(node.module.split(".")[0])
    return packages


def test_opening_the_module_imports_neither_torch_nor_qt():
    run = in_a_plain_interpreter("print({'torch', 'qt', 'ctk'} & set(sys.modules))")
    assert run.stdout == "set()\n", run.stderr


def test_a_script_denoises_without_qt_and_without_the_application():
    run = in_a_plain_interpreter(
        "logic.process(volume, output, settings=DenoiseSettings(iterations=1))\n"
        "print(output.GetImageData().GetDimensions(), hasattr(slicer, 'app'))",
        refused=("qt", "ctk", "PyTorchUtils"),
    )
    assert run.stdout == "(16, 16, 3) False\n", run.stderr


def test_without_torch_a_script_is_told_what_to_do_and_the_scene_stays_as_it_was():
    run = in_a_plain_interpreter(
        "try:\n"
        "    logic.process(volume, output)\n"
        "except RuntimeError as error:\n"
        "    print(error, output.GetImageData())",
        refused=("torch",),
    )
    assert run.stdout == "PyTorch is not installed: install it in the PyTorch Utils module. None\n", run.stderr


@pytest.mark.parametrize("path", [MODULE / "NeuralDiffusion.py", *SLICER_FILES], ids=lambda path: path.name)
def test_only_what_slicer_ships_is_imported_at_file_scope(path):
    allowed = {"slicer", "vtk", "numpy", "NeuralDiffusionLib", *sys.stdlib_module_names}
    assert imported_packages(ast.parse(path.read_text(encoding="utf-8")).body) <= allowed


@pytest.mark.parametrize("path", sorted(set(LIBRARY) - set(SLICER_FILES)), ids=lambda path: path.name)
def test_the_rest_of_the_library_knows_nothing_of_slicer(path):
    imported = imported_packages(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    assert not imported & {"slicer", "vtk", "qt", "ctk"}


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.name)
def test_every_text_for_the_user_is_translatable(path):
    """Every sentence in a string literal is an argument of `_`, except documentation and programming errors."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    excused = set()
    for node in ast.walk(tree):
        # A docstring, of a module or of a constant.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            excused.add(id(node.value))
        is_call = isinstance(node, ast.Call)
        name = getattr(node.func, "id", getattr(node.func, "attr", "")) if is_call else ""
        if name == "_":
            # Slicer's tools find literals only.
            assert [type(argument) for argument in node.args] == [ast.Constant], ast.unparse(node)
            # And they take one to end where a double quote stands before a bracket, and swallow those until there.
            literal = ast.get_source_segment(text, node.args[0])
            assert [end.end() for end in re.finditer(r'"\s*\)', f"{literal})")] == [len(literal) + 1], literal
        if name in ("_", "translate", *FOR_PROGRAMMERS, *IN_THE_SELF_TEST):
            excused |= {id(child) for child in ast.walk(node)}
    literals = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert {node.value for node in literals if id(node) not in excused and len(node.value.split()) > 2} <= NO_SENTENCES


def test_the_file_is_no_command_line_program():
    # Slicer executes a scripted module that starts with #! as a command-line module.
    assert not (MODULE / "NeuralDiffusion.py").read_text(encoding="utf-8").startswith("#!")


def test_every_noise_type_can_be_chosen_and_has_a_label_of_its_own():
    assert {noise.value for noise in NoiseType} == set(NOISE_TYPES)
    assert len({noise.label() for noise in NoiseType}) == len(NOISE_TYPES)


def test_the_panel_starts_with_the_defaults_of_the_library(scene):
    assert module_file.NeuralDiffusionLogic().getParameterNode().settings() == DenoiseSettings()


@pytest.mark.parametrize(("name", "value"), [("iterations", 0), ("iterations", 65), ("neighbours", 6)])
def test_the_parameter_node_refuses_what_the_library_refuses(scene, name, value):
    parameters = module_file.NeuralDiffusionLogic().getParameterNode()
    with pytest.raises(ValueError, match="Value"):
        setattr(parameters, name, value)
