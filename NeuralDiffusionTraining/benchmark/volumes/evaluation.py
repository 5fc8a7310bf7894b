"""Real volumes: does the denoiser help, and never harm, at the noise levels of the clinic?"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ...data.corruption import rician
from ...files.command_error import CommandError
from ..head import HEAD_THRESHOLD, head_mask
from ..methods import check_names
from ..metrics import WANG
from .methods import NOISY_INPUT, NoisyVolume, VolumeMethod, noisy_input

CLINICAL_SIGMAS = (0.01, 0.03, 0.05, 0.09, 0.15)
EVALUATION_SEED = 42
RANGE_PERCENTILE = 99.9
"""Of a scan's intensities: the one that counts as 1."""

_SSIM_WINDOW = 11


@dataclass(frozen=True)
class CleanVolume:
    """A scan that counts as free of noise (its own noise bounds every figure at low levels).

    Attributes
    ----------
    name
        What the tables call it.
    voxels
        (slices, rows, columns), float32; 1 is the 99.9th percentile of the whole scan.
    inside
        Boolean, same shape: the head.
    spacing
        Millimetres along each axis of the array, (3,).
    sha256
        Of the whole scan's voxels, so that it is known again under another name.
    """

    name: str
    voxels: np.ndarray = field(repr=False)
    inside: np.ndarray = field(repr=False)
    spacing: tuple[float, float, float]
    sha256: str


@dataclass(frozen=True)
class VolumeRow:
    """One method on one volume at one noise level.

    Attributes
    ----------
    sigma, estimated_sigma
        Noise levels relative to the intensity range: the one added, and the one that the method found out, if it does.
    noise_level
        What the method was told: "none", "estimated" or "true".
    psnr_head_db, ssim_head
        Over the voxels of the head, with 1 as data range.
    seconds
        Wall time of the method on this volume.
    below_noisy
        Whether the PSNR is lower than that of the noisy input: the method did harm.
    """

    volume: str
    sigma: float
    method: str
    noise_level: str
    psnr_head_db: float
    ssim_head: float
    seconds: float
    below_noisy: bool
    estimated_sigma: float | None = None


def prepare_volume(name: str, voxels: np.ndarray, spacing: Sequence[float], slices: int = 0) -> CleanVolume:
    """Scale a scan, find the head in it and cut out the slab that is measured.

    Range and head come from the whole scan. Magnitudes are not negative: what interpolation left below zero becomes 0.

    Parameters
    ----------
    voxels
        (slices, rows, columns), in any units.
    spacing
        Millimetres along each axis of the array, (3,).
    slices
        Keep only this many slices, around the middle one; 0 keeps all. Every method sees this slab and nothing else,
        so that methods in three dimensions lose their outer neighbours at its two faces, and the planes across it are
        only this wide: few slices are for a quick look, figures to publish want all.

    Raises
    ------
    CommandError
        If the scan is not finite, is empty inside, or has slices too small for the SSIM.
    """
    if not np.isfinite(voxels).all():
        raise CommandError(f"Scan '{name}' holds NaN or infinite values: replace them first.")
    if min(voxels.shape[1:]) < _SSIM_WINDOW:
        rows, columns = voxels.shape[1:]
        raise CommandError(
            f"Scan '{name}' has slices of {rows} x {columns} pixels: they must be {_SSIM_WINDOW} x {_SSIM_WINDOW} or "
            "larger to be measured."
        )
    clean = np.maximum(voxels.astype(np.float32), 0)
    scale = float(np.percentile(clean, RANGE_PERCENTILE))
    inside = head_mask(clean, HEAD_THRESHOLD * scale)
    first = max(0, (len(clean) - slices) // 2) if slices else 0
    kept = slice(first, first + slices if slices else None)
    if scale <= 0 or not inside[kept].any():
        raise CommandError(f"Scan '{name}' shows no head in the slices to be measured: is it an MR scan of a head?")
    digest = hashlib.sha256(np.ascontiguousarray(clean).tobytes()).hexdigest()
    return CleanVolume(name, clean[kept] / np.float32(scale), inside[kept], tuple(map(float, spacing)), digest)


def draw_of(sigma: float) -> int:
    """Number of the draw of a noise level: the same whichever other levels are measured, so that rows pair."""
    if sigma in CLINICAL_SIGMAS:
        return CLINICAL_SIGMAS.index(sigma)
    return len(CLINICAL_SIGMAS) + round(1e6 * sigma)


def add_noise(clean: CleanVolume, sigma: float, number: int, seed: int = EVALUATION_SEED) -> NoisyVolume:
    """Rician noise drawn from the generator (seed, number), the same for every method."""
    noisy = rician(clean.voxels, sigma, np.random.default_rng((seed, number)))
    return NoisyVolume(noisy.astype(np.float32), sigma, clean.spacing)


def evaluate_volume(
    methods: Sequence[VolumeMethod],
    clean: CleanVolume,
    sigmas: Sequence[float] = CLINICAL_SIGMAS,
    report: Callable[[VolumeRow], None] | None = None,
) -> list[VolumeRow]:
    """Add Rician noise of known levels to a volume and compare what each method makes of it, inside the head.

    Parameters
    ----------
    methods
        What to measure; the noisy input is the first row of each level in any case.
    sigmas
        Noise levels relative to the intensity range; the noise of each is fixed by (42, `draw_of` the level).
    report
        Called with each row once it is known.

    Raises
    ------
    CommandError
        If two methods share a name, or one has that of the noisy input.
    """
    check_names([NOISY_INPUT, *(method.name for method in methods)])
    return list(_rows(methods, clean, sigmas, report or (lambda row: None)))


def _rows(
    methods: Sequence[VolumeMethod], clean: CleanVolume, sigmas: Sequence[float], report: Callable[[VolumeRow], None]
) -> Iterator[VolumeRow]:
    for sigma in sigmas:
        noisy = add_noise(clean, sigma, draw_of(sigma))
        unchanged = head_psnr(noisy.voxels, clean)
        for method in (noisy_input(), *methods):
            # Whoever is not told the level gets NaN: it cannot look by mistake.
            given = noisy if method.told == "true" else replace(noisy, sigma=math.nan)
            start = time.perf_counter()
            image, estimated = method.denoise(given)
            seconds = time.perf_counter() - start
            psnr = head_psnr(image, clean)
            row = VolumeRow(
                volume=clean.name,
                sigma=sigma,
                method=method.name,
                noise_level=method.told,
                psnr_head_db=psnr,
                ssim_head=head_ssim(image, clean),
                seconds=seconds,
                below_noisy=psnr < unchanged,
                estimated_sigma=estimated,
            )
            report(row)
            yield row


def head_psnr(image: np.ndarray, clean: CleanVolume) -> float:
    """PSNR in dB over the voxels of the head; infinite for equal images."""
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(clean.voxels[clean.inside], image[clean.inside], data_range=1))


def head_ssim(image: np.ndarray, clean: CleanVolume) -> float:
    """Mean over the voxels of the head of the slice-wise SSIM map.

    The settings are `metrics.WANG`, the windows lie in the plane of the slices.
    """
    total = 0.0
    for denoised, truth, inside in zip(image, clean.voxels, clean.inside, strict=True):
        if inside.any():
            _, similarity = structural_similarity(truth, denoised, full=True, **WANG)
            total += float(similarity[inside].sum(dtype=np.float64))
    return total / int(clean.inside.sum())
