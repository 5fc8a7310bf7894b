"""A small host for the Neural Diffusion module where the Slicer application is not: tests, demo, plain scripts.

``pip install slicer-core`` brings the real MRML classes, logics and ``slicer.util``. What belongs to the running
application is supplied here under Slicer's own names. Each stand-in says which behaviour of Slicer it reproduces;
what the module does not use is left out, so that a new use fails loudly.

    import slicer_host
    slicer_host.install()

    import slicer
    from NeuralDiffusion import NeuralDiffusionLogic
"""

from __future__ import annotations

import enum
import sys
import types
import typing
import unittest
from pathlib import Path

import numpy as np
import slicer

MODULE_FOLDER = Path(__file__).resolve().parent.parent / "NeuralDiffusion"

# Seventeen entries, evenly spaced, of three tables in Slicer's ColorFiles folder; those between are interpolated.
CONTINUOUS_COLOUR_TABLES = {
    "Viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1f9f88 27ad81 3dbc74 5cc863 81d34d "
    "aadc32 d5e21a fde725",
    "Inferno": "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d04545 e35933 f1711f f98c0a fcaa0f "
    "f9c932 f2e865 fcffa4",
    "Magma": "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 cf4070 e55064 f4695c fb8761 fea571 "
    "fec287 fde0a1 fcfdbf",
}

_color_logics: list[slicer.vtkMRMLColorLogic] = []  # a logic takes its tables out of the scene when it is deleted


def install() -> None:
    """Make ``import slicer``, ``slicer.mrmlScene`` and ``import NeuralDiffusion`` work in a plain interpreter.

    May be called again: a scene that is already there is kept.
    """
    _provide(
        "ScriptedLoadableModule",
        ScriptedLoadableModule=ScriptedLoadableModule,
        ScriptedLoadableModuleWidget=ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic=ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest=ScriptedLoadableModuleTest,
    )
    _provide(
        "parameterNodeWrapper",
        parameterNodeWrapper=parameter_node_wrapper,
        WithinRange=WithinRange,
        Choice=Choice,
    )
    _provide("i18n", tr=lambda text: text, translate=lambda context, text: text)
    if getattr(slicer, "mrmlScene", None) is None:
        slicer.mrmlScene = new_scene()
    if str(MODULE_FOLDER) not in sys.path:
        sys.path.insert(0, str(MODULE_FOLDER))


def new_scene() -> slicer.vtkMRMLScene:
    """Return an empty scene with the colour tables that the application's colour logic puts into it.

    The built-in tables are the real logic's. Those that Slicer reads from its ColorFiles folder, which slicer-core does
    not carry, keep the identifiers that Slicer gives them: a scene saved here shows the same colours there.
    """
    scene = slicer.vtkMRMLScene()
    color_logic = slicer.vtkMRMLColorLogic()
    color_logic.SetMRMLScene(scene)
    _color_logics.append(color_logic)
    for name, entries in CONTINUOUS_COLOUR_TABLES.items():
        anchors = np.array([list(bytes.fromhex(entry)) for entry in entries.split()]) / 255
        positions = np.linspace(0, 255, len(anchors))
        colours = np.stack([np.interp(np.arange(256), positions, channel) for channel in anchors.T], axis=1)
        node = slicer.vtkMRMLColorTableNode()
        node.SetTypeToFile()
        node.SetName(name)
        node.SetSingletonTag(f"File{name}.txt")
        node.SetSaveWithScene(False)
        node.SetNumberOfColors(256)
        node.GetLookupTable().SetTableRange(0, 255)
        for index, colour in enumerate(colours):
            node.SetColor(index, str(index), *colour)
        scene.AddNode(node)
    return scene


def _provide(name: str, **members: object) -> None:
    module = types.ModuleType(f"slicer.{name}")
    vars(module).update(members, __all__=list(members))
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)


class ScriptedLoadableModule:
    """As in Slicer: keeps the ``parent`` whose title, categories, help text and so on the module fills in."""

    def __init__(self, parent: typing.Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__


class ScriptedLoadableModuleWidget:
    """As in Slicer: knows its parent widget, its layout and the module's Resources folder. No Qt here."""

    def __init__(self, parent: typing.Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        self.layout = parent.layout() if parent else None

    def setup(self) -> None:
        """Slicer adds its developer section here."""

    def resourcePath(self, filename: str) -> str:
        return str(MODULE_FOLDER / "Resources" / filename)


class ScriptedLoadableModuleLogic:
    """As in Slicer: one parameter node a scene, a singleton ``vtkMRMLScriptedModuleNode`` tagged with the module."""

    def __init__(self, parent: typing.Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """As in Slicer: a ``unittest.TestCase`` that can show what it is doing; here it prints it."""

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        print(message)


class WithinRange:
    """Slicer's validator for a number between two bounds, both allowed."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Choice:
    """Slicer's validator for one of several values."""

    def __init__(self, choices: list) -> None:
        self.choices = choices

    def validate(self, value: object) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


def parameter_node_wrapper(cls: type) -> type:
    """Slicer's ``parameterNodeWrapper``: annotated members become properties kept in the parameter node.

    As there, each value is a parameter of the node (text; an enumeration by member name) or a node reference, is
    checked on writing, and has its default written when the node is first wrapped, so all of it is saved with the
    scene.
    """
    members = typing.get_type_hints(cls, include_extras=True)
    parameters = {}
    for name, annotation in members.items():
        value_type, *validators = typing.get_args(annotation) if hasattr(annotation, "__metadata__") else (annotation,)
        parameters[name] = _Parameter(name, value_type, validators, getattr(cls, name, None))
        setattr(cls, name, property(parameters[name].read, parameters[name].write))

    def wrap(self: typing.Any, node: slicer.vtkMRMLScriptedModuleNode) -> None:
        self.parameterNode = node
        for parameter in parameters.values():
            if not node.HasParameter(parameter.name):
                parameter.write(self, parameter.default)

    cls.__init__ = wrap
    cls.allParameters = parameters
    for method in ("AddObserver", "RemoveObserver", "StartModify", "EndModify", "Modified"):
        setattr(cls, method, _forwarded(method))
    return cls


def _forwarded(method: str) -> typing.Callable:
    return lambda self, *arguments: getattr(self.parameterNode, method)(*arguments)


class _Parameter:
    """One member of a wrapped parameter node: reads and writes it as Slicer's serializers do."""

    def __init__(self, name: str, value_type: type, validators: list, default: object) -> None:
        self.name, self.type, self.validators = name, value_type, validators
        self.is_node = issubclass(value_type, slicer.vtkMRMLNode)
        if default is None and not self.is_node:
            default = next(iter(value_type)) if issubclass(value_type, enum.Enum) else value_type()
        self.default = default

    def read(self, wrapper: typing.Any) -> object:
        if self.is_node:
            return wrapper.parameterNode.GetNodeReference(self.name)
        text = wrapper.parameterNode.GetParameter(self.name)
        if issubclass(self.type, enum.Enum):
            return self.type[text]
        return text == "True" if self.type is bool else self.type(text)

    def write(self, wrapper: typing.Any, value: object) -> None:
        expected = (int, float) if self.type is float else self.type
        if not isinstance(value, expected) and not (self.is_node and value is None):
            raise TypeError(f"Value must be of type '{self.type}', is type '{type(value)}' value '{value}'")
        for validator in self.validators:
            validator.validate(value)
        node = wrapper.parameterNode
        if self.is_node:
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
        else:
            node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))
