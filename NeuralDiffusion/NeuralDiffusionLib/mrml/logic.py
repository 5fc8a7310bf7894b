"""The logic of the module: denoises volumes of a scene, for the panel, for scripts and for batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from ..background import Job, Work, Worker
from ..engine.settings import DenoiseSettings
from .nodes.input_voxels import CurrentVoxels
from .nodes.volumes import check_input, check_outputs
from .parameters import NeuralDiffusionParameterNode, remove_unknown
from .runs.batch import add_summary, common_scene, folder_tasks, run_batch, volume_tasks
from .runs.run import BackgroundRun, VolumeRun, add_output_volume
from .runs.run_checks import check_run
from .runs.sequence_run import SequenceResult, SequenceRun
from .slicer_torch import torch_installed
from .views.looks import Looks

if TYPE_CHECKING:
    from ..engine.denoiser import Denoiser, DenoiseResult

T = TypeVar("T")


class NeuralDiffusionLogic(ScriptedLoadableModuleLogic):
    """Denoises volumes of a scene. Knows MRML but no Qt: it works in scripts and batches as well.

    Weights are read once for each device and kept. `looks` is what the slice views show for the module,
    `currentVoxels` what the input holds, read once for all that ask.
    """

    def __init__(self) -> None:
        super().__init__()
        self._denoisers: dict[str, Denoiser] = {}
        self._loading = Lock()
        self._worker = Worker()
        self.looks = Looks()
        self.currentVoxels = CurrentVoxels()

    def getParameterNode(self) -> NeuralDiffusionParameterNode:
        """Return what the user chose in this scene; values of another version are replaced as by `replaceUnknown`."""
        self.replaceUnknown()
        return NeuralDiffusionParameterNode(super().getParameterNode())

    def replaceUnknown(self) -> list[str]:
        """Set what this version cannot read of the user's choices to the defaults; return what they are called."""
        return remove_unknown(super().getParameterNode())

    def addOutputVolume(self, inputVolume: vtkMRMLScalarVolumeNode) -> vtkMRMLScalarVolumeNode:
        """Add an empty volume named after the input to its scene."""
        return add_output_volume(inputVolume)

    def process(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        outputVolume: vtkMRMLScalarVolumeNode,
        conductionVolume: vtkMRMLScalarVolumeNode | None = None,
        settings: DenoiseSettings | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        floatOutput: bool = False,
        device: str = "auto",
        mask: slicer.vtkMRMLSegmentationNode | None = None,
        threePlanes: bool = False,
    ) -> DenoiseResult:
        """Denoise a volume; returns when it is done.

        The output takes the input's geometry, parent transform, window and level, Subject Hierarchy place and scalar
        type (computed in float, rounded, clipped), and attributes ``NeuralDiffusion.*`` that say how it was made. The
        outputs are written at the end, and only on success; the input is never touched.

        Parameters
        ----------
        inputVolume
            Scalar volume to denoise.
        outputVolume
            Node for the denoised volume.
        conductionVolume
            Node for the conduction map, float from 0 (held) to 1 (smoothed freely). Without one no map is kept, and
            that of the result is ``None``.
        settings
            What to do; the defaults of `DenoiseSettings` if left out. Without a slice axis the slices are those that
            were acquired: see `slice_planes.acquisition_axis`.
        progress
            Called with the slices done and all slices, after each batch of slices.
        cancelled
            Asked before each batch; once it returns True the run stops.
        floatOutput
            Whether to store the denoised volume as float, instead of the input's scalar type.
        device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        mask
            Segmentation inside which to denoise, all segments together; outside every voxel stays what it is, and the
            conduction is 0.
        threePlanes
            Whether to average over the slices of all three axes, in place of one: see
            `slice_planes.denoise_three_planes`.

        Returns
        -------
        DenoiseResult
            The arrays, the noise level, the device, and notes: sentences about what had to be done otherwise than
            asked, about what lies outside of the network's training, and about an input that has other voxels by then.

        Raises
        ------
        InvalidVolumeError
            If a volume cannot be denoised, or cannot hold a result, or the mask does not fit.
        DenoiseCancelled
            If the run was cancelled.
        DeviceError
            If the device is unknown or absent.
        WeightsError
            If the weights cannot be used.
        RuntimeError
            If PyTorch is not installed.
        """
        check_input(inputVolume)
        # Without one, a volume of the run's own would be lost to the caller.
        check_outputs([outputVolume], inputVolume)
        denoiser, settings = self.denoiser(device), settings or DenoiseSettings()
        run = VolumeRun(denoiser, settings, inputVolume, outputVolume, conductionVolume, mask, threePlanes, floatOutput)
        result, _output = run.store(run.work(progress, cancelled))
        return result

    def start(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        outputVolume: vtkMRMLScalarVolumeNode | None = None,
        conductionVolume: vtkMRMLScalarVolumeNode | None = None,
        settings: DenoiseSettings | None = None,
        device: str = "auto",
        mask: slicer.vtkMRMLSegmentationNode | None = None,
        threePlanes: bool = False,
        allFrames: bool = False,
    ) -> BackgroundRun[DenoiseResult] | BackgroundRun[SequenceResult]:
        """Begin to denoise a volume, or all frames of a sequence, in a thread of its own and return at once.

        Arguments and errors are those of `process`. This returns the run: nothing is written into the scene before its
        `store` is called, on the main thread, which gives what `process` gives; without an output volume, it adds one.

        With `allFrames`, `inputVolume` shows the sequence, and there must be no output and no conduction volume:
        `store` adds a sequence in the same browser and returns a `SequenceResult` and the volume that shows it.
        """
        denoiser, settings = self.denoiser(device), settings or DenoiseSettings()
        if allFrames:
            check_run(inputVolume, outputVolume, conductionVolume, mask, allFrames)
            run = SequenceRun(denoiser, settings, inputVolume, mask, threePlanes)
        else:
            run = VolumeRun(denoiser, settings, inputVolume, outputVolume, conductionVolume, mask, threePlanes)
        return BackgroundRun(run, self._worker.start(run.work))

    def startWork(self, work: Work[T]) -> Job[T]:
        """Begin other work in the same thread, after what runs there already; `work` must not touch the scene."""
        return self._worker.start(work)

    def denoiser(self, device: str = "auto") -> Denoiser:
        """Return the network on a device, with its weights.

        Raises
        ------
        DeviceError
            If the device is unknown or absent.
        WeightsError
            If the weights cannot be used.
        RuntimeError
            If PyTorch is not installed.
        """
        if not torch_installed():
            raise RuntimeError(_("PyTorch is not installed: install it in the PyTorch Utils module."))
        # The preview asks in its thread: without the lock a run that begins meanwhile would load the weights again.
        with self._loading:
            if device not in self._denoisers:
                from ..engine.denoiser import Denoiser

                # In a thread that ends: one that computes keeps helpers, and beside a second set every run is slower.
                with ThreadPoolExecutor(max_workers=1) as loader:
                    self._denoisers[device] = loader.submit(Denoiser, device).result()
            return self._denoisers[device]

    def loadedDenoiser(self, device: str = "auto") -> Denoiser | None:
        """Return the network on a device if its weights have been read already; nothing is imported or read."""
        return self._denoisers.get(device)

    def close(self) -> None:
        """Cancel what runs and wait for it; no run can be started any more."""
        self._worker.close()

    def denoiseAll(
        self,
        volumesOrFolder: Sequence[vtkMRMLScalarVolumeNode] | str | Path,
        outputFolder: str | Path | None = None,
        settings: DenoiseSettings | None = None,
        progress: Callable[[float, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        overwrite: bool = False,
        device: str = "auto",
    ) -> slicer.vtkMRMLTableNode:
        """Denoise several volume nodes, or the image files of a folder, one after the other.

        One that cannot be denoised does not stop the others, and leaves nothing behind. A volume node gets an output
        node in its scene. A file (NRRD, NIfTI or MetaImage, not in a sub-folder) gets a file of the same name and
        format in `outputFolder`, with its geometry and scalar type.

        Parameters
        ----------
        volumesOrFolder
            Volume nodes, or a folder.
        outputFolder
            Where the results of a folder are written; made if it is missing.
        settings
            What to do; the defaults of `DenoiseSettings` if left out.
        progress
            Called with the volumes done, as a real number, and all volumes, after each batch of slices.
        cancelled
            Asked before each batch of slices; once it returns True the batch stops and what is done is kept.
        overwrite
            Whether to replace files that are in `outputFolder` already.
        device
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

        Returns
        -------
        vtkMRMLTableNode
            For each volume its name, slices, estimated noise level in its own units, device, seconds and status: a
            sentence that says what went wrong, if anything did. It is added to the scene of the volumes, or, for a
            folder, to the application's.

        Raises
        ------
        InvalidVolumeError
            If there is nothing to denoise, or nowhere to write to.
        DeviceError
            If the device is unknown or absent.
        WeightsError
            If the weights cannot be used.
        RuntimeError
            If PyTorch is not installed.
        """
        cancelled = cancelled or (lambda: False)
        self.denoiser(device)

        def denoise(
            volume: Any, output: Any, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
        ) -> DenoiseResult:
            return self.process(volume, output, None, settings, progress, cancelled, device=device)

        if isinstance(volumesOrFolder, (str, Path)):
            scene = slicer.mrmlScene
            target = None if outputFolder is None else Path(outputFolder)
            tasks = folder_tasks(Path(volumesOrFolder), target, denoise, cancelled, overwrite)
        else:
            volumes = list(volumesOrFolder)
            scene = common_scene(volumes)
            tasks = volume_tasks(volumes, denoise, self.addOutputVolume, cancelled)
        return add_summary(scene, run_batch(tasks, progress or (lambda done, total: None), cancelled))
