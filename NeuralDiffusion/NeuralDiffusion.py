"""The Neural Diffusion module of 3D Slicer: a learned Perona-Malik denoiser for MR volumes.

Research use only; not for diagnosis.
"""

import sys
import time
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from NeuralDiffusionLib import DenoiseCancelled, InvalidVolumeError
from NeuralDiffusionLib.background import Progress
from NeuralDiffusionLib.mrml_logic import NeuralDiffusionLogic
from NeuralDiffusionLib.mrml_parameters import NeuralDiffusionParameterNode, NoiseType
from NeuralDiffusionLib.mrml_run import BackgroundRun
from NeuralDiffusionLib.mrml_self_test import NeuralDiffusionTest  # noqa: F401 - Slicer looks for it here
from NeuralDiffusionLib.mrml_volumes import check_input, check_outputs
from NeuralDiffusionLib.slicer_torch import ensure_torch

_POLL_MS = 100


class NeuralDiffusion(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.parent.title = _("Neural Diffusion")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering.Denoising")]
        self.parent.dependencies = []
        self.parent.contributors = ["The SlicerNeuralDiffusion authors"]
        self.parent.helpText = _(
            "Removes noise from MR volumes with a learned Perona-Malik equation: a diffusion whose conduction weights "
            "a small network predicts, so that noise is smoothed and edges are held. The conduction map shows where "
            "it did which. Research use only; not for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "The diffusion equation is that of P. Perona and J. Malik, Scale-Space and Edge Detection Using "
            "Anisotropic Diffusion, IEEE TPAMI 12(7), 1990."
        )


class NeuralDiffusionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._run = None
        self._runNode = None
        self._started = 0.0

    def setup(self) -> None:
        """Build the panel when the module is opened for the first time, or reloaded."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/NeuralDiffusion.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = NeuralDiffusionLogic()
        # Not at the top of the file: the logic serves scripts where there is no Qt.
        import qt

        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self.onRunTimer)
        self.ui.progressBar.visible = False

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.showConductionCheckBox.connect("toggled(bool)", self.onShowConductionToggled)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Let go of the scene when the panel is destroyed or reloaded."""
        self._forgetRun()
        self.logic.close()
        self.logic.conductionOverlay.hide()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """Connect the panel to the scene whenever the user opens the module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Leave the scene alone while another module is open."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the library as well as this file."""
        for name in [name for name in sys.modules if name.split(".")[0] == "NeuralDiffusionLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller: vtk.vtkObject, event: str) -> None:
        """Forget the nodes of a scene that is about to close; a run ends with it."""
        self._forgetRun()
        self.logic.conductionOverlay.forget()
        self.ui.showConductionCheckBox.checked = False
        self.ui.statusLabel.text = ""
        self.setParameterNode(None)

    def onSceneEndClose(self, caller: vtk.vtkObject, event: str) -> None:
        """Start afresh in the new scene if the module is open."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Connect the panel to this scene's parameter node; the first volume is the input until one is chosen."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            # By exact class: the selector does not offer label maps and other kinds of scalar volume.
            for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
                if volume.GetClassName() == "vtkMRMLScalarVolumeNode":
                    self._parameterNode.inputVolume = volume
                    break

    def setParameterNode(self, parameterNode: NeuralDiffusionParameterNode | None) -> None:
        """Connect the panel to a parameter node, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        self._parameterNode = parameterNode
        self._parameterNodeGuiTag = None
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
            self.onParametersChanged()

    def onParametersChanged(self, caller: vtk.vtkObject | None = None, event: str = "") -> None:
        """Keep the buttons and the overlay in step with what is chosen."""
        if self._parameterNode is None:
            return
        if self._run is None:
            reason = self._whyNotApply()
            self.ui.applyButton.enabled = not reason
            self.ui.applyButton.toolTip = reason or _("Denoise the input volume.")
        else:
            self.ui.applyButton.toolTip = _("Stop before the next batch of slices; the scene stays as it is.")
        conduction = self._parameterNode.conductionVolume
        checkBox = self.ui.showConductionCheckBox
        checkBox.enabled = conduction is not None and conduction.GetImageData() is not None
        if not checkBox.enabled:
            checkBox.checked = False
        elif checkBox.checked:
            self._showConduction()

    def onShowConductionToggled(self, checked: bool) -> None:
        """Show the conduction map over the input, or give the slice views their layers back."""
        if checked:
            self._showConduction()
        else:
            self.logic.conductionOverlay.hide()

    def onApplyButton(self) -> None:
        """Begin to denoise the input volume or, while that goes on, cancel it."""
        if self._run is not None:
            self._run.cancel()
            self.ui.applyButton.enabled = False
            self.ui.statusLabel.text = _("Cancelling after this batch of slices...")
            return
        with slicer.util.tryWithErrorDisplay(_("Denoising failed.")):
            node = self._parameterNode
            # An unsuitable volume is named before PyTorch is downloaded for it.
            check_input(node.inputVolume)
            ensure_torch(slicer.util.confirmOkCancelDisplay)
            self._started = time.monotonic()
            self._run = self.logic.start(node.inputVolume, node.outputVolume, node.conductionVolume, node.settings())
            self._runNode = node
            self.ui.statusLabel.text = _("Preparing...")
            self.ui.progressBar.value = 0
            self._onRunStartedOrEnded()
            self._timer.start()

    def onRunTimer(self) -> None:
        """Show how far the run is and, once it has ended, what came of it."""
        progress = self._run.progress
        if progress.total and self.ui.applyButton.enabled:
            self.ui.progressBar.maximum = progress.total
            self.ui.progressBar.value = progress.done
            self.ui.statusLabel.text = self._progressText(progress)
        if not self._run.finished:
            return
        run, node = self._run, self._runNode
        self._forgetRun()
        self.ui.statusLabel.text = ""
        with slicer.util.tryWithErrorDisplay(_("Denoising failed.")):
            try:
                self.ui.statusLabel.text = self._store(run, node)
            except DenoiseCancelled:
                self.ui.statusLabel.text = _("Cancelled: nothing was changed.")

    def _forgetRun(self) -> None:
        """Let go of a run that has ended, or whose result nobody waits for any more."""
        self._timer.stop()
        if self._run is not None:
            self._run.cancel()
        self._run = self._runNode = None
        self._onRunStartedOrEnded()

    def _onRunStartedOrEnded(self) -> None:
        running = self._run is not None
        self.ui.progressBar.visible = running
        self.ui.applyButton.text = _("Cancel") if running else _("Apply")
        self.onParametersChanged()

    def _whyNotApply(self) -> str:
        """Return why the chosen volumes cannot be denoised, or nothing."""
        node = self._parameterNode
        outputs = [volume for volume in (node.outputVolume, node.conductionVolume) if volume is not None]
        try:
            check_input(node.inputVolume)
            check_outputs(outputs, node.inputVolume)
        except InvalidVolumeError as error:
            return str(error)
        return ""

    def _progressText(self, progress: Progress) -> str:
        text = _("{done} of {total} slices denoised").format(done=progress.done, total=progress.total)
        if progress.seconds_left is None:
            return text
        return _("{text}, {seconds:.0f} s left").format(text=text, seconds=progress.seconds_left)

    def _store(self, run: BackgroundRun, node: NeuralDiffusionParameterNode) -> str:
        """Write the result into the scene, show it if the module is open, and return a line about the run."""
        checkBox = self.ui.showConductionCheckBox
        overlayShown, checkBox.checked = checkBox.checked, False
        try:
            result, outputVolume = run.store()
            node.outputVolume = outputVolume
            if self._parameterNode is not None:
                slicer.util.setSliceViewerLayers(background=outputVolume)
        finally:
            self.onParametersChanged()
            checkBox.checked = overlayShown and checkBox.enabled
        if node.noiseType is NoiseType.SPECKLE:
            level = _("{percent:.1f} % of the signal").format(percent=100 * result.sigma)
        else:
            level = _("{sigma:.3g} in image units").format(sigma=result.sigma)
        line = _("Denoised '{name}' in {seconds:.1f} s on {device}; estimated noise level: {level}.").format(
            name=node.inputVolume.GetName(), seconds=time.monotonic() - self._started, device=result.device, level=level
        )
        return " ".join([line, *result.notes])

    def _showConduction(self) -> None:
        node = self._parameterNode
        if node and node.inputVolume and node.conductionVolume:
            self.logic.conductionOverlay.show(node.inputVolume, node.conductionVolume, node.conductionOpacity)
