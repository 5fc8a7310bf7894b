"""A small host for the Neural Diffusion module where the Slicer application is not: tests, demo, plain scripts.

``pip install slicer-core`` brings the real MRML classes, logics and ``slicer.util``. What belongs to the running
application is supplied here under Slicer's own names. Each stand-in says which behaviour of Slicer it reproduces;
what the module does not use is left out, so that a new use fails loudly. No Qt here: `panel_host` runs the panel.

    import slicer_host
    slicer_host.install()

    import slicer
    from NeuralDiffusion import NeuralDiffusionLogic
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import slicer
from panel_host.parameter_node import Choice, WithinRange, parameter_node_wrapper
from panel_host.scripted_module import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

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
