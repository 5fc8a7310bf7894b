"""The slices of a volume on their way into the network and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..network.noise_level import LARGEST_SIGMA
from .intensity import check_volume, estimate_range
from .masked_out import masked_out
from .scalar_types import exact_float
from .settings import DenoiseSettings
from .transfers import upload

FARTHEST = 3.0
"""How far from 0, in units of the intensity range, the network sees: a brighter voxel, such as a broken pixel, counts
as this bright, keeps the rest of its intensity and spoils little around it. A few pixels that are brighter still would
hide the noise of their whole slice."""

LEAST_SIGMA = 1e-6
"""What float32 leaves of a slice without noise lies below this, in the network's units, and is not a noise level."""


@dataclass(frozen=True)
class SliceRun:
    """Slices together with the settings and with what was found out about the whole volume.

    Attributes
    ----------
    settings
        What to do; the slice axis is never ``None``.
    slices
        (slices, rows, columns), a view of the volume in its own units and type.
    low, high
        Intensities that count as 0 and 1.
    clipped
        Whether negative values were cut off.
    """

    settings: DenoiseSettings
    slices: np.ndarray
    low: float
    high: float
    clipped: bool

    @classmethod
    def of(cls, volume: np.ndarray, settings: DenoiseSettings) -> SliceRun:
        """Prepare a volume of (slices, rows, columns).

        Raises
        ------
        InvalidVolumeError
            If the volume cannot be denoised.
        """
        check_volume(np.asanyarray(volume))
        volume = np.asarray(volume)
        low, high = settings.intensity_range or estimate_range(volume)
        if settings.slice_axis is None:
            settings = replace(settings, slice_axis=0)
        slices = np.moveaxis(volume, settings.slice_axis, 0)
        return cls(settings, slices, low, high, clipped=float(volume.min()) >= low)

    @property
    def scale(self) -> float:
        """The scan's units in one unit of the network."""
        return self.high - self.low

    @property
    def sigma_unit(self) -> float:
        """The scan's units in which 1 of the network's noise level is measured."""
        return 1.0 if self.settings.noise == "speckle" else self.scale

    def inputs(self, part: slice, device: torch.device) -> torch.Tensor:
        """Some of the slices as the network takes them: (batch, 1, rows, columns), float32, mostly within [0, 1]."""
        unit = self._exact(part, device).sub_(self.low).div_(self.scale).clamp_(-FARTHEST, FARTHEST)
        return unit.float().to(device).unsqueeze(1)

    def masked(self, part: slice, device: torch.device) -> torch.Tensor | None:
        """Which pixels of some of the slices were masked out, (batch, 1, rows, columns), or None: see `masked_out`."""
        zeros = self.slices[part] == 0
        return masked_out(torch.from_numpy(zeros[:, None]).to(device)) if zeros.any() else None

    def given_sigma(self, inputs: torch.Tensor) -> torch.Tensor | None:
        """The noise level of the settings in the network's units, (batch,), or None if it is to be estimated."""
        sigma = self.settings.sigma
        return None if sigma is None else inputs.new_full((len(inputs),), min(sigma / self.sigma_unit, LARGEST_SIGMA))

    def sigma_in_scan_units(self, level: np.ndarray) -> np.ndarray:
        """Noise levels in the network's units, (batch,), in those of the scan (speckle: relative to the signal)."""
        return np.where(level < LEAST_SIGMA, 0, level) * self.sigma_unit

    def in_scan_units(
        self,
        part: slice,
        inputs: torch.Tensor,
        outputs: torch.Tensor,
        scalar_type: np.dtype | type = np.float32,
    ) -> torch.Tensor:
        """What became of some of the slices, (batch, rows, columns), where it can be computed with 64 bits.

        Adding the change to the slices, rather than scaling the outputs back, leaves what is unchanged bit for bit. The
        numbers are float32 where that is enough for a scalar type, else float64.
        """
        before = self._exact(part, outputs.device)
        change = (outputs - inputs)[:, 0].to(before.device).double().mul_(self.scale)
        exact = before.add_(change)
        return exact.float() if exact_float(np.dtype(scalar_type)) is np.float32 else exact

    def _exact(self, part: slice, device: torch.device) -> torch.Tensor:
        """Some of the slices in their own units, float64; on the CPU if the device has no such numbers."""
        device = torch.device("cpu") if device.type == "mps" else device
        return upload(self.slices[part], device).double()

    def empty(self, scalar_type: np.dtype | type = np.float32) -> np.ndarray:
        """Room for results, (slices, rows, columns), laid out so that `in_place` copies nothing."""
        shape = np.moveaxis(self.slices, 0, self.settings.slice_axis).shape
        return np.moveaxis(np.empty(shape, scalar_type), self.settings.slice_axis, 0)

    def in_place(self, slices: np.ndarray) -> np.ndarray:
        """Turn (slices, rows, columns) back into the axes of the volume."""
        return np.ascontiguousarray(np.moveaxis(slices, 0, self.settings.slice_axis))


def within_extremes(images: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Keep images, (batch, 1, rows, columns), within the extremes of their slices, and 0.

    On patterns unlike any scan the refinement overshoots.
    """
    darkest, brightest = inputs.amin(dim=(2, 3), keepdim=True), inputs.amax(dim=(2, 3), keepdim=True)
    return images.clamp(darkest.clamp_max(0), brightest)
