"""The self-test that runs inside Slicer, where there is no pytest."""

from __future__ import annotations

import logging
import sys
import time
import unittest
from unittest import mock

import numpy as np
import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from ..errors import DenoiseCancelled, InvalidVolumeError
from .logic import NeuralDiffusionLogic
from .slicer_torch import torch_installed

_PATIENCE_S = 120
_with_torch = unittest.skipUnless(torch_installed(), "PyTorch is not installed.")


class NeuralDiffusionTest(ScriptedLoadableModuleTest):
    """The self-test that runs inside Slicer; each test stands alone."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run all tests, as "Reload and Test" does; none stops the others, and what failed is raised at the end."""
        names = unittest.defaultTestLoader.getTestCaseNames(type(self))
        result = unittest.TestSuite(map(type(self), names)).run(unittest.TestResult())
        for test, reason in result.skipped:
            logging.warning("%s was skipped: %s", test.id(), reason)
        problems = result.failures + result.errors
        for test, trace in problems:
            logging.error("%s failed:\n%s", test.id(), trace)
        if problems:
            failed = ", ".join(test.id().rpartition(".")[2] for test, _trace in problems)
            raise AssertionError(
                _("{count} of {total} tests failed: {names}. The log has the details.").format(
                    count=len(problems), total=result.testsRun, names=failed
                )
            )

    @_with_torch
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
        with self.assertRaises(InvalidVolumeError):  # noqa: PT027
            logic.process(labelMap, outputVolume)
        assert outputVolume.GetImageData() is None

    @_with_torch
    def test_cancel_changes_nothing(self) -> None:
        self.delayDisplay("Cancelling a run")
        inputVolume = slicer.util.addVolumeFromArray(self._discs()[1], name="Discs")
        logic = NeuralDiffusionLogic()
        outputVolume = logic.addOutputVolume(inputVolume)
        with self.assertRaises(DenoiseCancelled):  # noqa: PT027
            logic.process(inputVolume, outputVolume, cancelled=lambda: True)
        assert outputVolume.GetImageData() is None

    def test_overlay_gives_the_layers_back(self) -> None:
        self.delayDisplay("Showing the conduction over a volume")
        volumes = [slicer.util.addVolumeFromArray(np.zeros((2, 8, 8), np.float32), name=name) for name in "ABC"]
        before, background, conduction = volumes
        view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        view.SetBackgroundVolumeID(before.GetID())
        looks = NeuralDiffusionLogic().looks
        looks.show_overlay(background, conduction, 0.5)
        assert view.GetForegroundVolumeID() == conduction.GetID()
        assert view.GetForegroundOpacity() == 0.5
        looks.hide_overlay()
        assert view.GetBackgroundVolumeID() == before.GetID()
        assert view.GetForegroundVolumeID() is None

    def test_without_torch_says_what_to_do(self) -> None:
        self.delayDisplay("Denoising without PyTorch")
        inputVolume = slicer.util.addVolumeFromArray(self._discs()[1], name="Discs")
        logic = NeuralDiffusionLogic()
        outputVolume = logic.addOutputVolume(inputVolume)
        # As if it were not installed.
        missing = mock.patch.dict(sys.modules, {"torch": None})
        with missing, self.assertRaisesRegex(RuntimeError, "PyTorch is not installed"):  # noqa: PT027
            logic.process(inputVolume, outputVolume)
        assert outputVolume.GetImageData() is None

    @_with_torch
    def test_panel_denoises_a_volume(self) -> None:
        self.delayDisplay("Pressing Apply")
        widget = slicer.util.getModuleWidget("NeuralDiffusion")
        widget.initializeParameterNode()
        parameters = widget.parameterNode
        parameters.inputVolume = slicer.util.addVolumeFromArray(self._discs()[1], name="Discs")
        parameters.iterations = 4
        widget.ui.applyButton.click()
        assert widget.ui.applyButton.text == _("Cancel")
        until = time.monotonic() + _PATIENCE_S
        while widget.runs.busy and time.monotonic() < until:
            slicer.app.processEvents()
            time.sleep(0.01)
        assert parameters.outputVolume is not None, widget.ui.statusLabel.text
        assert parameters.outputVolume.GetImageData().GetDimensions() == (64, 64, 4)

    @staticmethod
    def _discs() -> tuple[np.ndarray, np.ndarray]:
        """Return discs of intensity 800 on 200, without noise and with Rician noise of 60; both int16."""
        random = np.random.default_rng(0)
        rows, columns = np.mgrid[:64, :64]
        clean = np.where((rows - 32) ** 2 + (columns - 32) ** 2 < 400, 800.0, 200.0) * np.ones((4, 1, 1))
        noisy = np.hypot(clean + random.normal(0, 60, clean.shape), random.normal(0, 60, clean.shape))
        return clean.astype(np.int16), noisy.astype(np.int16)
