"""One run on a volume of the scene: read on the main thread, worked on in any, written on the main thread."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import slicer
from slicer.i18n import tr as _

from ...background import Job, Progress, Work
from ...engine.settings import DenoiseSettings
from ...errors import InvalidVolumeError
from ..nodes.input_voxels import changed_meanwhile
from ..nodes.mask import mask_of_segmentation
from ..nodes.new_volume import unused_name
from ..nodes.place import VolumePlace
from .result import store_result
from .run_checks import check_run
from .task import VolumeTask

if TYPE_CHECKING:
    from ...engine.denoiser import Denoiser, DenoiseResult

T = TypeVar("T")


def output_name(input_volume: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Return the name of a new output volume, which no node of the scene has."""
    return unused_name(input_volume.GetScene(), _("{name} denoised").format(name=input_volume.GetName()))


def add_output_volume(input_volume: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
    """Add an empty volume named after the input to its scene."""
    return input_volume.GetScene().AddNewNodeByClass("vtkMRMLScalarVolumeNode", output_name(input_volume))


def check_still_there(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Check that the input of a run is in the scene still.

    Raises
    ------
    InvalidVolumeError
        If it is not.
    """
    if volume.GetScene() is None:
        raise InvalidVolumeError(
            _("'{name}' left the scene while it was denoised, so nothing was written: load it again.").format(
                name=volume.GetName()
            )
        )


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
    mask
        Segmentation inside which to denoise; ``None`` is everywhere.
    three_planes
        Whether to average over the slices of all three axes.
    float_output
        Whether to store the denoised volume as float, instead of the input's scalar type.

    Raises
    ------
    InvalidVolumeError
        If a volume cannot be denoised, or cannot hold a result, or the mask is unsuitable.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        settings: DenoiseSettings,
        input_volume: slicer.vtkMRMLScalarVolumeNode,
        output: slicer.vtkMRMLScalarVolumeNode | None,
        conduction: slicer.vtkMRMLScalarVolumeNode | None = None,
        mask: slicer.vtkMRMLSegmentationNode | None = None,
        three_planes: bool = False,
        float_output: bool = False,
    ) -> None:
        self._denoiser, self._float_output = denoiser, float_output
        self._input, self._output, self._conduction = input_volume, output, conduction
        check_run(input_volume, output, conduction, mask)
        inside = None if mask is None else mask_of_segmentation(mask, input_volume)
        name = None if mask is None else mask.GetName()
        self._task = VolumeTask.of(input_volume, settings, three_planes, inside, name, conduction is not None)
        self._place = VolumePlace.of(input_volume)

    @property
    def work(self) -> Work[DenoiseResult]:
        """Denoises; arguments and errors as of `Denoiser`. It holds no node, which another thread must not let go."""
        return partial(self._task.work, self._denoiser)

    def store(self, result: DenoiseResult) -> tuple[DenoiseResult, slicer.vtkMRMLScalarVolumeNode]:
        """Write a result into the scene, all of it or nothing, and return it with the denoised volume.

        An output that has been deleted meanwhile is added anew; a map that has been is not wanted any more. That the
        input has been given other voxels is said in the notes.

        Raises
        ------
        InvalidVolumeError
            If the input has left the scene meanwhile, an output cannot hold a result any more, or the input has another
            place, size or scalar type by now, which the result would take over.
        """
        check_still_there(self._input)
        wanted, conduction = (
            None if node is None or node.GetScene() is None else node for node in (self._output, self._conduction)
        )
        check_run(self._input, wanted, conduction)
        self._place.check(self._input)
        attributes = self._task.attributes(result, self._denoiser.weights_sha256)
        output = wanted or add_output_volume(self._input)
        try:
            store_result(result, attributes, self._input, output, conduction, self._float_output)
        except BaseException:
            if wanted is None:
                output.GetScene().RemoveNode(output)
            raise
        changed = changed_meanwhile(self._input.GetName(), (self._input, self._task.checksum))
        return replace(result, notes=(*result.notes, *changed)), output


class Run(Protocol[T]):
    """A `VolumeRun`, or a `SequenceRun`."""

    @property
    def work(self) -> Work[T]: ...

    def store(self, result: T) -> tuple[T, slicer.vtkMRMLScalarVolumeNode]: ...


class BackgroundRun(Generic[T]):
    """A run that is worked on in another thread; its methods belong to the main thread."""

    def __init__(self, run: Run[T], job: Job[T]) -> None:
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

    def store(self) -> tuple[T, slicer.vtkMRMLScalarVolumeNode]:
        """Wait for the result, write it into the scene, and return it with the denoised volume.

        Raises
        ------
        DenoiseCancelled
            If the run was cancelled.
        InvalidVolumeError
            If a volume has left the scene meanwhile.
        """
        return self._run.store(self._job.result())
