"""The Apply button: denoises the input volume, or cancels what goes on."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.provenance import read_provenance
from NeuralDiffusionLib.mrml.nodes.sequences import frames_of
from NeuralDiffusionLib.mrml.parameters import NeuralDiffusionParameterNode
from NeuralDiffusionLib.mrml.runs.run import BackgroundRun
from NeuralDiffusionLib.mrml.runs.run_checks import check_run
from NeuralDiffusionLib.mrml.runs.run_sentences import run_text
from NeuralDiffusionLib.mrml.slicer_torch import ensure_torch

from .section import Panel, Section


class ApplySection(Section):
    """Starts the run on the whole volume, or on all frames of a sequence, and writes its result."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)

    def update(self) -> None:
        if self.panel.runs.busy:
            self.ui.applyButton.toolTip = _("Stop before the next batch of slices; the scene stays as it is.")
            return
        reason = self._whyNotApply()
        self.ui.applyButton.enabled = not reason
        self.ui.applyButton.toolTip = reason or self._whatApplyDoes()

    def onApplyButton(self) -> None:
        """Begin to denoise the input volume or, while that or other work goes on, cancel it."""
        if self.panel.runs.busy:
            self.panel.runs.cancel()
            return
        with self.panel.runs.reporting(_("Denoising failed.")):
            node = self.parameterNode
            allFrames = node.takesAllFrames()
            # An unsuitable volume is named before PyTorch is downloaded for it.
            self._check(node)
            ensure_torch(slicer.util.confirmOkCancelDisplay)
            run = self.logic.start(
                node.inputVolume,
                None if allFrames else node.outputVolume,
                node.conductionVolume,
                node.settings(),
                node.device,
                node.maskSegmentation,
                node.takesThreePlanes(),
                allFrames,
            )
            frames = frames_of(node.inputVolume) if allFrames else 1
            chosen = node.inputVolume, node.outputVolume
            self.panel.runs.begin(run, lambda: self._store(run, node, chosen, frames), _("Denoising failed."))

    def _whyNotApply(self) -> str:
        """Return why what is chosen cannot be done, as far as that is known at a glance, or nothing."""
        node = self.parameterNode
        if node is None:
            return _("Open the module to denoise a volume.")
        try:
            self._check(node)
        except InvalidVolumeError as error:
            return str(error)
        return ""

    def _check(self, node: NeuralDiffusionParameterNode) -> None:
        allFrames = node.takesAllFrames()
        output = None if allFrames else node.outputVolume
        check_run(node.inputVolume, output, node.conductionVolume, node.maskSegmentation, allFrames)
        node.settings()

    def _whatApplyDoes(self) -> str:
        if self.parameterNode.takesAllFrames():
            count = frames_of(self.parameterNode.inputVolume)
            return _("Denoise all {count} frames into a new sequence.").format(count=count)
        return _("Denoise the input volume.")

    def _store(
        self,
        run: BackgroundRun,
        node: NeuralDiffusionParameterNode,
        chosen: tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLScalarVolumeNode | None],
        frames: int,
    ) -> str:
        """Write the result into the scene, show it if the module is open, and return a line about the run.

        `chosen` are the input and the output when the run began.
        """
        checkBox = self.ui.showConductionCheckBox
        overlayShown, checkBox.checked = checkBox.checked, False
        try:
            if self.parameterNode is not None:
                self.panel.beforeResult()
            result, outputVolume = run.store()
            inputVolume, output = chosen
            if output is not None and output.GetScene() is None:
                output = None
            if node.inputVolume is inputVolume and node.outputVolume is output:
                node.outputVolume = outputVolume
            # Of another input, chosen meanwhile, this is no output: the next run would replace it.
            node.keepResultsOfOtherInputs()
            if self.parameterNode is not None:
                slicer.util.setSliceViewerLayers(background=outputVolume)
        finally:
            self.panel.update()
            checkBox.checked = overlayShown and checkBox.enabled
        self.panel.runs.warn(list(result.notes))
        return run_text(read_provenance(outputVolume), result.sigma, frames, self.panel.runs.seconds)
