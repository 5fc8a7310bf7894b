"""Real volumes: does the denoiser help, and never harm, at the noise levels of the clinic?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_fill_holes, label

from NeuralDiffusionLib import Denoiser, DenoiseSettings

from ..data.corruption import rician

CLINICAL_SIGMAS = (0.01, 0.03, 0.05, 0.09, 0.15)
_RANGE_PERCENTILE = 99.9
_HEAD_THRESHOLD = 0.05


@dataclass(frozen=True)
class VolumeRow:
    """One volume at one noise level: PSNR in dB inside the head, noise levels relative to the range."""

    volume: str
    sigma: float
    noisy_psnr_db: float
    denoised_psnr_db: float
    diffused_psnr_db: float
    estimated_sigma: float


def evaluate_volume(
    denoiser: Denoiser,
    name: str,
    clean: np.ndarray,
    settings: DenoiseSettings,
    sigmas: Sequence[float] = CLINICAL_SIGMAS,
    slices: int = 0,
    report: Callable[[VolumeRow], None] | None = None,
) -> list[VolumeRow]:
    """Add Rician noise of known levels to a volume, denoise it blindly and compare inside the head.

    Parameters
    ----------
    clean
        (slices, rows, columns), the reference in any units. It has noise of its own, which bounds every figure at low
        levels.
    settings
        Iterations and neighbourhood.
    sigmas
        Noise levels relative to the intensity range, which is the 99.9th percentile of the volume.
    slices
        Use only this many slices, around the middle one; 0 means all.
    report
        Called with each row once it is known.
    """
    clean = clean.astype(np.float32)
    scale = float(np.percentile(clean, _RANGE_PERCENTILE))
    inside = head_mask(clean, _HEAD_THRESHOLD * scale)
    if slices:
        first = max(0, (len(clean) - slices) // 2)
        clean, inside = clean[first : first + slices], inside[first : first + slices]
    rows = []
    for number, sigma in enumerate(sigmas):
        noisy = rician(clean, sigma * scale, np.random.default_rng((42, number)))
        refined = denoiser(noisy, replace(settings, noise="rician", refine=True))
        diffused = denoiser(noisy, replace(settings, noise="rician", refine=False))
        psnr = [_psnr(image, clean, inside, scale) for image in (noisy, refined.image, diffused.image)]
        rows.append(VolumeRow(name, sigma, *psnr, estimated_sigma=refined.sigma / scale))
        if report is not None:
            report(rows[-1])
    return rows


def head_mask(volume: np.ndarray, threshold: float) -> np.ndarray:
    """The largest connected part above the threshold, with its cavities filled; boolean."""
    parts, count = label(volume > threshold)
    if count == 0:
        return np.zeros(volume.shape, bool)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return binary_fill_holes(parts == sizes.argmax())


def _psnr(image: np.ndarray, clean: np.ndarray, inside: np.ndarray, scale: float) -> float:
    error = np.mean(np.square((image - clean)[inside].astype(np.float64)))
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(scale**2 / error))
