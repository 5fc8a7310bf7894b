"""The volume engine: slices in batches, in the scanner's own units, on any device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .devices import batch_size, fast_dtype, resolve_device
from .errors import DenoiseCancelled
from .intensity import check_volume, estimate_range
from .network import NetworkOutput
from .settings import DenoiseSettings
from .weights import BUNDLED_WEIGHTS, load_weights


@dataclass(frozen=True)
class DenoiseResult:
    """What a run gives.

    Attributes
    ----------
    image
        Denoised volume, float32, shape and units of the input.
    conduction
        Mean gate over directions and steps, float32 in [0, 1], shape of the input: 1 where the equation smoothed
        freely, 0 where it held.
    sigma
        Noise level in the units of the input (speckle: relative to the signal): the one given, or the median of
        `slice_sigma`.
    slice_sigma
        Noise level of each slice, float32, (slices,).
    intensity_range
        Intensities that counted as 0 and 1.
    device
        Where the run ended: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
    notes
        Sentences the user should read: what had to be done otherwise than asked.
    """

    image: np.ndarray
    conduction: np.ndarray
    sigma: float
    slice_sigma: np.ndarray
    intensity_range: tuple[float, float]
    device: str
    notes: tuple[str, ...]


class Denoiser:
    """Denoises volumes with one set of weights on one device.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    weights
        File of weights; the bundled one by default.
    precision
        ``"fast"`` computes convolutions in bfloat16 or float16 where that is faster, ``"float32"`` never does.

    Raises
    ------
    DeviceError
        If the device is unknown or absent.
    WeightsError
        If the weights cannot be used.
    """

    def __init__(self, device: str = "auto", weights: Path = BUNDLED_WEIGHTS, precision: str = "fast") -> None:
        if precision not in ("fast", "float32"):
            raise ValueError(f"Precision {precision!r} is not known: choose 'fast' or 'float32'.")
        self._device = resolve_device(device)
        self._precision = precision
        loaded = load_weights(Path(weights))
        self.network = loaded.network.to(device=self._device, memory_format=torch.channels_last)
        self.weights_sha256 = loaded.sha256
        self.weights_metadata = loaded.metadata

    @property
    def device(self) -> str:
        """The device on which a run starts."""
        return str(self._device)

    def __call__(
        self,
        volume: np.ndarray,
        settings: DenoiseSettings | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
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

        Raises
        ------
        InvalidVolumeError
            If the volume cannot be denoised.
        DenoiseCancelled
            If the run was cancelled.
        """
        settings = settings or DenoiseSettings()
        volume = np.asarray(volume)
        check_volume(volume)
        low, high = settings.intensity_range or estimate_range(volume)
        run = _Run(settings, low, high - low, clipped=float(volume.min()) >= low)
        slices = np.moveaxis(volume, settings.slice_axis, 0)
        image = np.empty(slices.shape, np.float32)
        conduction = np.empty(slices.shape, np.float32)
        sigma = np.empty(len(slices), np.float32)
        # Looked up for each run: memory comes and goes, and so may a device's fallback.
        device, notes = self._device, []
        batch = batch_size(device, slices[0].size)
        done = 0
        try:
            while done < len(slices):
                if cancelled is not None and cancelled():
                    raise DenoiseCancelled(f"Denoising was cancelled after {done} of {len(slices)} slices.")
                part = slice(done, min(done + batch, len(slices)))
                denoised = self._denoise_if_memory_allows(slices[part], run, device)
                if denoised is None:
                    device, batch = self._retreat(device, batch, slices[0].size, notes)
                    continue
                image[part], conduction[part], sigma[part] = denoised
                done = part.stop
                if progress is not None:
                    progress(done, len(slices))
        finally:
            if device != self._device:
                self.network.to(self._device)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
        return DenoiseResult(
            image=np.ascontiguousarray(np.moveaxis(image, 0, settings.slice_axis)),
            conduction=np.ascontiguousarray(np.moveaxis(conduction, 0, settings.slice_axis)),
            sigma=float(np.median(sigma)) if settings.sigma is None else float(settings.sigma),
            slice_sigma=sigma,
            intensity_range=(low, high),
            device=str(device),
            notes=tuple(notes),
        )

    def _denoise_if_memory_allows(
        self, slices: np.ndarray, run: _Run, device: torch.device
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """As `_denoise`, or None where a GPU ran out of memory; by then the failed pass holds none of it."""
        try:
            return self._denoise(slices, run, device)
        except torch.OutOfMemoryError:
            if device.type == "cpu":
                raise
            return None

    def _denoise(
        self, slices: np.ndarray, run: _Run, device: torch.device
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image and conduction of one batch in the scan's units, and its noise levels."""
        unit = ((slices.astype(np.float64) - run.low) / run.scale).astype(np.float32)
        inputs = torch.from_numpy(unit).unsqueeze(1).to(device)
        output = self._pass(inputs, run, device)
        # Adding the change to the input, rather than scaling the output back, leaves what is unchanged bit for bit.
        change = (output.image - inputs)[:, 0].cpu().numpy()
        image = (slices + change.astype(np.float64) * run.scale).astype(np.float32)
        sigma = output.sigma.cpu().numpy()
        # What float32 leaves of a slice without noise is not a noise level.
        return image, output.conduction[:, 0].cpu().numpy(), np.where(sigma < 1e-6, 0, sigma) * run.sigma_unit

    @torch.inference_mode()
    def _pass(self, inputs: torch.Tensor, run: _Run, device: torch.device) -> NetworkOutput:
        settings = run.settings
        dtype = torch.float32 if self._precision == "float32" else fast_dtype(device)
        given = None if settings.sigma is None else inputs.new_full((len(inputs),), settings.sigma / run.sigma_unit)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            return self.network(
                inputs,
                settings.noise,
                iterations=settings.iterations,
                neighbours=settings.neighbours,
                refine=settings.refine,
                sigma=given,
                clipped=inputs.new_full((len(inputs),), float(run.clipped)),
            )

    def _retreat(self, device: torch.device, batch: int, pixels: int, notes: list[str]) -> tuple[torch.device, int]:
        """Halve the batch, then leave the GPU, and note it for the user."""
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if batch > 1:
            notes.append(f"The memory of {device} ran out; the batch was halved to {batch // 2} slices.")
            return device, batch // 2
        notes.append(f"The memory of {device} is too small for one slice; the run went on on the CPU.")
        self.network.to("cpu")
        cpu = torch.device("cpu")
        return cpu, batch_size(cpu, pixels)


@dataclass(frozen=True)
class _Run:
    """The settings together with what was found out about the volume."""

    settings: DenoiseSettings
    low: float
    scale: float
    clipped: bool

    @property
    def sigma_unit(self) -> float:
        """The scan's units in which 1 of the network's noise level is measured."""
        return 1.0 if self.settings.noise == "speckle" else self.scale
