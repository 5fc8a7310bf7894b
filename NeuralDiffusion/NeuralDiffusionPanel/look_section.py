"""What the slice views show: before and after, what was removed, and the conduction map over the input."""

from __future__ import annotations

from .section import Panel, Section


class LookSection(Section):
    """Switches looks on and off; off, the views show again what the user had in them."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self.ui.showConductionCheckBox.connect("toggled(bool)", self.onShowConductionToggled)

    def update(self) -> None:
        node = self.parameterNode
        if node is None:
            return
        conduction = node.conductionVolume
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
            self.logic.looks.hide_overlay()

    def forget(self) -> None:
        self.logic.looks.forget()
        self.ui.showConductionCheckBox.checked = False

    def close(self) -> None:
        self.logic.looks.hide()

    def _showConduction(self) -> None:
        node = self.parameterNode
        if node and node.inputVolume and node.conductionVolume:
            self.logic.looks.show_overlay(node.inputVolume, node.conductionVolume, node.conductionOpacity)
