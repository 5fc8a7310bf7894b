"""Voxels in another scalar type: clipped to what it holds, never wrapped or infinite, and rounded to whole numbers."""

from __future__ import annotations

import numpy as np


def check_scalar_type(scalar_type: np.dtype | type) -> None:
    """Refuse a type that holds no real numbers.

    Raises
    ------
    ValueError
        If it is neither of integers nor of floats.
    """
    if np.dtype(scalar_type).kind not in "iuf":
        raise ValueError(
            f"Scalar type {np.dtype(scalar_type)} is not possible: choose one of integers or real numbers."
        )


def cast_into(stored: np.ndarray, values: np.ndarray) -> None:
    """Write real values into an array of the same shape and any scalar type; both have one axis or more."""
    if stored.dtype.kind not in "iu":
        if stored.dtype.kind == "f" and not np.can_cast(values.dtype, stored.dtype):
            limits = np.finfo(stored.dtype)
            for index, part in enumerate(values):
                stored[index] = np.clip(part, limits.min, limits.max)
        else:
            stored[...] = values
        return
    limits = np.iinfo(stored.dtype)
    # The largest 64-bit numbers have no float64 of their own: clip to the nearest below, or the cast would wrap.
    highest = float(limits.max) if limits.bits < 64 else np.nextafter(float(limits.max), 0)
    # One slice at a time: a large volume in double precision may not fit into the memory.
    for index, part in enumerate(values):
        stored[index] = np.clip(np.rint(np.asarray(part, np.float64)), limits.min, highest)


def exact_float(scalar_type: np.dtype) -> type[np.floating]:
    """The shorter kind of float that tells the numbers of a scalar type apart, float64 for 64-bit integers, too."""
    return np.float32 if np.can_cast(scalar_type, np.float32) else np.float64


def cast_to(values: np.ndarray, scalar_type: np.dtype) -> np.ndarray:
    """Real values in another scalar type; the same array if they have it already."""
    if values.dtype == scalar_type:
        return values
    stored = np.empty(values.shape, scalar_type)
    cast_into(stored, values)
    return stored
