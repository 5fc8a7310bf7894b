"""The noise level of the chosen volume, estimated in the background while the user looks at the panel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.background import IsCancelled, Job, ReportProgress
from NeuralDiffusionLib.mrml.nodes.volumes import check_input

from .job_timer import JobTimer
from .section import Panel

if TYPE_CHECKING:
    from NeuralDiffusionLib.engine.noise_estimate import NoiseEstimate

_REST_MS = 500


class NoiseLevelWatch:
    """Estimates anew whenever what the estimate depends on has changed and then rested for half a second.

    The network is never loaded for it, which would take seconds: nothing is estimated before a preview or a run has. A
    run has precedence: the estimate waits for its end.

    Parameters
    ----------
    panel
        What it works for.
    changed
        Called when `estimate` or `problem` has changed.

    Attributes
    ----------
    estimate
        Noise level of the volume as it is chosen now; ``None`` while it is not known.
    problem
        Why it cannot be known, or nothing.
    """

    def __init__(self, panel: Panel, changed: Callable[[], None]) -> None:
        self._panel, self._changed = panel, changed
        self.estimate: NoiseEstimate | None = None
        self.problem = ""
        self._about: tuple | None = None
        self._job: Job[NoiseEstimate | None] | None = None
        self._rest, self._poll = qt.QTimer(), JobTimer(self.onPoll)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.connect("timeout()", self.onRested)

    @property
    def waiting(self) -> bool:
        """Whether an estimate is on its way."""
        return self._job is not None

    def update(self) -> None:
        """Look whether the estimate is still about what is chosen, and begin a new one if not."""
        about = self._chosen()
        if about != self._about:
            self.stop()
            self._about = about
        if self._panel.runs.busy:
            self._let_go()
        elif about is not None and not (self.waiting or self.estimate or self.problem):
            self._rest.start()

    def onRested(self) -> None:
        """Begin to estimate what is chosen."""
        node, logic = self._panel.parameterNode, self._panel.logic
        denoiser = logic.loadedDenoiser(node.device)
        if denoiser is None:
            return
        # PyTorch is there: the network is.
        from NeuralDiffusionLib.engine.noise_estimate import estimate_noise, sampled_places

        with self._namingErrors():
            voxels, settings = slicer.util.arrayFromVolume(node.inputVolume), node.settings()
            axis = settings.slice_axis
            slices = np.take(voxels, sampled_places(voxels.shape[axis]), axis)

            def work(report: ReportProgress, is_cancelled: IsCancelled) -> NoiseEstimate | None:
                return None if is_cancelled() else estimate_noise(denoiser, slices, settings)

            self._job = logic.startWork(work)
            self._poll.start()
        self._changed()

    def onPoll(self) -> None:
        """Take the estimate once it is there."""
        if not self._job.finished:
            return
        job = self._job
        self._let_go()
        with self._namingErrors():
            self.estimate = job.result()
        self._changed()

    @contextmanager
    def _namingErrors(self) -> Iterator[None]:
        """Whatever fails is said where the level would be: nobody has asked for it, so there is no pop-up."""
        try:
            yield
        except Exception as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            self.problem = _("The noise level of '{name}' could not be estimated: {reason}").format(
                name=self._panel.parameterNode.inputVolume.GetName(), reason=reason
            )

    def stop(self) -> None:
        """Forget the volume, and what is known of it."""
        self._let_go()
        self._about, self.estimate, self.problem = None, None, ""

    def _let_go(self) -> None:
        self._rest.stop()
        self._poll.stop()
        if self._job is not None:
            self._job.cancel()
        self._job = None

    def _chosen(self) -> tuple | None:
        """What the estimate depends on; nothing if there is nothing to estimate."""
        node = self._panel.parameterNode
        if node is None:
            return None
        volume = node.inputVolume
        try:
            check_input(volume)
            settings = node.settings()
        except InvalidVolumeError:
            return None
        image = volume.GetImageData()
        return volume.GetID(), image.GetMTime(), settings.noise, settings.slice_axis, node.device
