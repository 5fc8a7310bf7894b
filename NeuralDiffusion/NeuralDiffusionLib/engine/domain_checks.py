"""What in a volume lies outside of what the network was trained on, said in sentences for the user."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..translation import translator
from .intensity import estimate_range

if TYPE_CHECKING:
    from .denoise_result import DenoiseResult
    from .settings import DenoiseSettings

_ = translator(__name__)

TRAINED_SIGMA = (0.0, 0.25)
"""Noise levels of training, as shares of the intensity range (for speckle: of the signal)."""

FAINTEST_SIGMA = 0.002
"""A given noise level below this share of the intensity range (for speckle: of the signal) removes hardly anything."""

SQUARE_PIXEL = 1.5
"""A pixel whose one side is longer than the other by more than this factor no longer counts as square."""

FEWEST_PIXELS = 16
FEWEST_VOXELS = 1000
"""With fewer the 99.9th percentile, the top of the intensity range, rests on a single voxel."""

# Undershoot of resampling and noise about zero cancel over a block; the air of CT and the tissue of phase images do
# not. Noise of the highest trained level puts the mean of one block in a hundred this far below zero.
_BLOCK = 4
_FAR_BELOW = -0.15
_NOTICEABLE_SHARE = 0.02
_SAMPLED_SLICES = 32
# At 0.75 the levels of Gaussian noise are still found, at 0.83 they come out at a quarter, at 0.91 near zero.
_FAR_ABOVE = 0.75


def domain_warnings(
    voxels: np.ndarray,
    spacing_kji: Sequence[float],
    axis: int,
    sigma: float | None = None,
    intensity_range: tuple[float, float] | None = None,
    relative_sigma: bool = False,
    sigma_is_given: bool = False,
) -> list[str]:
    """Find what the network was not trained for; an ordinary magnitude MR volume has nothing of it.

    Parameters
    ----------
    voxels
        (K, J, I), integers or real numbers, finite.
    spacing_kji
        Distance of neighbouring voxels along each axis of the array, (3,), in mm.
    axis
        Axis of the array along which the slices are stacked, 0 to 2.
    sigma
        Noise level, given or estimated, in the units of the voxels (for speckle: relative to the signal); ``None`` is
        not checked.
    intensity_range
        Intensities that count as 0 and 1, in the units of the voxels; estimated as `Denoiser` does if ``None``.
    relative_sigma
        Whether `sigma` is relative to the signal, as for speckle.
    sigma_is_given
        Whether `sigma` was not estimated: only then it can be far too low for the scan.

    Returns
    -------
    list of str
        A sentence for each finding: what it is, why it matters, what to do.
    """
    low, high = intensity_range or estimate_range(voxels)
    slices = np.moveaxis(voxels, axis, 0)
    slices = slices[:: -(-len(slices) // _SAMPLED_SLICES)]
    found = shape_warnings(voxels.shape, spacing_kji, axis)
    found += intensity_warnings(slices, float(voxels.min()), low, high)
    if sigma is not None:
        found += sigma_warnings(sigma, low, high, relative_sigma, sigma_is_given)
    return found


def result_warnings(
    voxels: np.ndarray, spacing_kji: Sequence[float], axis: int, result: DenoiseResult, settings: DenoiseSettings
) -> list[str]:
    """`domain_warnings` of a volume that was denoised with some settings: level and range are those of the run."""
    return domain_warnings(
        voxels,
        spacing_kji,
        axis,
        result.sigma,
        intensity_range=result.intensity_range,
        relative_sigma=settings.noise == "speckle",
        sigma_is_given=settings.sigma is not None,
    )


def shape_warnings(shape_kji: Sequence[int], spacing_kji: Sequence[float], axis: int) -> list[str]:
    """Find what is known of a volume without its voxels: arguments and result as of `domain_warnings`."""
    found = [_few_voxels(math.prod(shape_kji)), _small_slices(shape_kji, axis), _long_pixels(spacing_kji, axis)]
    return [sentence for sentence in found if sentence is not None]


def has_square_pixels(spacing_kji: Sequence[float], axis: int) -> bool:
    """Return whether the pixels of the slices across an axis count as square: see `SQUARE_PIXEL`."""
    short, long = pixel_sides(spacing_kji, axis)
    # A little more, for spacings such as 0.6 and 0.9 mm whose ratio is not exactly 1.5.
    return long <= SQUARE_PIXEL * short * (1 + 1e-6)


def pixel_sides(spacing_kji: Sequence[float], axis: int) -> tuple[float, float]:
    """Return the shorter and the longer side of the pixels of the slices across an axis, in mm."""
    short, long = sorted(float(spacing) for other, spacing in enumerate(spacing_kji) if other != axis)
    return short, long


def intensity_warnings(slices: np.ndarray, lowest: float, low: float, high: float) -> list[str]:
    """Find whether magnitude images never look like this: far below zero, or all of it far above.

    Parameters
    ----------
    slices
        Some slices of the volume, (slices, rows, columns).
    lowest
        Lowest intensity of the volume.
    low, high
        Intensities that count as 0 and 1.

    Returns
    -------
    list of str
        A sentence, or nothing.
    """
    found = [_far_below_zero(slices, lowest, high - low), _far_above_zero(lowest, low, high)]
    return [sentence for sentence in found if sentence is not None]


def sigma_warnings(
    sigma: float, low: float, high: float, relative_sigma: bool = False, sigma_is_given: bool = False
) -> list[str]:
    """Find whether a noise level is outside of training, or far too low; `low` and `high` count as 0 and 1.

    Parameters and result are as of `domain_warnings`.
    """
    unit = 1.0 if relative_sigma else high - low
    where = (
        _("of the signal")
        if relative_sigma
        else _("in image units, for intensities from {low} to {high}").format(low=_number(low), high=_number(high))
    )
    lowest, highest = (share * unit for share in TRAINED_SIGMA)
    if sigma > highest:
        sentence = _(
            "The noise level of {sigma} is outside the range of training, {lowest} to {highest} ({where}): detail is "
            "lost in such noise and what the network shows instead is a guess, so check the level and the noise type, "
            "or average repeated scans first."
        )
    elif sigma_is_given and 0 < sigma < FAINTEST_SIGMA * unit:
        sentence = _(
            "The noise level of {sigma} is so low that hardly anything is removed ({where}): check the level and its "
            "unit, or have it estimated."
        )
    else:
        return []
    return [sentence.format(sigma=_number(sigma), lowest=_number(lowest), highest=_number(highest), where=where)]


def _far_below_zero(slices: np.ndarray, lowest: float, scale: float) -> str | None:
    if lowest >= 0:
        return None
    rows, columns = (min(_BLOCK, size) for size in slices.shape[1:])
    whole = slices[:, : slices.shape[1] // rows * rows, : slices.shape[2] // columns * columns]
    blocks = whole.reshape(len(whole), -1, rows, whole.shape[2] // columns, columns).mean(axis=(2, 4), dtype=np.float64)
    share = float(np.mean(blocks < _FAR_BELOW * scale))
    if share <= _NOTICEABLE_SHARE:
        return None
    sentence = _(
        "About {share:.0%} of the volume lies far below zero, down to {lowest}, as in CT, phase or difference images: "
        "the network was trained on magnitude MR images, whose air is dark and never negative, so choose a magnitude "
        "image, or Gaussian noise and compare the result with the input."
    )
    return sentence.format(share=share, lowest=_number(lowest))


def _far_above_zero(lowest: float, low: float, high: float) -> str | None:
    """Where the noise is too small a share of the intensity range to be found."""
    if not _FAR_ABOVE * (high - low) < lowest - low < high - low:
        return None
    sentence = _(
        "All voxels lie far above zero, from {lowest} to about {high}: the network was trained on images whose darkest "
        "voxels are near zero and may find no noise in these, so subtract the offset first."
    )
    return sentence.format(lowest=_number(lowest), high=_number(high))


def _few_voxels(count: int) -> str | None:
    if count >= FEWEST_VOXELS:
        return None
    sentence = _(
        "The volume has {count} voxels, fewer than the {fewest} from which the intensity range and the noise level can "
        "be found: denoise the whole scan and crop it afterwards."
    )
    return sentence.format(count=count, fewest=FEWEST_VOXELS)


def _small_slices(shape_kji: Sequence[int], axis: int) -> str | None:
    rows, columns = np.delete(shape_kji, axis)
    if min(rows, columns) >= FEWEST_PIXELS:
        return None
    sentence = _(
        "The slices have {rows} x {columns} pixels: with fewer than {fewest} along a side the network sees too little "
        "around a pixel to tell noise from anatomy, so slice the volume along another axis, or denoise the whole scan "
        "and crop it afterwards."
    )
    return sentence.format(rows=rows, columns=columns, fewest=FEWEST_PIXELS)


def _long_pixels(spacing_kji: Sequence[float], axis: int) -> str | None:
    if has_square_pixels(spacing_kji, axis):
        return None
    short, long = pixel_sides(spacing_kji, axis)
    sentence = _(
        "The pixels of the slices measure {short} x {long} mm: the network was trained on square pixels, and beyond "
        "1 : {limit:g} stretched anatomy misleads it, so slice the volume along another axis or resample it first."
    )
    return sentence.format(short=_number(short), long=_number(long), limit=SQUARE_PIXEL)


def _number(value: float) -> str:
    """Three digits, but never a power of ten for what a scan may hold."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"
