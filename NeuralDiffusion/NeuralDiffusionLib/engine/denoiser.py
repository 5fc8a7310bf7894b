"""The volume engine: slices in batches, in the scanner's own units, on any device."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..errors import DenoiseCancelled, DeviceError
from ..network.noise_level import noise_of
from ..translation import translator
from .across_slices import StepAcross
from .denoise_result import DenoiseResult, median_level
from .devices import batch_size, out_of_memory, precision_on, resolve_device
from .masked_out import continued
from .scalar_types import cast_into, check_scalar_type
from .settings import DenoiseSettings
from .slice_run import SliceRun, within_extremes
from .transfers import download
from .weights import BUNDLED_WEIGHTS, load_weights

_ = translator(__name__)

Work = Callable[[nn.Module, slice, torch.Tensor], Callable[[], None] | None]
"""What is to be done with a batch: see `Denoiser.each_batch`."""


@dataclass
class _Place:
    """Where a run computes: it may have to change while it lasts."""

    device: torch.device
    network: nn.Module
    batch: int
    notes: list[str] = field(default_factory=list)


class Denoiser:
    """Denoises volumes with one set of weights on one device.

    On a CPU the same volume gives the same bits every time, whatever its layout in memory is. In float32 neither other
    batches, another order of the slices (with a step across them, the reverse one) nor other units change a result by
    more than 1e-5 of the intensity range (in bfloat16 by 0.02 at most); other units by a power of two do not change it
    at all. The network has no mirror symmetry: a mirrored slice gives the mirrored result but for a root mean square
    difference of about a fifth of the noise level, one noise level at most (in slices of 32 pixels a side or more).

    Several may run at once, in threads or processes. A process that was forked computes with one thread: those of its
    parent do not survive.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    weights
        File of weights; the bundled one by default.
    precision
        ``"fast"`` computes convolutions in bfloat16 where that is faster, ``"float32"`` never does.

    Raises
    ------
    DeviceError
        If the device is unknown or absent, or does not work.
    WeightsError
        If the weights cannot be used.
    ValueError
        If the precision is none of the two.
    """

    def __init__(self, device: str = "auto", weights: Path = BUNDLED_WEIGHTS, precision: str = "fast") -> None:
        if precision not in ("fast", "float32"):
            raise ValueError(f"Precision {precision!r} is not known: choose 'fast' or 'float32'.")
        self._device = resolve_device(device)
        self.precision = precision
        loaded = load_weights(Path(weights))
        try:
            self.network = loaded.network.to(device=self._device, memory_format=torch.channels_last)
        except RuntimeError as error:
            message = _("Device '{name}' does not work ({reason}): close what else uses it, or choose cpu.")
            reason = " ".join(str(error).partition("\n")[0].split())
            raise DeviceError(message.format(name=self._device, reason=reason)) from error
        self.weights_sha256 = loaded.sha256
        self.weights_metadata = loaded.metadata

    @property
    def device(self) -> str:
        """The device on which a run starts."""
        return str(self._device)

    def with_network(self, network: nn.Module, precision: str | None = None) -> Denoiser:
        """A denoiser on the same device with another network, which comes from no file of weights.

        Parameters
        ----------
        network
            With the interface of `NeuralDiffusionNetwork`; it is moved to the device, in the memory format that it has.
        precision
            As for `Denoiser`; that of this denoiser if left out.
        """
        other = copy.copy(self)
        other.network = network.eval().to(self._device)
        other.precision = precision or self.precision
        other.weights_sha256, other.weights_metadata = "", {}
        return other

    def __call__(
        self,
        volume: np.ndarray,
        settings: DenoiseSettings | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        scalar_type: np.dtype | type = np.float32,
        conduction: bool = True,
    ) -> DenoiseResult:
        """Denoise a volume.

        Parameters
        ----------
        volume
            (slices, rows, columns), integers or real numbers, finite. It is not changed.
        settings
            What to do; the defaults of `DenoiseSettings` if left out.
        progress
            Called with the slices done and all slices, after each batch.
        cancelled
            Asked before each batch; once it returns True the run stops.
        scalar_type
            Of the denoised image, integers or floats; numbers are clipped to it, whole ones rounded. In a smaller type
            than float32 it takes less memory from the start.
        conduction
            Whether to keep the conduction map, which takes 4 bytes a voxel.

        Raises
        ------
        InvalidVolumeError
            If the volume cannot be denoised.
        DenoiseCancelled
            If the run was cancelled.
        MemoryError
            If the main memory is too small for one slice, or for the result.
        ValueError
            If the scalar type is neither of integers nor of floats.
        """
        run = SliceRun.of(volume, settings or DenoiseSettings())
        return self.denoise(run, progress, cancelled, scalar_type, conduction)

    def denoise(
        self,
        run: SliceRun,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        scalar_type: np.dtype | type = np.float32,
        conduction: bool = True,
    ) -> DenoiseResult:
        """Denoise slices that know already what is to be known of their volume; otherwise as a call."""
        check_scalar_type(scalar_type)
        settings = run.settings
        image, gates = run.empty(scalar_type), run.empty() if conduction else None
        sigma = np.empty(len(run.slices), np.float32)
        across = StepAcross(run) if settings.across_slices else None

        def denoise(network: nn.Module, part: slice, inputs: torch.Tensor) -> Callable[[], None]:
            noise, given, masked = settings.noise, run.given_sigma(inputs), run.masked(part, inputs.device)
            seen = inputs
            if masked is not None:
                # The level is that of what was measured, not of how it is continued.
                noise, given = noise_of(inputs, network.noise_level, noise, given)
                seen = continued(inputs, masked)
            output = network(
                seen,
                noise,
                iterations=settings.iterations,
                neighbours=settings.neighbours,
                refine=settings.refine,
                sigma=given,
                clipped=inputs.new_full((len(inputs),), float(run.clipped)),
            )
            denoised = run.in_scan_units(part, inputs, within_extremes(output.image, inputs), scalar_type)
            place, denoised = (part, denoised) if across is None else across(part, denoised, output.sigma)
            if (masked := run.masked(place, inputs.device)) is not None:
                denoised = denoised.masked_fill(masked[:, 0].to(denoised.device), 0)
            arrived = download([denoised, output.sigma, *([] if gates is None else [output.conduction[:, 0]])])

            def write() -> None:
                voxels, level, *maps = arrived()
                cast_into(image[place], voxels)
                if gates is not None:
                    (gates[part],) = maps
                sigma[part] = run.sigma_in_scan_units(level)
                if across is not None:
                    across.forget(part.stop)

            return write

        device, notes = self.each_batch(run, denoise, progress, cancelled)
        return DenoiseResult(
            image=run.in_place(image),
            conduction=None if gates is None else run.in_place(gates),
            sigma=median_level(sigma) if settings.sigma is None else float(settings.sigma),
            slice_sigma=sigma,
            intensity_range=(run.low, run.high),
            device=device,
            notes=notes,
        )

    def each_batch(
        self,
        run: SliceRun,
        work: Work,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> tuple[str, tuple[str, ...]]:
        """Do some work with every slice, in batches that the device's memory allows.

        Parameters
        ----------
        run
            The slices.
        work
            Called with the network where the batch is, the place of the batch among the slices, and the batch itself,
            (batch, 1, rows, columns), under inference mode and in this denoiser's precision. Where memory runs out it
            is called again for the same slices. If it returns a function, that is called to write the results: at once
            on the CPU, else after the next batch has begun, so that the device need not wait.
        progress, cancelled
            As in a call of the denoiser.

        Returns
        -------
        tuple
            Where the run ended, and sentences that the user should read.

        Raises
        ------
        DenoiseCancelled
            If the run was cancelled.
        MemoryError
            If the main memory is too small for one slice.
        """
        count, pixels = len(run.slices), run.slices[0].size
        # Looked up for each run: memory comes and goes.
        place = _Place(self._device, self.network, batch_size(self._device, pixels))
        begun = done = 0
        unwritten: deque[tuple[int, Callable[[], None]]] = deque()
        try:
            while done < count:
                _check_cancelled(cancelled, done, count)
                if begun < count:
                    part = slice(begun, min(begun + place.batch, count))
                    write = self._begin(work, run, part, place)
                    if write is None:
                        _retreat(place, pixels)
                        continue
                    begun = part.stop
                    unwritten.append((begun, write))
                if place.device.type != "cpu" and len(unwritten) == 1 and begun < count:
                    continue
                end, write = unwritten.popleft()
                if not _fits_in_memory(write):
                    # What was begun after these slices is begun again, too.
                    unwritten.clear()
                    begun = done
                    _retreat(place, pixels)
                    continue
                done = end
                if progress is not None:
                    progress(done, count)
        finally:
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
        return str(place.device), tuple(place.notes)

    @torch.inference_mode()
    def _begin(self, work: Work, run: SliceRun, part: slice, place: _Place) -> Callable[[], None] | None:
        """Do the work with one batch; None where the memory ran out, and by then holds nothing of it."""
        try:
            inputs = run.inputs(part, place.device)
            with precision_on(place.device, self.precision):
                return work(place.network, part, inputs) or (lambda: None)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            return None


def _check_cancelled(cancelled: Callable[[], bool] | None, done: int, count: int) -> None:
    if cancelled is not None and cancelled():
        message = _("Denoising was cancelled after {done} of {count} slices.")
        raise DenoiseCancelled(message.format(done=done, count=count))


def _retreat(place: _Place, pixels: int) -> None:
    """Halve the batch, then leave the GPU, and note it for the user; MemoryError if there is nothing left to do."""
    device, batch = place.device, place.batch
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if batch > 1:
        note = _("The memory of {device} ran out; the number of slices in a batch was halved to {count}.")
        place.notes.append(note.format(device=device, count=batch // 2))
        place.batch = batch // 2
        return
    if device.type == "cpu":
        message = _(
            "The main memory is too small for one slice of {pixels} pixels: close other programs, or denoise on a "
            "computer with more memory."
        )
        raise MemoryError(message.format(pixels=pixels))
    note = _("The memory of {device} is too small for one slice; the run continued on the CPU.")
    place.notes.append(note.format(device=device))
    place.device = torch.device("cpu")
    place.network = _on_cpu(place.network)
    place.batch = batch_size(place.device, pixels)


def _on_cpu(network: nn.Module) -> nn.Module:
    """A copy in main memory: it takes none of the card's, which is full, and others may go on with the original."""
    tensors = chain(network.parameters(), network.buffers())
    return copy.deepcopy(network, {id(tensor): _copied(tensor) for tensor in tensors})


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    copied = tensor.detach().to("cpu", copy=True)
    return nn.Parameter(copied, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copied


def _fits_in_memory(write: Callable[[], None]) -> bool:
    """Write results; False where the memory ran out."""
    try:
        write()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return False
    return True
