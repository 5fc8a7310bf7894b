"""The network as an ONNX file: one noise type, iteration count and neighbourhood, slices of any size and number."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError

INPUT = "slices"
OUTPUTS = ("image", "conduction", "sigma")
_OPSET = 18
# Neither number a multiple of 8, nor of 32 once padded to 8: the sizes at hand decide whether the graph pads at all,
# and one that pads by nothing serves multiples too.
_TRACED_SHAPE = (2, 1, 44, 36)
_AXES = {0: "batch", 2: "rows", 3: "columns"}


@dataclass(frozen=True)
class _Fixed:
    noise: str
    iterations: int
    neighbours: int
    refine: bool


class _FixedSettings(nn.Module):
    """The network with its settings built in, as a function of the slices alone."""

    def __init__(self, network: nn.Module, fixed: _Fixed) -> None:
        super().__init__()
        self.network = network
        self.fixed = fixed

    def forward(self, slices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fixed = self.fixed
        output = self.network(
            slices, fixed.noise, iterations=fixed.iterations, neighbours=fixed.neighbours, refine=fixed.refine
        )
        return output.image, output.conduction, output.sigma


def require_onnx() -> None:
    """Refuse early where the packages are missing.

    Raises
    ------
    CommandError
        If onnx or onnxscript is not installed.
    """
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"ONNX files need {' and '.join(missing)}, which this Python does not have: pip install '.[onnx]' first."
        )


def export_onnx(network: nn.Module, settings: DenoiseSettings, metadata: dict[str, str], path: Path) -> None:
    """Write the network with fixed settings.

    The file has one input, "slices": (batch, 1, rows, columns), float32, intensities about [0, 1], each side of 8 or
    more pixels; and three outputs: "image" and "conduction" of the same shape and "sigma", (batch,), the noise level
    that the network estimated. It computes in float32.

    Parameters
    ----------
    network
        A `NeuralDiffusionNetwork`.
    settings
        Noise type, iterations, neighbours and refinement; the others do not concern the network.
    metadata
        How the weights were made; kept in the file together with the settings.
    path
        File to write.

    Raises
    ------
    OSError
        If it cannot be written, which may leave part of it.
    """
    import onnx_ir

    fixed = _Fixed(settings.noise, settings.iterations, settings.neighbours, settings.refine)
    module = _FixedSettings(network.eval().cpu().float(), fixed).eval()
    slices = torch.rand(_TRACED_SHAPE)
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    try:
        # It warns that torchvision, which nothing here needs, is not installed.
        exporter.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = torch.export.export(
                module,
                (slices,),
                dynamic_shapes=(dict.fromkeys(_AXES, torch.export.Dim.AUTO),),
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            _drop_assertions(traced)
            program = torch.onnx.export(
                traced,
                (slices,),
                dynamo=True,
                opset_version=_OPSET,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                verbose=False,
            )
    finally:
        exporter.setLevel(level)
    model = program.model
    for value in (*model.graph.inputs, *model.graph.outputs[:2]):
        value.shape = onnx_ir.Shape([_AXES.get(axis, 1) for axis in range(4)])
    model.graph.outputs[2].shape = onnx_ir.Shape([_AXES[0]])
    model.metadata_props.update(metadata)
    model.metadata_props.update({name: str(value) for name, value in vars(fixed).items()})
    program.save(path)


def _drop_assertions(traced: torch.export.ExportedProgram) -> None:
    """Take the checks of sizes out of the graph: ONNX has none, and translating them takes most of the time."""
    checks = (torch.ops.aten._assert_scalar.default, torch.ops.aten._assert_tensor_metadata.default)
    graph = traced.graph_module.graph
    for node in list(graph.nodes):
        if node.target in checks:
            graph.erase_node(node)
    graph.eliminate_dead_code()
    traced.graph_module.recompile()
