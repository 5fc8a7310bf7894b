"""From the scanner's units to the unit range that the network was trained on."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidVolumeError
from ..translation import translator
from .settings import LARGEST, SMALLEST_RANGE

_ = translator(__name__)

_LOW_PERCENTILE = 0.05
_HIGH_PERCENTILE = 99.9
_ENOUGH_VOXELS = 4_000_000
# Fewer numbers than these that float32 has between the darkest and the brightest voxel are too few to find noise in.
_FEWEST_NUMBERS = 1024
_LARGEST_EXACT = 2**24


def check_volume(volume: np.ndarray) -> None:
    """Refuse what cannot be denoised.

    Raises
    ------
    InvalidVolumeError
        If the array is not three-dimensional, is empty, does not hold real numbers, or holds NaN, infinity, numbers
        beyond 1e38 or voxels that are masked out.
    """
    if volume.ndim != 3:
        message = _("The volume has {count} dimensions; pass a three-dimensional array (slices, rows, columns).")
        raise InvalidVolumeError(message.format(count=volume.ndim))
    if volume.size == 0:
        message = _("The volume has no voxels (shape {shape}); pass one that is not empty.")
        raise InvalidVolumeError(message.format(shape=volume.shape))
    if volume.dtype.kind not in "iuf":
        message = _("The volume holds {type} values; pass integers or real numbers.")
        raise InvalidVolumeError(message.format(type=volume.dtype))
    if np.ma.is_masked(volume):
        raise InvalidVolumeError(
            _("The volume has voxels that are masked out, which every slice needs; fill them with a value first.")
        )
    if volume.dtype.kind == "f" and not np.isfinite(volume).all():
        raise InvalidVolumeError(_("The volume holds NaN or infinite values; replace them before denoising."))
    if volume.dtype.kind == "f" and max(float(volume.max()), -float(volume.min())) > LARGEST:
        message = _("The volume holds values beyond {limit:g}, more than 32-bit floats can carry; divide them first.")
        raise InvalidVolumeError(message.format(limit=LARGEST))


def evenly_spread(voxels: np.ndarray) -> np.ndarray:
    """Return all voxels, or of more than 4,000,000 every n-th, in their order, (voxels,), a view or a copy."""
    stride = -(-voxels.size // _ENOUGH_VOXELS)
    # A volume whose axes were exchanged would be copied as a whole to be made flat.
    flat = voxels.reshape(-1) if voxels.flags.c_contiguous else voxels.flat
    # An even stride would fall into step with every row of even length, an odd one does so with few lengths.
    return flat[:: stride + (stride % 2 == 0)]


def estimate_range(volume: np.ndarray) -> tuple[float, float]:
    """Intensities that count as 0 and 1.

    Percentiles over the whole volume, of a large one over `evenly_spread` voxels, so that all slices share one scale
    and single bright voxels do not set it. A volume without negative values, as every magnitude image is, or with
    hardly any, keeps its zero at zero.

    Parameters
    ----------
    volume
        Any shape, finite.

    Returns
    -------
    tuple of float
        (low, high), low < high.

    Raises
    ------
    InvalidVolumeError
        If the intensities differ, but by less than 32-bit floats can tell apart, or, where zero is kept, by so little
        at an offset from it that few such floats lie between them.
    """
    sample = evenly_spread(volume).astype(np.float64)
    lowest = volume.min()
    # Where few voxels are negative the percentile lies above zero, and the magnitude image's zero is zero all the same.
    low = 0.0 if lowest >= 0 else min(0.0, np.percentile(sample, _LOW_PERCENTILE))
    high = np.percentile(sample, _HIGH_PERCENTILE)
    if high <= low:
        high = float(volume.max())
    if high <= low:
        # More than 1 where 1 is too little to change the number.
        return float(low), float(low) + max(1.0, abs(float(low)))
    if high - low < SMALLEST_RANGE:
        message = _(
            "The volume's values lie within {distance:.1e}, closer than 32-bit floats can tell apart; multiply them."
        )
        raise InvalidVolumeError(message.format(distance=high - low))
    if low == 0:
        _check_offset(volume, lowest.item())
    return float(low), float(high)


def _check_offset(volume: np.ndarray, lowest: float) -> None:
    highest = volume.max().item()
    if volume.dtype.kind in "iu" and highest <= _LARGEST_EXACT:
        return
    if 0 < highest - lowest < _FEWEST_NUMBERS * float(np.spacing(np.float32(highest))):
        message = _(
            "The volume's values lie within {distance:.3g} at an offset of {offset:.3g}, too close together for 32-bit "
            "floats; subtract the offset first."
        )
        raise InvalidVolumeError(message.format(distance=float(highest - lowest), offset=float(lowest)))
