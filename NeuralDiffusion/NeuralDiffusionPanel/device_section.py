"""Where to compute, and PyTorch."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import qt
import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib import DeviceError, InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.sequences import frames_of
from NeuralDiffusionLib.mrml.nodes.volumes import check_input
from NeuralDiffusionLib.mrml.slicer_torch import ensure_torch, import_torch, torch_installed, torch_loaded

from .section import Panel, Section

if TYPE_CHECKING:
    from NeuralDiffusionLib.engine.device_report import Device, MemoryNeed

# Bytes; a volume that needs next to nothing still needs something.
_LEAST_SHOWN = 2**30 // 10


class DeviceSection(Section):
    """Device, memory and PyTorch; PyTorch is imported only once the section is unfolded, for that takes seconds."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._looked = False
        self._devices: list[Device] = []
        self._rows: list[tuple[str, str]] = []
        self._torchNote = self._refusal = ""
        self._installable = False
        # Lets the window say first what is going on.
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self.onTimer)
        self.ui.installTorchButton.visible = False
        self.ui.deviceCollapsibleButton.connect("contentsCollapsed(bool)", self.onContentsCollapsed)
        self.ui.deviceComboBox.connect("currentIndexChanged(int)", self.onDeviceChosen)
        self.ui.installTorchButton.connect("clicked(bool)", self.onInstallTorchButton)

    def update(self) -> None:
        if self.parameterNode is None or self.ui.deviceCollapsibleButton.collapsed:
            return
        if not self._looked:
            self._look()
        self._showDevices()
        self.ui.memoryNoteLabel.text = self._memoryNote()
        self.ui.torchNoteLabel.text = self._refusal or self._torchNote
        self.ui.installTorchButton.visible = self._installable
        self.ui.installTorchButton.enabled = not self.panel.runs.busy

    def close(self) -> None:
        self._timer.stop()

    def onContentsCollapsed(self, collapsed: bool) -> None:
        """Look for devices when the section is unfolded, anew if there was no PyTorch to ask."""
        self._refusal = ""
        self._looked = bool(self._devices)
        if not collapsed:
            self.update()

    def onTimer(self) -> None:
        """Import PyTorch and ask it for its devices."""
        self._askTorch()
        self.update()

    def onDeviceChosen(self, index: int) -> None:
        """Keep the chosen device in the scene."""
        if self.parameterNode is not None and index >= 0:
            self.parameterNode.device = self._rows[index][0]

    def onInstallTorchButton(self) -> None:
        """Install PyTorch if the user agrees; what came of it stands beside the button."""
        self._refusal = ""
        try:
            ensure_torch(slicer.util.confirmOkCancelDisplay)
        except RuntimeError as error:
            self._refusal = str(error)
            if error.__cause__ is not None:
                slicer.util.errorDisplay(self._refusal, detailedText=traceback.format_exc())
        self._looked = False
        self.panel.update()

    def _look(self) -> None:
        """Ask PyTorch for its devices, or say that this goes on, or that there is none."""
        if not torch_installed():
            self._torchNote, self._installable = _("Not installed."), True
        elif torch_loaded():
            self._askTorch()
        else:
            self._torchNote, self._installable = _("Looking for devices..."), False
            self._timer.start()

    def _askTorch(self) -> None:
        self._looked, self._devices, self._installable = True, [], True
        try:
            import_torch()
        except RuntimeError as error:
            self._torchNote = str(error)
            return
        from NeuralDiffusionLib.engine.device_report import list_devices, torch_build

        self._installable, self._torchNote = False, torch_build()
        try:
            self._devices = list_devices()
        except RuntimeError as error:
            # As a GPU does whose driver does not fit.
            self._torchNote += ". " + _("A GPU does not answer: {reason}").format(reason=str(error).splitlines()[0])

    def _showDevices(self) -> None:
        """List the devices, and show the chosen one; one that is not there is never replaced silently."""
        chosen = self.parameterNode.device
        labels = {device.name: device.label for device in self._devices} or {"cpu": _("CPU")}
        rows = [("auto", self._automatic(labels)), *labels.items()]
        shown = self._nameInTheList(chosen)
        if shown not in dict(rows):
            absent = _("{device} (not on this computer)").format(device=chosen)
            rows.append((chosen, absent if self._devices else chosen))
        comboBox = self.ui.deviceComboBox
        wasBlocked = comboBox.blockSignals(True)
        if rows != self._rows:
            self._rows = rows
            comboBox.clear()
            comboBox.addItems([label for _name, label in rows])
        comboBox.currentIndex = [name for name, _label in rows].index(shown)
        comboBox.blockSignals(wasBlocked)

    def _automatic(self, labels: dict[str, str]) -> str:
        if not self._devices:
            return _("Automatic")
        from NeuralDiffusionLib.engine.devices import resolve_device

        return _("Automatic ({device})").format(device=labels[str(resolve_device("auto"))])

    def _nameInTheList(self, chosen: str) -> str:
        """Return the name under which a device is listed: a script may have chosen "cuda" for the first GPU."""
        if not self._devices or chosen == "auto":
            return chosen
        from NeuralDiffusionLib.engine.devices import resolve_device

        try:
            return str(resolve_device(chosen))
        except DeviceError:
            return chosen

    def _memoryNote(self) -> str:
        """Say what the input volume needs on the chosen device, or why that is not known."""
        if not self._devices:
            return _("Known once PyTorch is installed.") if self._installable else ""
        from NeuralDiffusionLib.engine.device_report import memory_need

        node = self.parameterNode
        try:
            check_input(node.inputVolume)
            shape = node.inputVolume.GetImageData().GetDimensions()[::-1]
            axis, frames = node.settings().slice_axis, frames_of(node.inputVolume) if node.takesAllFrames() else 1
            need = memory_need(
                node.device,
                shape,
                axis,
                three_planes=node.takesThreePlanes(),
                frames=frames,
                conduction=node.conductionVolume is not None,
            )
            return _memoryText(need)
        except (DeviceError, InvalidVolumeError) as error:
            return str(error)


def _memoryText(need: MemoryNeed) -> str:
    amounts = {"needed": _gigabytes(max(need.needed, _LEAST_SHOWN))}
    if need.free is None:
        return _("Needs about {needed}.").format(**amounts)
    amounts["free"] = _gigabytes(need.free)
    if need.fits:
        return _("Needs about {needed}; {free} free.").format(**amounts)
    if need.fits_slice:
        text = _("Needs about {needed}, but only {free} is free: the slices go in smaller batches, which takes longer.")
    elif need.device == "cpu":
        text = _("Needs about {needed}, but only {free} is free: close other programs or crop the volume.")
    else:
        text = _("Needs about {needed}, but only {free} is free: the run will continue on the CPU, which takes longer.")
    return text.format(**amounts)


def _gigabytes(size: int) -> str:
    amount = size / 2**30
    return _("{amount} GB").format(amount=f"{amount:.1f}" if amount < 10 else f"{amount:.0f}")
