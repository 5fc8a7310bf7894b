"""What a run of the volume engine gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DenoiseResult:
    """What a run gives.

    Attributes
    ----------
    image
        Denoised volume, float32 unless another type was asked for, shape and units of the input. No voxel is brighter
        than the brightest of its slice or darker than the darkest, but for what the bias of the noise had lifted above
        the low end of the range; after a step across the slices the two next slices count as its slice, too.
    conduction
        Mean gate over directions and steps within the slices, float32 in [0, 1], shape of the input: 1 where the
        equation smoothed freely, 0 where it held. ``None`` if it was not to be kept.
    sigma
        Noise level in the units of the input (speckle: relative to the signal; mixed: at the top of the intensity
        range): the one given, or the `median_level` of `slice_sigma`.
    slice_sigma
        Noise level of each slice, float32, (slices,).
    intensity_range
        Intensities that counted as 0 and 1.
    device
        Where the run ended: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
    notes
        Sentences the user should read: what had to be done otherwise than asked. The module's logic and the command
        line add what lies outside of the network's training: see `domain_checks.result_warnings`.
    """

    image: np.ndarray
    conduction: np.ndarray | None
    sigma: float
    slice_sigma: np.ndarray
    intensity_range: tuple[float, float]
    device: str
    notes: tuple[str, ...]


def median_level(levels: np.ndarray) -> float:
    """Median of the noise levels of slices, (slices,), without those of 0: an empty slice tells nothing of noise."""
    levels = levels[levels != 0]
    return float(np.median(levels)) if levels.size else 0.0
