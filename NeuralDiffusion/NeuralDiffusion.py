"""The Neural Diffusion module of 3D Slicer: a learned Perona-Malik denoiser for MR volumes.

Research use only; not for diagnosis.
"""

import enum
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from NeuralDiffusionLib import MAX_ITERATIONS, NEIGHBOURHOODS, DenoiseCancelled, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.mrml_batch import add_summary, common_scene, folder_tasks, run_batch, volume_tasks
from NeuralDiffusionLib.mrml_overlay import DEFAULT_OPACITY, ConductionOverlay
from NeuralDiffusionLib.mrml_result import store_result
from NeuralDiffusionLib.mrml_volumes import check_input, check_outputs, read_volume
from NeuralDiffusionLib.slicer_torch import ensure_torch, torch_installed

if TYPE_CHECKING:
    from NeuralDiffusionLib import Denoiser, DenoiseResult


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


class NoiseType(enum.Enum):
    """Noise models, in the order shown. Scenes store the member's name: renaming one breaks saved scenes."""

    RICIAN = "rician"
    GAUSSIAN = "gaussian"
    SPECKLE = "speckle"
    MIXED = "mixed"

    def label(self) -> str:
        return {
            NoiseType.RICIAN: _("Rician (magnitude MR)"),
            NoiseType.GAUSSIAN: _("Gaussian (additive)"),
            NoiseType.SPECKLE: _("Speckle (proportional to the signal)"),
            NoiseType.MIXED: _("Mixed or unknown"),
        }[self]


@parameterNodeWrapper
class NeuralDiffusionParameterNode:
    """What the user chose; saved with the scene.

    An output that is not chosen yet is created on Apply; without a conduction volume no map is stored.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    noiseType: NoiseType = NoiseType(DenoiseSettings.noise)
    iterations: Annotated[int, WithinRange(1, MAX_ITERATIONS)] = DenoiseSettings.iterations
    neighbours: Annotated[int, Choice(list(NEIGHBOURHOODS))] = DenoiseSettings.neighbours
    refine: bool = DenoiseSettings.refine
    outputVolume: vtkMRMLScalarVolumeNode
    conductionVolume: vtkMRMLScalarVolumeNode
    conductionOpacity: Annotated[float, WithinRange(0, 1)] = DEFAULT_OPACITY

    def settings(self) -> DenoiseSettings:
        """Return what was chosen in the form that the logic takes."""
        return DenoiseSettings(
            noise=self.noiseType.value, iterations=self.iterations, neighbours=self.neighbours, refine=self.refine
        )


class NeuralDiffusionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        """Build the panel when the module is opened for the first time, or reloaded."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/NeuralDiffusion.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = NeuralDiffusionLogic()

        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.showConductionCheckBox.connect("toggled(bool)", self.onShowConductionToggled)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Let go of the scene when the panel is destroyed or reloaded."""
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
        """Forget the nodes of a scene that is about to close."""
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
        reason = self._whyNotApply()
        self.ui.applyButton.enabled = not reason
        self.ui.applyButton.toolTip = reason or _("Denoise the input volume.")
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
        """Denoise the input volume and show the result."""
        with slicer.util.tryWithErrorDisplay(_("Denoising failed.")):
            # An unsuitable volume is named before PyTorch is downloaded for it.
            check_input(self._parameterNode.inputVolume)
            ensure_torch(slicer.util.confirmOkCancelDisplay)
            checkBox = self.ui.showConductionCheckBox
            overlayShown, checkBox.checked = checkBox.checked, False
            self.ui.statusLabel.text = ""
            try:
                self.ui.statusLabel.text = self._apply()
            except DenoiseCancelled:
                self.ui.statusLabel.text = _("Cancelled: nothing was changed.")
            finally:
                self.onParametersChanged()
                checkBox.checked = overlayShown and checkBox.enabled

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

    def _apply(self) -> str:
        """Run the logic behind a progress dialog, show the denoised volume and return a line about the run."""
        node = self._parameterNode
        outputVolume = node.outputVolume or self.logic.addOutputVolume(node.inputVolume)
        dialog = slicer.util.createProgressDialog(
            labelText=_("Preparing..."), windowTitle=_("Neural Diffusion"), modal=True
        )

        def progress(done: int, total: int) -> None:
            dialog.maximum = total
            dialog.value = done
            dialog.labelText = _("{done} of {total} slices denoised").format(done=done, total=total)

        def cancelled() -> bool:
            slicer.app.processEvents()
            return dialog.wasCanceled

        started = time.monotonic()
        try:
            result = self.logic.process(
                node.inputVolume, outputVolume, node.conductionVolume, node.settings(), progress, cancelled
            )
        except BaseException:
            if node.outputVolume is None and outputVolume.GetScene() is not None:
                outputVolume.GetScene().RemoveNode(outputVolume)
            raise
        finally:
            dialog.close()
            dialog.deleteLater()
        node.outputVolume = outputVolume
        slicer.util.setSliceViewerLayers(background=outputVolume)
        if node.noiseType is NoiseType.SPECKLE:
            level = _("{percent:.1f} % of the signal").format(percent=100 * result.sigma)
        else:
            level = _("{sigma:.3g} in image units").format(sigma=result.sigma)
        line = _("Denoised '{name}' in {seconds:.1f} s on {device}; estimated noise level: {level}.").format(
            name=node.inputVolume.GetName(), seconds=time.monotonic() - started, device=result.device, level=level
        )
        return " ".join([line, *result.notes])

    def _showConduction(self) -> None:
        node = self._parameterNode
        if node and node.inputVolume and node.conductionVolume:
            self.logic.conductionOverlay.show(node.inputVolume, node.conductionVolume, node.conductionOpacity)


class NeuralDiffusionLogic(ScriptedLoadableModuleLogic):
    """Denoises volumes of a scene. Knows MRML but no Qt: it works in scripts and batches as well.

    Weights are read once for each device and kept. `conductionOverlay` shows a conduction map in the slice views.
    """

    def __init__(self) -> None:
        super().__init__()
        self._denoisers: dict[str, Denoiser] = {}
        self.conductionOverlay = ConductionOverlay()

    def getParameterNode(self) -> NeuralDiffusionParameterNode:
        """Return what the user chose in this scene."""
        return NeuralDiffusionParameterNode(super().getParameterNode())

    def addOutputVolume(self, inputVolume: vtkMRMLScalarVolumeNode) -> vtkMRMLScalarVolumeNode:
        """Add an empty volume named after the input to its scene."""
        scene = inputVolume.GetScene()
        name = _("{name} denoised").format(name=inputVolume.GetName())
        if scene.GetFirstNodeByName(name) is not None:
            name = scene.GenerateUniqueName(name)
        return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)

    def process(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        outputVolume: vtkMRMLScalarVolumeNode,
        conductionVolume: vtkMRMLScalarVolumeNode | None = None,
        settings: DenoiseSettings | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        floatOutput: bool = False,
        device: str = "auto",
    ) -> "DenoiseResult":
        """Denoise a volume; returns when it is done.

        The output takes the input's geometry, parent transform, window and level, Subject Hierarchy place and scalar
        type (computed in float, rounded, clipped), and attributes ``NeuralDiffusion.*`` that say how it was made. The
        outputs are written at the end, and only on success; the input is never touched.

        Parameters
        ----------
        inputVolume
            Scalar volume to denoise.
        outputVolume
            Node for the denoised volume.
        conductionVolume
            Node for the conduction map, float from 0 (held) to 1 (smoothed freely).
        settings
            What to do; the defaults of `DenoiseSettings` if left out.
        progress
            Called with the slices done and all slices, after each batch of slices.
        cancelled
            Asked before each batch; once it returns True the run stops.
        floatOutput
            Whether to store the denoised volume as float, instead of the input's scalar type.
        device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

        Returns
        -------
        DenoiseResult
            The arrays, the noise level, the device and any notes for the user.

        Raises
        ------
        InvalidVolumeError
            If a volume cannot be denoised, or cannot hold a result.
        DenoiseCancelled
            If the run was cancelled.
        DeviceError
            If the device is unknown or absent.
        WeightsError
            If the weights cannot be used.
        RuntimeError
            If PyTorch is not installed.
        """
        settings = settings or DenoiseSettings()
        outputs = [outputVolume] if conductionVolume is None else [outputVolume, conductionVolume]
        voxels = read_volume(inputVolume)
        check_outputs(outputs, inputVolume)
        denoiser = self._denoiser(device)
        result = denoiser(voxels, settings, progress, cancelled)
        # The callbacks may have let the user remove a node or close the scene.
        check_outputs(outputs, inputVolume)
        store_result(
            result, settings, denoiser.weights_sha256, inputVolume, outputVolume, conductionVolume, floatOutput
        )
        return result

    def denoiseAll(
        self,
        volumesOrFolder: Sequence[vtkMRMLScalarVolumeNode] | str | Path,
        outputFolder: str | Path | None = None,
        settings: DenoiseSettings | None = None,
        progress: Callable[[float, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        overwrite: bool = False,
        device: str = "auto",
    ) -> slicer.vtkMRMLTableNode:
        """Denoise several volume nodes, or the image files of a folder, one after the other.

        One that cannot be denoised does not stop the others, and leaves nothing behind. A volume node gets an output
        node in its scene. A file (NRRD, NIfTI or MetaImage, not in a sub-folder) gets a file of the same name and
        format in `outputFolder`, with its geometry and scalar type.

        Parameters
        ----------
        volumesOrFolder
            Volume nodes, or a folder.
        outputFolder
            Where the results of a folder are written; made if it is missing.
        settings
            What to do; the defaults of `DenoiseSettings` if left out.
        progress
            Called with the volumes done, as a real number, and all volumes, after each batch of slices.
        cancelled
            Asked before each batch of slices; once it returns True the batch stops and what is done is kept.
        overwrite
            Whether to replace files that are in `outputFolder` already.
        device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

        Returns
        -------
        vtkMRMLTableNode
            For each volume its name, slices, estimated noise level in its own units, device, seconds and status: a
            sentence that says what went wrong, if anything did. It is added to the scene of the volumes, or, for a
            folder, to the application's.

        Raises
        ------
        InvalidVolumeError
            If there is nothing to denoise, or nowhere to write to.
        DeviceError
            If the device is unknown or absent.
        WeightsError
            If the weights cannot be used.
        RuntimeError
            If PyTorch is not installed.
        """
        cancelled = cancelled or (lambda: False)
        self._denoiser(device)

        def denoise(
            volume: Any, output: Any, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
        ) -> "DenoiseResult":
            return self.process(volume, output, None, settings, progress, cancelled, device=device)

        if isinstance(volumesOrFolder, (str, Path)):
            scene = slicer.mrmlScene
            target = None if outputFolder is None else Path(outputFolder)
            tasks = folder_tasks(Path(volumesOrFolder), target, denoise, cancelled, overwrite)
        else:
            scene = common_scene(volumesOrFolder)
            tasks = volume_tasks(volumesOrFolder, denoise, self.addOutputVolume, cancelled)
        return add_summary(scene, run_batch(tasks, progress or (lambda done, total: None), cancelled))

    def _denoiser(self, device: str) -> "Denoiser":
        if not torch_installed():
            raise RuntimeError(_("PyTorch is not installed: install it in the PyTorch Utils module."))
        if device not in self._denoisers:
            from NeuralDiffusionLib import Denoiser

            self._denoisers[device] = Denoiser(device)
        return self._denoisers[device]


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
