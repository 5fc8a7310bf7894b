"""The self-test that runs inside Slicer, without pytest."""

from __future__ import annotations

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from .errors import DenoiseCancelled, InvalidVolumeError
from .mrml_logic import NeuralDiffusionLogic
from .slicer_torch import torch_installed


class NeuralDiffusionTest(ScriptedLoadableModuleTest):
    """The self-test that runs inside Slicer; each test stands alone."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()
        if not torch_installed():
            self.skipTest("PyTorch is not installed.")

    def runTest(self) -> None:
        for test in (self.test_denoises_a_volume, self.test_rejects_a_label_map, self.test_cancel_changes_nothing):
            self.setUp()
            test()

    def test_denoises_a_volume(self) -> None:
        self.delayDisplay("Denoising a disc in Rician noise")
        clean, noisy = self._discs()
        inputVolume = slicer.util.addVolumeFromArray(noisy, name="Discs")
        logic = NeuralDiffusionLogic()
        outputVolume = logic.addOutputVolume(inputVolume)
        conductionVolume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Conduction")
        logic.process(inputVolume, outputVolume, conductionVolume)
        denoised = slicer.util.arrayFromVolume(outputVolume)
        assert denoised.dtype == noisy.dtype
        assert np.abs(denoised - clean).mean() < np.abs(noisy - clean).mean()
        conduction = slicer.util.arrayFromVolume(conductionVolume)
        assert 0 <= conduction.min() <= conduction.max() <= 1

    def test_rejects_a_label_map(self) -> None:
        self.delayDisplay("Refusing a label map")
        labelMap = slicer.util.addVolumeFromArray(
            np.ones((2, 8, 8), np.int16), name="Labels", nodeClassName="vtkMRMLLabelMapVolumeNode"
        )
        logic = NeuralDiffusionLogic()
        outputVolume = logic.addOutputVolume(labelMap)
        with self.assertRaises(InvalidVolumeError):  # noqa: PT027 - Slicer has no pytest
            logic.process(labelMap, outputVolume)
        assert outputVolume.GetImageData() is None

    def test_cancel_changes_nothing(self) -> None:
        self.delayDisplay("Cancelling a run")
        inputVolume = slicer.util.addVolumeFromArray(self._discs()[1], name="Discs")
        logic = NeuralDiffusionLogic()
        outputVolume = logic.addOutputVolume(inputVolume)
        with self.assertRaises(DenoiseCancelled):  # noqa: PT027 - Slicer has no pytest
            logic.process(inputVolume, outputVolume, cancelled=lambda: True)
        assert outputVolume.GetImageData() is None

    @staticmethod
    def _discs() -> tuple[np.ndarray, np.ndarray]:
        """Return discs of intensity 800 on 200, without noise and with Rician noise of 60; both int16."""
        random = np.random.default_rng(0)
        rows, columns = np.mgrid[:64, :64]
        clean = np.where((rows - 32) ** 2 + (columns - 32) ** 2 < 400, 800.0, 200.0) * np.ones((4, 1, 1))
        noisy = np.hypot(clean + random.normal(0, 60, clean.shape), random.normal(0, 60, clean.shape))
        return clean.astype(np.int16), noisy.astype(np.int16)
