"""What the benchmark of volumes asks of a method, and ours in that form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.slice_planes import denoise_three_planes, for_scan

from ..methods import NOISY_INPUT

OURS = "Neural Diffusion"
OURS_DIFFUSED = "Neural Diffusion (no refinement)"
OURS_ACROSS = "Neural Diffusion, step across slices"
OURS_THREE_PLANES = "Neural Diffusion, three planes"


@dataclass(frozen=True)
class NoisyVolume:
    """What a method gets.

    Attributes
    ----------
    voxels
        (slices, rows, columns), float32, 0 or more; 1 is the top of the scan's intensity range.
    sigma
        Level of the Rician noise that was added, in the same units; NaN for methods that are not marked "true".
    spacing
        Size of a voxel in millimetres along each axis of the array, (3,).
    """

    voxels: np.ndarray
    sigma: float
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class VolumeMethod:
    """One way to remove noise from a volume.

    Attributes
    ----------
    name
        What the table calls it.
    told
        The noise level that it is told, in files "noise_level": ``"none"``, ``"estimated"`` (it finds the level out by
        itself) or ``"true"``.
    denoise
        Returns the image, shape and units of the noisy one, and the noise level that it worked with, if it estimates
        one.
    """

    name: str
    told: str
    denoise: Callable[[NoisyVolume], tuple[np.ndarray, float | None]]


def noisy_input() -> VolumeMethod:
    """The volume as it is: the row that no other may fall below."""
    return VolumeMethod(NOISY_INPUT, "none", lambda noisy: (noisy.voxels, None))


def ours(denoiser: Denoiser, settings: DenoiseSettings) -> list[VolumeMethod]:
    """Neural Diffusion slice by slice with and without refinement, with the step across slices, and averaged over three
    planes; all blind. Thick slices get no step, as on every other path, so that their row is that without it."""
    settings = replace(settings, noise="rician", sigma=None, refine=True, slice_axis=0, across_slices=False)

    def slice_wise(noisy: NoisyVolume, **changes: bool | None) -> tuple[np.ndarray, float]:
        chosen = for_scan(replace(settings, **changes), noisy.spacing, noisy.voxels.shape)
        result = denoiser(noisy.voxels, chosen)
        return result.image, result.sigma

    def three_planes(noisy: NoisyVolume) -> tuple[np.ndarray, float]:
        result = denoise_three_planes(denoiser, noisy.voxels, settings)
        return result.image, result.sigma

    return [
        VolumeMethod(OURS, "estimated", slice_wise),
        VolumeMethod(OURS_DIFFUSED, "estimated", lambda noisy: slice_wise(noisy, refine=False)),
        VolumeMethod(OURS_ACROSS, "estimated", lambda noisy: slice_wise(noisy, across_slices=None)),
        VolumeMethod(OURS_THREE_PLANES, "estimated", three_planes),
    ]
