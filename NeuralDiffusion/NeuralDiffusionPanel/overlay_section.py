"""The conduction map in colour over the input, and the legend of its colours."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.maps.directions import direction_volumes
from NeuralDiffusionLib.mrml.maps.overlay import hide_legend, recolour_conduction, show_legend, style_conduction
from NeuralDiffusionLib.mrml.runs.run_checks import check_input_with_result
from NeuralDiffusionLib.mrml.views.layers import FOREGROUND, was_replaced

from .section import Panel, Section
from .slice_view_watch import SliceViewWatch


class OverlaySection(Section):
    """Switches the overlay on and off; the check box says whether a view shows the map.

    It stays in the views when the module is left, and its legend with it.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        # Input, map and opacity as they were shown last, until the overlay is switched off.
        self._shown: tuple[str, str, float] | None = None
        self._mapWithLegend: str | None = None
        self._tip = self.ui.showConductionCheckBox.toolTip
        self._watch = SliceViewWatch(self.onViewsChanged)
        self.ui.showConductionCheckBox.connect("toggled(bool)", self.onShowConductionToggled)

    def update(self) -> None:
        node = self.parameterNode
        if node is None:
            self._watch.stop()
            return
        self._watch.start()
        if slicer.mrmlScene.IsImporting():
            return
        for volume in (node.conductionVolume, *direction_volumes(slicer.mrmlScene)):
            if volume is not None:
                recolour_conduction(volume, node.colourTable)
        wanted = self._wanted()
        if self._shown is not None and wanted is None:
            self._hide()
        elif self._shown is not None and wanted != self._shown and self._isShown(self._shown[1]):
            self._show()
        self.onViewsChanged()

    def onViewsChanged(self) -> None:
        """Say with the check box, and the parameter node, whether the map is shown; the legend goes with it."""
        wanted, checkBox = self._wanted(), self.ui.showConductionCheckBox
        checkBox.enabled = wanted is not None
        checkBox.toolTip = self._whyNot() or self._tip
        self._setChecked(wanted is not None and self._isShown(wanted[1]))
        if checkBox.checked and self._shown is None:
            self._shown = wanted
        self._updateLegend()
        if self.parameterNode is not None and not self.panel.restoring:
            self.parameterNode.showConduction = checkBox.checked

    def restore(self) -> None:
        node, wanted = self.parameterNode, self._wanted()
        isOver = node.sideBySide or was_replaced(slicer.mrmlScene, FOREGROUND)
        if wanted and node.showConduction and not isOver and not self._isShown(wanted[1]):
            self._show()

    def onShowConductionToggled(self, checked: bool) -> None:
        """Show the conduction map over the input, or give the slice views their layers back."""
        if self.parameterNode is None:
            return
        if checked and self._wanted() is not None:
            self._show()
        else:
            self._hide()
        self.onViewsChanged()

    def beforeImport(self) -> None:
        self._shown = None

    def forget(self) -> None:
        self._watch.stop()
        self._shown, self._mapWithLegend = None, None
        self._setChecked(False)

    def close(self) -> None:
        self._watch.stop()
        self._setChecked(False)
        self._updateLegend()

    def _show(self) -> None:
        node = self.parameterNode
        if not self._isShown(node.conductionVolume.GetID()):
            style_conduction(node.conductionVolume, node.colourTable)
        # Before the views tell of each change to them.
        self._shown = self._wanted()
        self.logic.looks.show_overlay(node.inputVolume, node.conductionVolume, node.conductionOpacity)

    def _hide(self) -> None:
        self._shown = None
        self.logic.looks.hide_overlay(self.parameterNode.conductionVolume)

    def _wanted(self) -> tuple[str, str, float] | None:
        """Input, map and opacity as they are chosen; nothing if there is no map to show over an input."""
        node = self.parameterNode
        if self._whyNot():
            return None
        return node.inputVolume.GetID(), node.conductionVolume.GetID(), node.conductionOpacity

    def _whyNot(self) -> str:
        """Return why there is no map to show over the input, or nothing."""
        node = self.parameterNode
        if node is None:
            return _("Open the module to show the conduction map.")
        conduction = node.conductionVolume
        if node.inputVolume is not None and (conduction is None or conduction.GetImageData() is None):
            return _("There is no conduction map yet: choose a volume for it under Outputs, then press Apply.")
        try:
            check_input_with_result(node.inputVolume, conduction)
        except InvalidVolumeError as error:
            return str(error)
        return ""

    def _isShown(self, conduction: str) -> bool:
        volume = slicer.mrmlScene.GetNodeByID(conduction)
        return volume is not None and self.logic.looks.in_foreground(volume)

    def _setChecked(self, checked: bool) -> None:
        checkBox = self.ui.showConductionCheckBox
        wasBlocked = checkBox.blockSignals(True)
        checkBox.checked = checked
        checkBox.blockSignals(wasBlocked)

    def _updateLegend(self) -> None:
        """Show the legend while the overlay and the legend are switched on, else hide it."""
        node, shown = self.parameterNode, self.ui.showConductionCheckBox.checked
        wanted = node.conductionVolume.GetID() if shown and node is not None and node.showLegend else None
        if wanted == self._mapWithLegend:
            return
        before = self._mapWithLegend and slicer.mrmlScene.GetNodeByID(self._mapWithLegend)
        if before:
            hide_legend(before)
        if wanted:
            show_legend(node.conductionVolume)
        self._mapWithLegend = wanted
