"""One run on all frames of a sequence: read on the main thread, worked on in any, written on the main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ...background import Work
from ...engine.settings import DenoiseSettings
from ...errors import InvalidVolumeError
from ..nodes.geometry import lie_voxel_on_voxel
from ..nodes.input_voxels import changed_meanwhile
from ..nodes.mask import mask_of_segmentation
from ..nodes.place import VolumePlace
from ..nodes.provenance import set_input_of, write_provenance
from ..nodes.sequences import read_frames, write_frames
from ..nodes.volumes import make_image
from .run import check_still_there, output_name
from .run_checks import check_run
from .task import VolumeTask

if TYPE_CHECKING:
    from ...engine.denoiser import Denoiser


@dataclass(frozen=True)
class SequenceResult:
    """What a run on all frames gives.

    Attributes
    ----------
    images
        Denoised frames in the order of the sequence, in the scalar type and units of the scan.
    attributes
        What is to be said of each frame, as from `provenance`.
    frame_sigma
        Noise level of each frame as in `DenoiseResult`, (frames,).
    device
        Where the last frame was denoised.
    notes
        Sentences the user should read, each once.
    """

    images: tuple[vtk.vtkImageData, ...]
    attributes: tuple[dict[str, str | None], ...]
    frame_sigma: np.ndarray
    device: str
    notes: tuple[str, ...]

    @property
    def sigma(self) -> float:
        """Median of the noise levels of the frames."""
        return float(np.median(self.frame_sigma))


class SequenceRun:
    """Takes copies of all frames of the sequence that a volume shows, denoises them, and adds a sequence of results.

    Conduction maps are not kept: frames are many.

    Parameters
    ----------
    denoiser, settings
        What to do, and with what.
    proxy
        Volume that shows the sequence; it and the sequence are never touched.
    mask
        Segmentation inside which to denoise; ``None`` is everywhere.
    three_planes
        Whether to average over the slices of all three axes.

    Raises
    ------
    InvalidVolumeError
        If the volume shows no sequence, its browser is recording, a frame cannot be denoised, or the mask is
        unsuitable.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        settings: DenoiseSettings,
        proxy: slicer.vtkMRMLScalarVolumeNode,
        mask: slicer.vtkMRMLSegmentationNode | None = None,
        three_planes: bool = False,
    ) -> None:
        self._denoiser, self._proxy = denoiser, proxy
        check_run(proxy, mask=mask, all_frames=True)
        self._frames = read_frames(proxy)
        inside = None if mask is None else _mask_of_frames(mask, proxy, self._frames)
        name = None if mask is None else mask.GetName()
        self._tasks = []
        for number, frame in enumerate(self._frames, start=1):
            with _naming(number, len(self._frames)):
                task = VolumeTask.of(frame, settings, three_planes, inside, name)
            # By the name that the user sees: those of the frames are hidden.
            self._tasks.append(replace(task, name=proxy.GetName() or ""))
        self._places = [VolumePlace.of(frame) for frame in self._frames]

    @property
    def work(self) -> Work[SequenceResult]:
        """Denoises all frames; arguments and errors as of `Denoiser`, `progress` counts the slices of all frames.

        It holds no node, which another thread must not let go.
        """
        types = [place.scalar_type for place in self._places]
        return partial(_denoise_frames, self._denoiser, self._tasks, types)

    def store(self, result: SequenceResult) -> tuple[SequenceResult, slicer.vtkMRMLScalarVolumeNode]:
        """Add the denoised sequence to the scene, whole or not at all; return it with the volume that shows it.

        That frames have been given other voxels is said in the notes.

        Raises
        ------
        InvalidVolumeError
            If the sequence was changed or has left the scene meanwhile.
        """
        check_still_there(self._proxy)
        for frame, place in zip(self._frames, self._places, strict=True):
            place.check(frame)
        contents = []
        for image, attributes in zip(result.images, result.attributes, strict=True):
            content = slicer.vtkMRMLScalarVolumeNode()
            content.SetAndObserveImageData(image)
            write_provenance(content, attributes)
            contents.append(content)
        output = write_frames(self._proxy, self._frames, contents, output_name(self._proxy))
        set_input_of(output, self._proxy)
        given = zip(self._frames, (task.checksum for task in self._tasks), strict=True)
        return replace(result, notes=(*result.notes, *changed_meanwhile(self._proxy.GetName(), *given))), output


def _denoise_frames(
    denoiser: Denoiser,
    tasks: Sequence[VolumeTask],
    types: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> SequenceResult:
    """Denoise the frames of the tasks, without looking at the scene; `types` are their VTK scalar types."""
    total, before = sum(task.slices for task in tasks), 0
    images, attributes, sigmas, notes, device = [], [], [], [], ""
    for number, (task, scalar_type) in enumerate(zip(tasks, types, strict=True), start=1):
        with _naming(number, len(tasks)):
            result = task.work(denoiser, _from(progress, before, total), cancelled)
        before += task.slices
        # In the scan's own type at once: all frames in float would be several times as large.
        images.append(make_image(result.image, scalar_type))
        attributes.append(task.attributes(result, denoiser.weights_sha256))
        sigmas.append(result.sigma)
        notes += [note for note in result.notes if note not in notes]
        device = result.device
    return SequenceResult(tuple(images), tuple(attributes), np.array(sigmas), device, tuple(notes))


@contextmanager
def _naming(number: int, count: int) -> Iterator[None]:
    """Say which of the frames it is that cannot be denoised."""
    try:
        yield
    except InvalidVolumeError as error:
        raise InvalidVolumeError(
            _("Frame {number} of {count}: {fault}").format(number=number, count=count, fault=error)
        ) from error


def _mask_of_frames(
    mask: slicer.vtkMRMLSegmentationNode,
    proxy: slicer.vtkMRMLScalarVolumeNode,
    frames: Sequence[slicer.vtkMRMLScalarVolumeNode],
) -> np.ndarray:
    """The mask in the voxels of the proxy, which alone has the parent transform, if all frames have these voxels."""
    for number, frame in enumerate(frames, start=1):
        if not lie_voxel_on_voxel(proxy, frame):
            raise InvalidVolumeError(
                _(
                    "Frame {number} of {count} does not lie where the one that is shown lies, so that one mask cannot "
                    "serve both: choose no mask, or denoise this frame only."
                ).format(number=number, count=len(frames))
            )
    return mask_of_segmentation(mask, proxy)


def _from(progress: Callable[[int, int], None] | None, before: int, total: int) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, of_frame: progress(before + done, total)
