"""What is denoised, and how noisy it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.node_watch import NodeWatch
from NeuralDiffusionLib.mrml.nodes.sequences import browser_and_sequence_of, frames_of
from NeuralDiffusionLib.mrml.nodes.volumes import check_input
from NeuralDiffusionLib.mrml.parameters import MAX_SIGMA, NeuralDiffusionParameterNode, NoiseType
from NeuralDiffusionLib.mrml.runs.input_warnings import InputWarnings
from NeuralDiffusionLib.mrml.runs.run_sentences import estimate_text

from .noise_level_watch import NoiseLevelWatch
from .section import Panel, Section

if TYPE_CHECKING:
    from NeuralDiffusionLib.engine.noise_estimate import NoiseEstimate

_DIGITS = 4
_MOST_DECIMALS = 8
# A level that was set by hand may well be twice as high as the estimate.
_FAR_OFF = 10.0
# Longer than the frames of a sequence that plays are apart.
_REST_MS = 300


class InputsSection(Section):
    """Volume, frames, mask, noise type and noise level, and what of them lies outside of the network's training.

    New voxels of the same volume are read only once they have rested, so that a sequence plays smoothly.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._noiseLevel = NoiseLevelWatch(panel, self._showNoiseLevel)
        self._warnings = InputWarnings()
        self._browser = NodeWatch(vtk.vtkCommand.ModifiedEvent, self.onBrowserModified)
        self._recording = False
        # The volume and its voxels, by their time, that were looked at last, and their range.
        self._lookedAt: tuple[str, int] | None = None
        self._range = (0.0, 1.0)
        self._rest = qt.QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.connect("timeout()", self.onRested)
        self.ui.estimateSigmaCheckBox.connect("clicked(bool)", self.onEstimateSigmaClicked)

    def update(self) -> None:
        node = self.parameterNode
        volume = node.inputVolume if node else None
        self._follow(volume)
        several = volume is not None and frames_of(volume) > 1
        self.ui.framesLabel.visible = several
        self.ui.framesComboBox.visible = several
        self._noiseLevel.update()
        self._look(volume)
        if node is not None:
            self.ui.noiseTypeNoteLabel.text = _explain(node.noiseType)
            self._fitSpinBox(node)
        self._showNoiseLevel()

    def onEstimateSigmaClicked(self, checked: bool) -> None:
        """Start from the estimate when the level is to be set by hand for the first time."""
        node, estimate = self.parameterNode, self._noiseLevel.estimate
        if not checked and node is not None and node.sigma == 0 and estimate is not None:
            node.sigma = min(float(f"{estimate.sigma:.{_DIGITS}g}"), MAX_SIGMA)

    def onRested(self) -> None:
        """Look at voxels that have not changed any more for a while."""
        self._lookedAt = None
        self.update()

    def onBrowserModified(self, caller: vtk.vtkObject, event: str) -> None:
        """Bring the panel up to date when a recording begins or ends."""
        if self._recording != caller.GetRecordingActive():
            self._recording = caller.GetRecordingActive()
            self.panel.update()

    def leave(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._follow(None)
        self._noiseLevel.stop()
        self._look(None)

    def close(self) -> None:
        self.forget()

    def _follow(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Observe the sequence browser that shows frames in a volume, if there is one."""
        found = None if volume is None else browser_and_sequence_of(volume)
        browser = None if found is None else found[0]
        if self._browser.follow(browser) and browser is not None:
            self._recording = browser.GetRecordingActive()

    def _look(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Find the range of the voxels: at once in another volume, else once they have rested."""
        image = None if volume is None else volume.GetImageData()
        now = None if image is None else (volume.GetID(), image.GetMTime())
        if now == self._lookedAt:
            return
        if now is not None and self._lookedAt is not None and now[0] == self._lookedAt[0]:
            self._rest.start()
            return
        self._rest.stop()
        self._lookedAt, self._range = now, (0.0, 1.0) if image is None else image.GetScalarRange()

    def _fitSpinBox(self, node: NeuralDiffusionParameterNode) -> None:
        """Give the spin box four significant digits of a usual noise level, 3 % of the intensity range."""
        box = self.ui.sigmaSpinBox
        box.enabled = not node.estimateSigma
        relative = node.noiseType is NoiseType.SPECKLE
        box.suffix = _(" of the signal") if relative else ""
        low, high = (0.0, 1.0) if relative else self._range
        usual = 0.03 * (high - low) if math.isfinite(high - low) and high > low else 1.0
        # Of the smallest numbers 3 % is 0.
        decimals = _MOST_DECIMALS if usual == 0 else _DIGITS - 1 - math.floor(math.log10(usual))
        decimals = min(max(0, decimals), _MOST_DECIMALS)
        # What the box rounds to show it must not be taken for what the user typed.
        silent = box.blockSignals(True)
        box.decimals = decimals
        box.singleStep = 10.0 ** -max(0, decimals - _DIGITS + 2)
        box.value = node.sigma
        box.blockSignals(silent)

    def _showNoiseLevel(self) -> None:
        node = self.parameterNode
        if node is not None:
            self.ui.sigmaNoteLabel.text = self._noteOnLevel(node)
        sentences = [] if node is None else self._warningsOf(node)
        self.ui.inputWarningsLabel.text = "\n".join(sentences)
        self.ui.inputWarningsLabel.visible = bool(sentences)

    def _warningsOf(self, node: NeuralDiffusionParameterNode) -> list[str]:
        try:
            check_input(node.inputVolume)
            settings = node.settings()
        except InvalidVolumeError:
            # Said where Apply is refused.
            return []
        estimate = self._noiseLevel.estimate
        sigma = estimate.sigma if node.estimateSigma and estimate is not None else settings.sigma
        anew = not self._rest.isActive()
        return self._warnings.find(node.inputVolume, settings, node.takesThreePlanes(), sigma, anew)

    def _noteOnLevel(self, node: NeuralDiffusionParameterNode) -> str:
        sentences = self._noteOnEstimate(node), _noteOnGiven(node, self._noiseLevel.estimate)
        return " ".join(sentence for sentence in sentences if sentence)

    def _noteOnEstimate(self, node: NeuralDiffusionParameterNode) -> str:
        watch = self._noiseLevel
        if watch.estimate is not None:
            return estimate_text(watch.estimate, node.noiseType.value)
        if watch.problem:
            return watch.problem
        if watch.waiting:
            return _("Estimating...")
        return (
            _("Estimated in each slice when it is denoised; shown here after a preview or a run.")
            if node.estimateSigma
            else ""
        )


def _noteOnGiven(node: NeuralDiffusionParameterNode, estimate: NoiseEstimate | None) -> str:
    """Say what is odd about a level that was set by hand, for this noise type or another, this scan or another."""
    if node.estimateSigma:
        return ""
    if node.sigma == 0:
        return _("At 0 nothing is removed.")
    if node.noiseType is NoiseType.SPECKLE and node.sigma > 1:
        return _("At 1 the noise is as strong as the signal: set less.")
    if estimate is not None and not estimate.sigma / _FAR_OFF <= node.sigma <= estimate.sigma * _FAR_OFF:
        return _("The level that is set is far from that: check it and its unit.")
    return ""


def _explain(noise: NoiseType) -> str:
    return {
        NoiseType.RICIAN: _("Magnitude MR images: the usual case."),
        NoiseType.GAUSSIAN: _("The same noise everywhere: real-part or averaged images."),
        NoiseType.SPECKLE: _("Stronger where the signal is stronger, as in ultrasound."),
        NoiseType.MIXED: _("The network judges the noise slice by slice."),
    }[noise]
