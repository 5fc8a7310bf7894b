"""What a user may choose for one denoising run, checked once, before any work starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

NOISE_TYPES = ("rician", "gaussian", "speckle", "mixed")
NEIGHBOURHOODS = (4, 8)
MAX_ITERATIONS = 64

LARGEST = 1e38
"""Largest size of an intensity: the results are float32, which ends little above."""

SMALLEST_RANGE = 2.0**-126
"""Smallest distance of the intensities that count as 0 and 1: below it float32 loses digits."""


@dataclass(frozen=True, kw_only=True)
class DenoiseSettings:
    """Settings of one denoising run.

    Parameters
    ----------
    noise
        Noise model of the scan: ``"rician"`` (magnitude MR), ``"gaussian"``, ``"speckle"`` (noise
        proportional to the signal) or ``"mixed"`` (unknown: the network judges each slice).
    iterations
        Number of diffusion steps, 1 to 64. More steps smooth more.
    neighbours
        Neighbourhood of the diffusion, 4 (rows and columns) or 8 (diagonals too).
    refine
        Whether the residual refinement follows the diffusion.
    slice_axis
        Axis of the array along which the slices are stacked, 0 to 2. ``None`` takes that of the acquisition, see
        `slice_planes.acquisition_axis`, for a scan whose spacing is known, and 0 for a bare array.
    across_slices
        Whether a diffusion step across the slices follows, see `across_slices.StepAcross`. ``None`` takes it for a
        scan whose spacing is known and whose slices are not thick, and leaves it out for a bare array, which may be a
        stack of slices that do not belong together.
    intensity_range
        The (low, high) intensities that count as 0 and 1, in the scan's own units. ``None``
        estimates them from percentiles over the whole volume.
    sigma
        Standard deviation of the noise in the scan's own units (for speckle: relative to the signal, no unit; for
        mixed noise, which may grow with the signal: where the signal is at the top of the intensity range). ``None``
        estimates it slice by slice. A level above the intensity range (speckle: above 1) counts as that.

    Raises
    ------
    ValueError
        If a setting is outside what is listed above.
    """

    noise: str = "rician"
    iterations: int = 16
    neighbours: int = 8
    refine: bool = True
    slice_axis: int | None = None
    across_slices: bool | None = None
    intensity_range: tuple[float, float] | None = None
    sigma: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.noise, str) or self.noise not in NOISE_TYPES:
            raise ValueError(f"Noise type {self.noise!r} is not known: choose one of {', '.join(NOISE_TYPES)}.")
        if not _is_whole(self.iterations) or not 1 <= self.iterations <= MAX_ITERATIONS:
            raise ValueError(
                f"Iteration count {self.iterations!r} is not possible: choose a whole number "
                f"from 1 to {MAX_ITERATIONS}."
            )
        if not _is_whole(self.neighbours) or self.neighbours not in NEIGHBOURHOODS:
            raise ValueError(f"Neighbourhood {self.neighbours!r} is not possible: choose 4 or 8.")
        if not isinstance(self.refine, bool):
            raise ValueError(f"Refinement {self.refine!r} is not possible: choose True or False.")
        if self.slice_axis is not None and (not _is_whole(self.slice_axis) or self.slice_axis not in (0, 1, 2)):
            raise ValueError(f"Slice axis {self.slice_axis!r} is not possible: choose 0, 1 or 2.")
        if self.across_slices is not None and not isinstance(self.across_slices, bool):
            raise ValueError(f"Step across slices {self.across_slices!r} is not possible: choose True or False.")
        if self.intensity_range is not None:
            _check_range(self.intensity_range)
            # Numbers of numpy's short types would overflow in whatever is computed with them.
            object.__setattr__(self, "intensity_range", tuple(map(float, self.intensity_range)))
        if self.sigma is not None and not (_is_finite(self.sigma) and self.sigma >= 0):
            raise ValueError(f"Noise level {self.sigma!r} is not possible: give a finite number, 0 or more.")


def _check_range(bounds: object) -> None:
    if not (isinstance(bounds, (tuple, list)) and len(bounds) == 2 and all(map(_is_finite, bounds))):
        raise ValueError(f"Intensity range {bounds!r} is not possible: give two finite numbers, the lower first.")
    low, high = map(float, bounds)
    if not low < high:
        raise ValueError(f"Intensity range ({low:g}, {high:g}) is not possible: give two numbers, the lower first.")
    if max(-low, high) > LARGEST or high - low < SMALLEST_RANGE:
        raise ValueError(
            f"Intensity range ({low:g}, {high:g}) is not possible: give numbers that 32-bit floats can tell apart."
        )


def _is_finite(value: object) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        # A whole number that no float can hold.
        return False


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
