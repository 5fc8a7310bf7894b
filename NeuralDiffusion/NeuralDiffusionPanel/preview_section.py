"""The active slice view, denoised while settings change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from NeuralDiffusionLib import DenoiseCancelled, InvalidVolumeError
from NeuralDiffusionLib.background import IsCancelled, Job, ReportProgress
from NeuralDiffusionLib.mrml.nodes.node_watch import NodeWatch
from NeuralDiffusionLib.mrml.nodes.volumes import check_input
from NeuralDiffusionLib.mrml.preview.preview import PreviewReader, PreviewTask
from NeuralDiffusionLib.mrml.preview.preview_text import preview_text, why_no_preview
from NeuralDiffusionLib.mrml.preview.preview_volume import PreviewVolume
from NeuralDiffusionLib.mrml.slicer_torch import ensure_torch
from NeuralDiffusionLib.mrml.views.shown_slice import slice_in_view

from .active_slice_view import ActiveSliceView
from .job_timer import JobTimer
from .section import Panel, Section

# Sliders change faster than slices are denoised.
_REST_MS = 10


class _Wanted(NamedTuple):
    """A slice to preview, in which view and computed where."""

    view: slicer.vtkMRMLSliceNode
    volume: slicer.vtkMRMLScalarVolumeNode
    task: PreviewTask
    device: str

    def is_at(self, other: _Wanted) -> bool:
        """Return whether both show the same slice in the same view."""
        return self.view is other.view and self.task.place == other.task.place

    def is_same(self, other: _Wanted) -> bool:
        """Return whether both look the same."""
        return self.is_at(other) and (self.task.about, self.device) == (other.task.about, other.device)


class PreviewSection(Section, VTKObservationMixin):
    """Denoises the slice of the active view only; what is seen lies in a temporary volume over the input.

    It follows settings, slice and view. It goes off, and the view has its layers back, when a run begins, when somebody
    shows something else in that view, and when the module is left or the scene is closed.
    """

    def __init__(self, panel: Panel) -> None:
        Section.__init__(self, panel)
        VTKObservationMixin.__init__(self)
        self._reader, self._volume = PreviewReader(), PreviewVolume(self.logic.looks)
        self._wanted: _Wanted | None = None
        self._shown: _Wanted | None = None
        self._computed: tuple[_Wanted, Job[np.ndarray]] | None = None
        self._loads = False
        self._line = ""
        self._tip = self.ui.previewCheckBox.toolTip
        self._active = ActiveSliceView(self._ask)
        volume = slicer.vtkMRMLScalarVolumeNode
        events = (vtk.vtkCommand.ModifiedEvent, volume.TransformModifiedEvent, volume.DisplayModifiedEvent)
        self._ofVolume = [NodeWatch(event, self.onSceneChanged) for event in events]
        self._rest, self._poll = qt.QTimer(), JobTimer(self.onPoll)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.connect("timeout()", self.onRested)
        self.ui.previewCheckBox.connect("toggled(bool)", self.onPreviewToggled)

    def update(self) -> None:
        if self.parameterNode is None:
            self._active.stop()
        else:
            self._active.start()
        reason = self._whyNot()
        checkBox = self.ui.previewCheckBox
        checkBox.enabled = not reason
        checkBox.toolTip = reason or self._tip
        if reason:
            checkBox.checked = False
        self._ask()

    def onPreviewToggled(self, checked: bool) -> None:
        """Begin to preview, or leave the view as it was before."""
        if not checked:
            self._end()
            return
        with self._goingOffOnError():
            ensure_torch(slicer.util.confirmOkCancelDisplay)
            self._ask()

    def onSceneChanged(self, caller: vtk.vtkObject, event: str) -> None:
        """Follow the views and the volume."""
        self._ask()

    def onRested(self) -> None:
        """Look what is to be previewed by now, and begin to denoise it."""
        if self._volume.is_replaced:
            self.ui.previewCheckBox.checked = False
            return
        with self._goingOffOnError():
            self._wanted = self._read()
        if self._wanted is None:
            self._putAway()
        elif self._computed is None:
            self._begin()
        elif not self._wanted.is_at(self._computed[0]):
            self._computed[1].cancel()

    def onPoll(self) -> None:
        """Show what has been denoised, and go on with what is wanted by now."""
        computed, job = self._computed
        if not job.finished:
            return
        self._poll.stop()
        self._computed = None
        hasLoaded, self._loads = self._loads, False
        with self._goingOffOnError():
            with suppress(DenoiseCancelled):
                image = job.result()
                # Settings have changed, say: what is older than the slider, but not another slice, still shows its
                # effect.
                if self._wanted.is_at(computed):
                    task = computed.task
                    axis = task.run.settings.slice_axis
                    self._volume.show(computed.view, computed.volume, axis, task.index, image)
                    self._shown = computed
            self._begin()
        if hasLoaded:
            # With the network the other sections know more: the noise level, say.
            self.panel.update()

    def forget(self) -> None:
        self._volume.forget()
        self.close()
        self._reader = PreviewReader()

    def close(self) -> None:
        self.ui.previewCheckBox.checked = False
        self._active.stop()

    def _ask(self) -> None:
        """Look soon what is to be previewed; not anew with each change, or a moving slider would show nothing."""
        if self.ui.previewCheckBox.checked and not self._rest.isActive():
            self._rest.start()

    def _read(self) -> _Wanted | None:
        """Read the slice in the active view, and say which it is; nothing where the view shows none."""
        node, view = self.parameterNode, self._active.node
        self._watch(node.inputVolume)
        reason = _("No preview: the layout has no slice view.") if view is None else why_no_preview(view)
        if reason:
            self._say(reason)
            return None
        volume = node.inputVolume
        check_input(volume)
        shown = slice_in_view(volume, view)
        self._say(preview_text(volume, shown, node.slicesAlong, view.GetLayoutName()))
        if shown.index is None:
            return None
        task = self._reader.read(volume, node.settings(), shown.axis, shown.index, node.maskSegmentation)
        return _Wanted(view, volume, task, node.device)

    def _watch(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Have every change asked for that shows: of the views that there are by now, and of the volume."""
        self._active.start()
        for watch in self._ofVolume:
            watch.follow(volume)
        for layers in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if not self.hasObserver(layers, vtk.vtkCommand.ModifiedEvent, self.onSceneChanged):
                self.addObserver(layers, vtk.vtkCommand.ModifiedEvent, self.onSceneChanged)

    def _begin(self) -> None:
        """Denoise what is wanted, if it is not shown already."""
        wanted, logic = self._wanted, self.logic
        if self._shown is not None and wanted.is_same(self._shown):
            self._volume.take_over_display(wanted.volume)
            return

        def work(report: ReportProgress, is_cancelled: IsCancelled) -> np.ndarray:
            return wanted.task.work(logic.denoiser(wanted.device), is_cancelled)

        self._loads = logic.loadedDenoiser(wanted.device) is None
        self._computed = wanted, logic.startWork(work)
        self._poll.start()

    def _putAway(self) -> None:
        """Show nothing, and let nothing that is under way be shown."""
        self._poll.stop()
        if self._computed is not None:
            self._computed[1].cancel()
        self._wanted = self._computed = self._shown = None
        self._volume.hide()
        # Not before: the view is told of its layers.
        self._rest.stop()

    def _end(self) -> None:
        self._putAway()
        self.removeObservers()
        for watch in self._ofVolume:
            watch.follow(None)
        if self._line and self.ui.statusLabel.text == self._line:
            self.panel.runs.say("")
        self._line = ""

    @contextmanager
    def _goingOffOnError(self) -> Iterator[None]:
        """Go off if something fails, and show what, as for a run."""
        with self.panel.runs.reporting(_("The preview failed.")):
            try:
                yield
            except Exception:
                # First, or it would fail again beneath the pop-up.
                self.ui.previewCheckBox.checked = False
                raise

    def _say(self, line: str) -> None:
        if line != self._line:
            self._line = line
            self.panel.runs.say(line)

    def _whyNot(self) -> str:
        """Return why there is nothing to preview, or nothing."""
        node = self.parameterNode
        if node is None:
            return _("Open the module to preview the denoised slice.")
        if reason := self.panel.runs.whyWait():
            return reason
        try:
            check_input(node.inputVolume)
        except InvalidVolumeError as error:
            return str(error)
        return ""
