"""More maps on request: the conduction of each direction, the diffusion step by step, and the uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.background import IsCancelled, ReportProgress
from NeuralDiffusionLib.engine.slice_planes import for_scan
from NeuralDiffusionLib.mrml.maps.directions import add_direction_volumes
from NeuralDiffusionLib.mrml.maps.trace import add_trace
from NeuralDiffusionLib.mrml.maps.uncertainty import add_uncertainty
from NeuralDiffusionLib.mrml.nodes.input_voxels import changed_meanwhile, checksum
from NeuralDiffusionLib.mrml.nodes.place import VolumePlace
from NeuralDiffusionLib.mrml.nodes.planes import spacing_kji
from NeuralDiffusionLib.mrml.nodes.volumes import check_input, read_volume
from NeuralDiffusionLib.mrml.slicer_torch import ensure_torch
from NeuralDiffusionLib.mrml.views.shown_slice import shown_slice

from .section import Panel, Section

if TYPE_CHECKING:
    import numpy as np

    from NeuralDiffusionLib import Denoiser, DenoiseSettings
    from NeuralDiffusionLib.engine.diffusion_trace import DiffusionTrace

    Compute = Callable[[Denoiser, np.ndarray, DenoiseSettings, ReportProgress, IsCancelled], Any]


class MapsSection(Section):
    """Computes a map of the input volume in the background and adds it to the scene; the views stay as they are."""

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        buttons = (self.ui.directionsButton, self.ui.traceButton, self.ui.uncertaintyButton)
        self._tips = {button: button.toolTip for button in buttons}
        self.ui.directionsButton.connect("clicked(bool)", self.onDirectionsButton)
        self.ui.traceButton.connect("clicked(bool)", self.onTraceButton)
        self.ui.uncertaintyButton.connect("clicked(bool)", self.onUncertaintyButton)
        self.ui.uncertaintyButton.visible = False

    def update(self) -> None:
        reason = self._whyNot()
        for button, tip in self._tips.items():
            button.enabled = not reason
            button.toolTip = reason or tip
        self.ui.uncertaintyButton.visible = self._weightsHaveDropout()

    def onDirectionsButton(self) -> None:
        """Add the conduction map of each direction of the neighbourhood."""
        node = self.parameterNode
        volume = node.inputVolume

        def compute(denoiser: Denoiser, *run: Any) -> dict[str, np.ndarray]:
            from NeuralDiffusionLib.engine.direction_maps import direction_maps

            return direction_maps(denoiser, *run)

        def store(maps: dict[str, np.ndarray]) -> str:
            added = add_direction_volumes(volume, maps, node.colourTable)
            return _("Added {count} maps named '{name} conduction ...': show them in the Data module.").format(
                count=len(added), name=volume.GetName()
            )

        self._begin(compute, store, _("The conduction of the directions could not be computed."))

    def onTraceButton(self) -> None:
        """Add the diffusion of the shown slice as a sequence, and show that in the Sequences toolbar."""
        failure = _("The trace could not be computed.")
        with self.panel.runs.reporting(failure):
            volume, axis = self.parameterNode.inputVolume, self.parameterNode.settings().slice_axis
            self._beginTrace(
                volume, shown_slice(volume, axis), volume.GetImageData().GetDimensions()[2 - axis], failure
            )

    def onUncertaintyButton(self) -> None:
        """Add the map of how uncertain the network is."""
        volume = self.parameterNode.inputVolume

        def compute(
            denoiser: Denoiser,
            voxels: np.ndarray,
            settings: DenoiseSettings,
            report: ReportProgress,
            cancelled: IsCancelled,
        ) -> np.ndarray:
            from NeuralDiffusionLib.engine.uncertainty import sample_uncertainty

            sampled = sample_uncertainty(
                denoiser, voxels, settings, progress=report, cancelled=cancelled, conduction=False
            )
            return sampled.deviation

        def store(deviation: np.ndarray) -> str:
            return _("Added '{name}', in the units of the input: show it in the Data module.").format(
                name=add_uncertainty(volume, deviation).GetName()
            )

        self._begin(compute, store, _("The uncertainty could not be computed."))

    def _beginTrace(self, volume: slicer.vtkMRMLScalarVolumeNode, index: int, count: int, failure: str) -> None:
        def compute(
            denoiser: Denoiser,
            voxels: np.ndarray,
            settings: DenoiseSettings,
            report: ReportProgress,
            cancelled: IsCancelled,
        ) -> DiffusionTrace:
            from NeuralDiffusionLib.engine.diffusion_trace import trace_diffusion

            return trace_diffusion(denoiser, voxels, settings, index, progress=report, cancelled=cancelled)

        def store(trace: DiffusionTrace) -> str:
            browser = add_trace(volume, trace)
            slicer.modules.sequences.showSequenceBrowser(browser)
            return _(
                "Added '{name}', slice {number} of {count}: show it in the Data module and scrub through its steps in "
                "the Sequences toolbar."
            ).format(
                name=browser.GetProxyNode(browser.GetMasterSequenceNode()).GetName(), number=index + 1, count=count
            )

        self._begin(compute, store, failure)

    def _begin(self, compute: Compute, store: Callable[[Any], str], failure: str) -> None:
        """Compute with a copy of the input's voxels in the background, then store what came of it."""
        with self.panel.runs.reporting(failure):
            node = self.parameterNode
            volume = node.inputVolume
            voxels, place = read_volume(volume), VolumePlace.of(volume)
            settings = for_scan(node.settings(), spacing_kji(volume), voxels.shape)
            before = checksum(voxels)
            ensure_torch(slicer.util.confirmOkCancelDisplay)
            denoiser = self.logic.denoiser(node.device)
            job = self.logic.startWork(lambda report, cancelled: compute(denoiser, voxels, settings, report, cancelled))

            def finish() -> str:
                result = job.result()
                place.check(volume)
                line = store(result)
                self.panel.runs.warn(changed_meanwhile(volume.GetName(), (volume, before)))
                return line

            self.panel.runs.begin(job, finish, failure)

    def _whyNot(self) -> str:
        """Return why no map can be computed now, or nothing."""
        if self.parameterNode is None:
            return _("Open the module to compute maps.")
        if reason := self.panel.runs.whyWait():
            return reason
        try:
            check_input(self.parameterNode.inputVolume)
            self.parameterNode.settings()
        except InvalidVolumeError as error:
            return str(error)
        return ""

    def _weightsHaveDropout(self) -> bool:
        node = self.parameterNode
        # Only asked of weights that are loaded already: PyTorch is not imported to find out.
        denoiser = None if node is None else self.logic.loadedDenoiser(node.device)
        return denoiser is not None and denoiser.network.architecture.dropout > 0
