"""The Apply button: denoises the input volume, or cancels what goes on."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml_parameters import NeuralDiffusionParameterNode, NoiseType
from NeuralDiffusionLib.mrml_run import BackgroundRun
from NeuralDiffusionLib.mrml_volumes import check_input, check_outputs
from NeuralDiffusionLib.slicer_torch import ensure_torch

from .section import Panel, Section


class ApplySection(Section):
    """Starts the run on the whole volume and writes its result."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)

    def update(self) -> None:
        if self.panel.runs.busy:
            self.ui.applyButton.toolTip = _("Stop before the next batch of slices; the scene stays as it is.")
            return
        reason = self._whyNotApply()
        self.ui.applyButton.enabled = not reason
        self.ui.applyButton.toolTip = reason or _("Denoise the input volume.")

    def onApplyButton(self) -> None:
        """Begin to denoise the input volume or, while that or other work goes on, cancel it."""
        if self.panel.runs.busy:
            self.panel.runs.cancel()
            return
        with slicer.util.tryWithErrorDisplay(_("Denoising failed.")):
            node = self.parameterNode
            # An unsuitable volume is named before PyTorch is downloaded for it.
            check_input(node.inputVolume)
            ensure_torch(slicer.util.confirmOkCancelDisplay)
            run = self.logic.start(
                node.inputVolume, node.outputVolume, node.conductionVolume, node.settings(), node.device
            )
            self.panel.runs.begin(run, lambda: self._store(run, node), _("Denoising failed."))

    def _whyNotApply(self) -> str:
        """Return why the chosen volumes cannot be denoised, or nothing."""
        node = self.parameterNode
        if node is None:
            return _("Open the module to denoise a volume.")
        outputs = [volume for volume in (node.outputVolume, node.conductionVolume) if volume is not None]
        try:
            check_input(node.inputVolume)
            check_outputs(outputs, node.inputVolume)
        except InvalidVolumeError as error:
            return str(error)
        return ""

    def _store(self, run: BackgroundRun, node: NeuralDiffusionParameterNode) -> str:
        """Write the result into the scene, show it if the module is open, and return a line about the run."""
        checkBox = self.ui.showConductionCheckBox
        overlayShown, checkBox.checked = checkBox.checked, False
        try:
            result, outputVolume = run.store()
            node.outputVolume = outputVolume
            if self.parameterNode is not None:
                slicer.util.setSliceViewerLayers(background=outputVolume)
        finally:
            self.panel.update()
            checkBox.checked = overlayShown and checkBox.enabled
        self.panel.runs.warn(list(result.notes))
        if node.noiseType is NoiseType.SPECKLE:
            level = _("{percent:.1f} % of the signal").format(percent=100 * result.sigma)
        else:
            level = _("{sigma:.3g} in image units").format(sigma=result.sigma)
        return _("Denoised '{name}' in {seconds:.1f} s on {device}; estimated noise level: {level}.").format(
            name=node.inputVolume.GetName(), seconds=self.panel.runs.seconds, device=result.device, level=level
        )
