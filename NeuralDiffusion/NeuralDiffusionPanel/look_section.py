"""Which volume the slice views show: before or after the run, or what was removed by it."""

from __future__ import annotations

import time

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.nodes.node_watch import NodeWatch
from NeuralDiffusionLib.mrml.parameters import BeforeAfter
from NeuralDiffusionLib.mrml.runs.run_checks import check_input_with_result
from NeuralDiffusionLib.mrml.views.layers import BACKGROUND, was_replaced
from NeuralDiffusionLib.mrml.views.removed_volumes import RemovedVolumes, state_of

from .section import Panel, Section
from .slice_view_watch import SliceViewWatch

_REST_MS = 10


class LookSection(Section):
    """Switches between before and after, and what was removed on and off; the buttons say what the views show.

    Both stay in the views when the module is left: they are what the user wants to see. While it is open, what was
    removed follows the volumes that it is the difference of, the frames of a sequence for instance.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._removed = RemovedVolumes()
        # The volumes whose difference is shown, and what was shown in its place before.
        self._pair: tuple[str, str] | None = None
        self._beneath: str | None = None
        # What the difference is of, as `state_of`.
        self._state: tuple | None = None
        self._tips = {button: button.toolTip for button in (self.ui.beforeAfterButton, self.ui.removedButton)}
        self._watch = SliceViewWatch(self.onViewsChanged)
        events = (vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
        self._ofOutput = [NodeWatch(event, self.onOutputChanged) for event in events]
        self._rest = qt.QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.connect("timeout()", self.onRested)
        self.ui.beforeAfterButton.connect("clicked(bool)", self.onBeforeAfterButton)
        self.ui.removedButton.connect("clicked(bool)", self.onRemovedButton)

    def update(self) -> None:
        node = self.parameterNode
        for watch in self._ofOutput:
            watch.follow(None if node is None else node.outputVolume)
        if node is None:
            self._watch.stop()
            self._rest.stop()
            return
        self._watch.start()
        if slicer.mrmlScene.IsImporting():
            return
        if self._pair is not None and self._pair != self._chosenPair():
            self._hideRemoved()
        self.logic.looks.end_what_was_deleted()
        self.onViewsChanged()
        self._showNote()
        if self._isOutOfDate() and not self._rest.isActive():
            self._rest.start()

    def onOutputChanged(self, caller: vtk.vtkObject, event: str) -> None:
        """Look at it soon: the browser of a sequence, or a run, has more to change."""
        if not self._rest.isActive():
            self._rest.start()

    def onRested(self) -> None:
        """Bring the panel up to date with a changed output, and what was removed with both volumes."""
        self.panel.update()
        if self._isOutOfDate():
            started = time.monotonic()
            self._followVolumes()
            # A sequence that plays has as much time in between.
            self._rest.setInterval(max(_REST_MS, round(1000 * (time.monotonic() - started))))
        self._rest.stop()

    def onViewsChanged(self) -> None:
        """Say with the buttons, and the parameter node, what the views show, and what a click will show."""
        reason = self._whyNot()
        for button, tip in self._tips.items():
            button.enabled = not reason
            button.toolTip = reason or tip
        output = None if reason else self.parameterNode.outputVolume
        afterIsShown = output is not None and self.logic.looks.in_background(output)
        self.ui.beforeAfterButton.text = _("Show before") if afterIsShown else _("Show after")
        removed = None if output is None else self._removed.find(output)
        self.ui.removedButton.checked = removed is not None and self.logic.looks.in_background(removed)
        if self.parameterNode is not None and not self.panel.restoring:
            self._remember()

    def restore(self) -> None:
        self.logic.looks.resume(slicer.mrmlScene)
        node, looks = self.parameterNode, self.logic.looks
        if node.sideBySide or self._whyNot():
            return
        volume = {BeforeAfter.BEFORE: node.inputVolume, BeforeAfter.AFTER: node.outputVolume}.get(node.beforeAfter)
        removed = self._removed.find(node.outputVolume)
        if node.showRemoved and removed is not None and looks.in_background(removed):
            self._pair, self._beneath = self._chosenPair(), volume and volume.GetID()
            self._state = state_of(node.inputVolume, node.outputVolume)
            return
        # By whoever worked with the scene before the module was opened.
        if was_replaced(slicer.mrmlScene, BACKGROUND):
            return
        if volume is not None and not looks.in_background(volume):
            looks.show_background(volume)
        if node.showRemoved:
            self._showRemoved()

    def onBeforeAfterButton(self) -> None:
        """Show the volume before the run or after it, as the button says."""
        looks, node = self.logic.looks, self.parameterNode
        removedWasShown = self.ui.removedButton.checked
        if removedWasShown:
            self._hideRemoved()
        # The volume after the run, which the button offered, may have come from under what was removed.
        if not (removedWasShown and looks.in_background(node.outputVolume)):
            looks.toggle(node.inputVolume, node.outputVolume)
        node.beforeAfter = self._seen()

    def onRemovedButton(self, checked: bool) -> None:
        """Show what was removed, or again what was shown before."""
        with self.panel.runs.reporting(_("What was removed cannot be shown.")):
            if checked:
                self._showRemoved()
            else:
                self._hideRemoved()
        self.onViewsChanged()

    def beforeImport(self) -> None:
        # What lies under the looks is noted about the views, from which they are taken up again afterwards.
        self.logic.looks.forget()
        self._pair, self._beneath = None, None

    def forget(self) -> None:
        self._watch.stop()
        self.logic.looks.forget()
        self._pair = None

    def close(self) -> None:
        self._watch.stop()
        self.logic.looks.hide()

    def _showRemoved(self) -> None:
        looks, removed = self.logic.looks, self._makeRemoved()
        beneath = looks.background
        self._beneath = None if beneath is None else beneath.GetID()
        # Before the views tell of each change to them.
        self._pair = self._chosenPair()
        looks.show_background(removed)

    def _makeRemoved(self) -> slicer.vtkMRMLScalarVolumeNode:
        pair = self.parameterNode.inputVolume, self.parameterNode.outputVolume
        removed = self._removed.up_to_date(*pair)
        self._state = state_of(*pair)
        return removed

    def _isOutOfDate(self) -> bool:
        """Return whether what was removed is shown and its volumes have changed since."""
        node = self.parameterNode
        isShown = self._pair is not None and self.ui.removedButton.checked
        return isShown and self._state != state_of(node.inputVolume, node.outputVolume)

    def _followVolumes(self) -> None:
        with self.panel.runs.reporting(_("What was removed cannot be shown.")):
            try:
                self._makeRemoved()
            except Exception:
                # First, or it would fail again beneath the pop-up.
                self._hideRemoved()
                raise

    def _showNote(self) -> None:
        """Say that the result is of former voxels, in which before and after differ as well."""
        node = self.parameterNode
        note = "" if self._whyNot() else self.logic.currentVoxels.why_not_of(node.inputVolume, node.outputVolume)
        self.ui.lookNoteLabel.text = note
        self.ui.lookNoteLabel.visible = bool(note)

    def _hideRemoved(self) -> None:
        looks, output = self.logic.looks, self.parameterNode.outputVolume
        self._pair = None
        beneath = self._beneath and slicer.mrmlScene.GetNodeByID(self._beneath)
        if beneath and looks.background is not None:
            looks.show_background(beneath)
        else:
            looks.hide_background()
        removed = output and self._removed.find(output)
        if removed and looks.in_background(removed):
            # A scene that does not say what was there before: as after a run.
            slicer.util.setSliceViewerLayers(background=output)

    def _remember(self) -> None:
        """Have the parameter node say what the views show by now; the choice beneath what was removed stays."""
        node = self.parameterNode
        node.showRemoved = self.ui.removedButton.checked
        if node.beforeAfter is not BeforeAfter.NEITHER and not node.showRemoved:
            node.beforeAfter = self._seen()

    def _seen(self) -> BeforeAfter:
        node = self.parameterNode
        for volume, seen in ((node.outputVolume, BeforeAfter.AFTER), (node.inputVolume, BeforeAfter.BEFORE)):
            if volume is not None and self.logic.looks.in_background(volume):
                return seen
        return BeforeAfter.NEITHER

    def _chosenPair(self) -> tuple[str, str] | None:
        node = self.parameterNode
        return None if self._whyNot() else (node.inputVolume.GetID(), node.outputVolume.GetID())

    def _whyNot(self) -> str:
        """Return why there is no before and after to show, or nothing."""
        node = self.parameterNode
        if node is None:
            return _("Open the module to compare before and after.")
        if node.inputVolume is not None and (node.outputVolume is None or node.outputVolume.GetImageData() is None):
            return _("There is no denoised volume yet: press Apply.")
        try:
            check_input_with_result(node.inputVolume, node.outputVolume)
        except InvalidVolumeError as error:
            return str(error)
        return ""
