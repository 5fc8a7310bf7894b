"""What the tests share: import paths, the module's host and an empty scene for each test that asks for one."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import slicer

if TYPE_CHECKING:
    from NeuralDiffusion import NeuralDiffusionLogic
    from NeuralDiffusionLib import Denoiser

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "NeuralDiffusion"), str(ROOT), str(ROOT / "Testing")]
# Before any test imports them: fixtures and checks that the test files share.
pytest.register_assert_rewrite(
    "committed_results",
    "looks_scene",
    "panel_scenes",
    "preview_panel",
    "sequence_scenes",
    "shell",
    "torch_extension",
)

import slicer_host  # noqa: E402 - found through the paths above

slicer_host.install()


_LONGEST = (
    "test_bench",
    "test_batch",
    "test_onnx_export",
    "test_training",
    "test_training_goes_on",
    "test_training_chain",
    "test_training_processes",
    "test_fuzz",
    "test_threads_and_processes",
    "test_tuned_files",
    "test_command_line_module",
    "test_report",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: begun last, one of them would be waited for alone."""
    order = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def pytest_collection_finish() -> None:
    """Leave what was imported out of later collections of garbage, which take most of a second each with it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[slicer.vtkMRMLScene]:
    """The scene of the test, empty but for what Slicer puts into every scene."""
    scene = slicer_host.new_scene()
    monkeypatch.setattr(slicer, "mrmlScene", scene)
    yield scene
    scene.Clear(True)


@pytest.fixture
def add_volume(scene: slicer.vtkMRMLScene) -> Callable[..., slicer.vtkMRMLScalarVolumeNode]:
    """Add a volume to the scene: discs in noise, in the scalar type asked for, unless voxels are given."""

    def add(
        voxels: np.ndarray | None = None,
        name: str = "Scan",
        dtype: type = np.int16,
        node_class: str = "vtkMRMLScalarVolumeNode",
    ) -> slicer.vtkMRMLScalarVolumeNode:
        voxels = noisy_discs().astype(dtype) if voxels is None else voxels
        return slicer.util.addVolumeFromArray(voxels, name=name, nodeClassName=node_class)

    return add


@pytest.fixture
def output(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode:
    """An empty volume for the denoised image."""
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Output")


@pytest.fixture
def conduction(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode:
    """An empty volume for the conduction map."""
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Conduction")


@pytest.fixture(scope="module")
def logic() -> Iterator[NeuralDiffusionLogic]:
    """The module's logic; its thread has ended afterwards."""
    from NeuralDiffusion import NeuralDiffusionLogic

    logic = NeuralDiffusionLogic()
    yield logic
    logic.close()


@pytest.fixture(scope="module")
def denoiser() -> Denoiser:
    """The bundled weights on the CPU, in float32."""
    from NeuralDiffusionLib import Denoiser

    return Denoiser("cpu", precision="float32")


def noisy_discs(slices: int = 3) -> np.ndarray:
    """Return (slices, 20, 24) discs of intensity 100 on 20 in Gaussian noise of 5, within 0 to 127."""
    random = np.random.default_rng(7)
    rows, columns = np.mgrid[:20, :24]
    discs = np.where((rows - 10) ** 2 + (columns - 12) ** 2 < 49, 100.0, 20.0)
    return np.clip(np.rint(discs + random.normal(0, 5, (slices, 20, 24))), 0, 127)


@pytest.fixture
def state(scene: slicer.vtkMRMLScene) -> Callable[[], dict]:
    """Return when each node and image of the scene last changed: equal dictionaries, nothing changed between."""

    def read() -> dict:
        nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
        images = {
            node.GetID(): node.GetImageData().GetMTime()
            for node in nodes
            if node.IsA("vtkMRMLVolumeNode") and node.GetImageData() is not None
        }
        return {"nodes": {node.GetID(): node.GetMTime() for node in nodes}, "images": images}

    return read
