"""How the volume is denoised."""

from __future__ import annotations

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.planes import describe_slices

from .section import Panel, Section


class DiffusionSection(Section):
    """Iterations, neighbourhood, refinement, slices and the step across them."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.ui.restoreDefaultsButton.connect("clicked(bool)", self.onRestoreDefaultsButton)

    def update(self) -> None:
        self.ui.slicesAlongNoteLabel.text = self._noteOnSlices()
        self.ui.acrossSlicesCheckBox.enabled = self.parameterNode is None or not self.parameterNode.takesThreePlanes()

    def onRestoreDefaultsButton(self) -> None:
        """Set how to denoise back to the defaults."""
        if self.parameterNode is not None:
            self.parameterNode.restoreDefaults()

    def _noteOnSlices(self) -> str:
        node = self.parameterNode
        if node is None or node.inputVolume is None:
            return ""
        try:
            return describe_slices(node.inputVolume, node.slicesAlong)
        except InvalidVolumeError as error:
            return str(error)
