"""The same volume denoised by classical filters, and how close all come to a reference."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.background import Job
from NeuralDiffusionLib.mrml.comparison.comparison import Compared, Comparison, Stored
from NeuralDiffusionLib.mrml.comparison.filtered import Filter, are_current, find_filtered
from NeuralDiffusionLib.mrml.nodes.volumes import check_input
from NeuralDiffusionLib.mrml.parameters import NoiseType
from NeuralDiffusionLib.mrml.runs.run_checks import check_input_with_result
from NeuralDiffusionLib.mrml.views.side_by_side import SideBySide, views_in_layout, was_replaced

from .section import Panel, Section


class ComparisonSection(Section):
    """Runs the classical filters, fills the table, and shows the results beside each other."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._sideBySide = SideBySide(self._showWhetherSideBySide)
        self._shown: list[slicer.vtkMRMLScalarVolumeNode] = []
        self._tips = {each: each.toolTip for each in (self.ui.compareButton, self.ui.sideBySideCheckBox)}
        self.ui.compareButton.connect("clicked(bool)", self.onCompareButton)
        self.ui.sideBySideCheckBox.connect("toggled(bool)", self.onSideBySideToggled)
        # Pressed comes before clicked: the views have the user's layers again when the other look remembers them.
        for other in (
            self.ui.beforeAfterButton,
            self.ui.removedButton,
            self.ui.showConductionCheckBox,
            self.ui.previewCheckBox,
        ):
            other.connect("pressed()", self._hideSideBySide)

    def update(self) -> None:
        if self.parameterNode is None:
            return
        reason = self.panel.runs.whyWait() or self._whyNotCompare()
        self.ui.compareButton.enabled = not reason
        self.ui.compareButton.toolTip = reason or self._tips[self.ui.compareButton]
        volumes = self._volumes()
        if self._sideBySide.is_on and volumes != self._shown:
            self._hideSideBySide()
        checkBox = self.ui.sideBySideCheckBox
        checkBox.enabled = bool(volumes)
        checkBox.toolTip = self._tips[checkBox] if volumes else self._whyNotSideBySide()
        self._showWhetherSideBySide()

    def beforeResult(self) -> None:
        self._hideSideBySide()

    def restore(self) -> None:
        volumes = self._volumes()
        isWanted = self.parameterNode.sideBySide and not was_replaced(slicer.mrmlScene)
        if volumes and isWanted and not self._sideBySide.is_on:
            self._show(volumes)

    def onCompareButton(self) -> None:
        """Begin to filter the input volume, and to measure all volumes against the reference if there is one."""
        with self.panel.runs.reporting(_("Comparing failed.")):
            node = self.parameterNode
            levelIsGiven = not node.estimateSigma and node.noiseType is not NoiseType.SPECKLE
            comparison = Comparison(
                node.inputVolume,
                self._denoised(),
                node.referenceVolume,
                node.maskSegmentation,
                node.sigma if levelIsGiven else None,
                node.settings().slice_axis,
            )
            job = self.logic.startWork(comparison.work)
            leftOut = self._whyLeftOut()
            self.panel.runs.begin(job, lambda: self._store(comparison, job, leftOut), _("Comparing failed."))

    def onSideBySideToggled(self, checked: bool) -> None:
        """Show the denoised volume and those of the filters beside each other, or what the views showed before."""
        if not checked:
            self._hideSideBySide()
            return
        with self.panel.runs.reporting(_("The volumes cannot be shown side by side.")):
            volumes = self._volumes()
            if volumes:
                # The other looks first, so that what is given back later is the user's own.
                self.logic.looks.hide()
                self._show(volumes)
        self._showWhetherSideBySide()

    def beforeImport(self) -> None:
        # Watched, it would take the views of the added scene for the user's choice and put the former layers there.
        self._sideBySide.forget()

    def forget(self) -> None:
        self._sideBySide.forget()
        self._showWhetherSideBySide()

    def close(self) -> None:
        self._sideBySide.hide()

    def _whyNotCompare(self) -> str:
        """Return why the input volume cannot be filtered, or nothing."""
        try:
            check_input(self.parameterNode.inputVolume)
        except InvalidVolumeError as error:
            return str(error)
        return ""

    def _denoised(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Return the output volume if it is one of the input volume."""
        node = self.parameterNode
        if self._whyNotDenoised():
            return None
        return None if node.outputVolume in find_filtered(node.inputVolume).values() else node.outputVolume

    def _whyNotDenoised(self) -> str:
        """Return why the output volume is none of the input volume as it is now, or nothing."""
        pair = self.parameterNode.inputVolume, self.parameterNode.outputVolume
        try:
            check_input_with_result(*pair)
        except InvalidVolumeError as error:
            return str(error)
        return self.logic.currentVoxels.why_not_of(*pair)

    def _whyLeftOut(self) -> list[str]:
        """Return why the output volume will not stand in the table, if it would be expected there."""
        reason = self._whyNotThatOutput()
        return [reason] if reason and self.parameterNode.referenceVolume is not None else []

    def _whyNotThatOutput(self) -> str:
        """Return why an output volume that holds something is none of the input volume as it is now, or nothing."""
        output = self.parameterNode.outputVolume
        return "" if output is None or output.GetImageData() is None else self._whyNotDenoised()

    def _volumes(self) -> list[slicer.vtkMRMLScalarVolumeNode]:
        """Return the denoised volume and those of the filters, or nothing if one is missing or of other voxels."""
        denoised = self._denoised()
        filtered = find_filtered(self.parameterNode.inputVolume) if denoised else {}
        areAll = len(filtered) == len(Filter) and are_current(
            filtered, self.parameterNode.inputVolume, self.logic.currentVoxels
        )
        return [denoised, *filtered.values()] if areAll else []

    def _whyNotSideBySide(self) -> str:
        if self._denoised() and len(find_filtered(self.parameterNode.inputVolume)) == len(Filter):
            return _("The filters were given other voxels, or another frame, than the input shows now: press Compare.")
        return self._whyNotThatOutput() or _("Press Apply for the denoised volume and Compare for the others first.")

    def _store(self, comparison: Comparison, job: Job[Compared], leftOut: list[str]) -> str:
        """Write what was compared into the scene, and return what was done and how close the volumes are."""
        stored = comparison.store(job.result())
        self.panel.update()
        self.panel.runs.warn([*comparison.notes, *leftOut])
        diffusion, means = (volume.GetName() for volume in stored.filtered.values())
        if comparison.filters_are_up_to_date:
            line = _("'{diffusion}' and '{means}' are up to date.").format(diffusion=diffusion, means=means)
        else:
            line = _("Made '{diffusion}' and '{means}' in {seconds:.1f} s.").format(
                diffusion=diffusion, means=means, seconds=self.panel.runs.seconds
            )
        return line if stored.table is None else "\n".join(_figures(stored))

    def _show(self, volumes: list[slicer.vtkMRMLScalarVolumeNode]) -> None:
        # Before the views tell of each change to them.
        self._shown = volumes
        self._sideBySide.show(self.parameterNode.inputVolume, volumes)

    def _hideSideBySide(self) -> None:
        self._sideBySide.hide()
        self._showWhetherSideBySide()

    def _showWhetherSideBySide(self) -> None:
        isOn, checkBox, note = self._sideBySide.is_on, self.ui.sideBySideCheckBox, ""
        wasBlocked = checkBox.blockSignals(True)
        checkBox.checked = isOn
        checkBox.blockSignals(wasBlocked)
        if isOn:
            note = _("Red: denoised. Green: anisotropic diffusion. Yellow: non-local means.")
            if not views_in_layout(slicer.mrmlScene):
                note += " " + _("Choose a layout that has these three views, Four-Up for instance.")
        self.ui.sideBySideNoteLabel.text = note
        if self.parameterNode is not None and not self.panel.restoring:
            self.parameterNode.sideBySide = isOn


def _figures(stored: Stored) -> list[str]:
    """Say where the table is, and the figures in short: a line for each volume."""
    where = _("PSNR and SSIM are in the table '{table}' (Tables module):").format(table=stored.table.GetName())
    row = _("{volume}: {psnr:.1f} dB, {ssim:.3f}")
    return [where, *(row.format(**each._asdict()) for each in stored.rows)]
