"""From the scanner's units to the unit range that the network was trained on."""

from __future__ import annotations

import numpy as np

from .errors import InvalidVolumeError
from .settings import LARGEST, SMALLEST_RANGE

_LOW_PERCENTILE = 0.05
_HIGH_PERCENTILE = 99.9
_ENOUGH_VOXELS = 4_000_000


def check_volume(volume: np.ndarray) -> None:
    """Refuse what cannot be denoised.

    Raises
    ------
    InvalidVolumeError
        If the array is not three-dimensional, is empty, does not hold real numbers, or holds NaN, infinity or numbers
        beyond 1e38.
    """
    if volume.ndim != 3:
        raise InvalidVolumeError(
            f"The volume has {volume.ndim} dimensions; pass a three-dimensional array (slices, rows, columns)."
        )
    if volume.size == 0:
        raise InvalidVolumeError(f"The volume has no voxels (shape {volume.shape}); pass one that is not empty.")
    if volume.dtype.kind not in "iuf":
        raise InvalidVolumeError(f"The volume holds {volume.dtype} values; pass integers or real numbers.")
    if volume.dtype.kind == "f" and not np.isfinite(volume).all():
        raise InvalidVolumeError("The volume holds NaN or infinite values; replace them before denoising.")
    if volume.dtype.kind == "f" and max(float(volume.max()), -float(volume.min())) > LARGEST:
        raise InvalidVolumeError(
            f"The volume holds values beyond {LARGEST:g}, more than 32-bit floats can carry; divide them first."
        )


def estimate_range(volume: np.ndarray) -> tuple[float, float]:
    """Intensities that count as 0 and 1.

    Percentiles over the whole volume, so that all slices share one scale and single bright voxels do not set it. A
    volume without negative values, as every magnitude image is, keeps its zero at zero.

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
        If the intensities differ, but by less than 32-bit floats can tell apart.
    """
    stride = -(-volume.size // _ENOUGH_VOXELS)
    # An odd stride does not fall into step with rows and columns of even length.
    # A volume whose axes were exchanged would be copied as a whole to be made flat.
    flat = volume.reshape(-1) if volume.flags.c_contiguous else volume.flat
    sample = flat[:: stride + (stride % 2 == 0)].astype(np.float64)
    low, high = np.percentile(sample, (_LOW_PERCENTILE, _HIGH_PERCENTILE))
    if volume.min() >= 0:
        low = 0.0
    if high <= low:
        high = float(volume.max())
    if high <= low:
        return float(low), float(low) + 1.0
    if high - low < SMALLEST_RANGE:
        raise InvalidVolumeError(
            f"The volume's values lie within {high - low:.1e}, closer than 32-bit floats can tell apart; multiply them."
        )
    return float(low), float(high)
