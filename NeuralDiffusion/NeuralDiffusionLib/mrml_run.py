"""One run on a volume of the scene: read on the main thread, worked on in any, written on the main thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from .background import Job, Progress
from .errors import InvalidVolumeError
from .mrml_new_volume import unused_name
from .mrml_result import store_result
from .mrml_volumes import check_outputs, read_volume
from .settings import DenoiseSettings

if TYPE_CHECKING:
    from .denoiser import Denoiser, DenoiseResult


def add_output_volume(input_volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
    """Add an empty volume named after the input to its scene."""
    scene = input_volume.GetScene()
    name = unused_name(scene, _("{name} denoised").format(name=input_volume.GetName()))
    return scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


class VolumeRun:
    """Takes a copy of a volume, denoises it, and writes the result back once it is whole.

    Parameters
    ----------
    denoiser, settings
        What to do, and with what.
    input_volume
        Volume to denoise; it is never touched.
    output
        Node for the denoised volume; ``None`` adds one at the end.
    conduction
        Node for the conduction map, or ``None``.
    float_output
        Whether to store the denoised volume as float, instead of the input's scalar type.

    Raises
    ------
    InvalidVolumeError
        If a volume cannot be denoised, or cannot hold a result.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        settings: DenoiseSettings,
        input_volume: slicer.vtkMRMLScalarVolumeNode,
        output: slicer.vtkMRMLScalarVolumeNode | None,
        conduction: slicer.vtkMRMLScalarVolumeNode | None = None,
        float_output: bool = False,
    ) -> None:
        self._denoiser, self._settings, self._float_output = denoiser, settings, float_output
        self._input, self._output, self._conduction = input_volume, output, conduction
        self._voxels = read_volume(input_volume)
        self._check_outputs()

    def work(self, progress: Callable[[int, int], None] | None, cancelled: Callable[[], bool] | None) -> DenoiseResult:
        """Denoise, without looking at the scene; arguments and errors as of `Denoiser`."""
        return self._denoiser(self._voxels, self._settings, progress, cancelled)

    def store(self, result: DenoiseResult) -> slicer.vtkMRMLScalarVolumeNode:
        """Write a result into the scene, all of it or nothing, and return the denoised volume.

        Raises
        ------
        InvalidVolumeError
            If a volume has left the scene meanwhile.
        """
        if self._input.GetScene() is None:
            raise InvalidVolumeError(
                _("'{name}' left the scene while it was denoised, so nothing was written: load it again.").format(
                    name=self._input.GetName()
                )
            )
        self._check_outputs()
        output = self._output or add_output_volume(self._input)
        try:
            store_result(
                result,
                self._settings,
                self._denoiser.weights_sha256,
                self._input,
                output,
                self._conduction,
                self._float_output,
            )
        except BaseException:
            if self._output is None:
                output.GetScene().RemoveNode(output)
            raise
        return output

    def _check_outputs(self) -> None:
        outputs = [volume for volume in (self._output, self._conduction) if volume is not None]
        check_outputs(outputs, self._input)


class BackgroundRun:
    """A `VolumeRun` that is worked on in another thread; its methods belong to the main thread."""

    def __init__(self, run: VolumeRun, job: Job[DenoiseResult]) -> None:
        self._run, self._job = run, job

    @property
    def progress(self) -> Progress:
        return self._job.progress

    @property
    def finished(self) -> bool:
        """Whether `store` no longer waits."""
        return self._job.finished

    def cancel(self) -> None:
        """Stop before the next batch of slices; nothing is written then."""
        self._job.cancel()

    def store(self) -> tuple[DenoiseResult, slicer.vtkMRMLScalarVolumeNode]:
        """Wait for the result, write it into the scene, and return it with the denoised volume.

        Raises
        ------
        DenoiseCancelled
            If the run was cancelled.
        InvalidVolumeError
            If a volume has left the scene meanwhile.
        """
        result = self._job.result()
        return result, self._run.store(result)
