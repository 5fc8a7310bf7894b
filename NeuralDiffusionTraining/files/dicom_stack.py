"""The places of images or frames of DICOM: one even stack, or not one volume."""

from __future__ import annotations

import numpy as np

from .command_error import CommandError

# Largest deviation from even slices, as a share of their distance; scanners round positions to about a thousandth.
_UNEVEN = 0.02
# Largest difference between the direction cosines of images in one stack.
_TURNED = 1e-3


def are_turned(directions: np.ndarray) -> bool:
    """Whether direction cosines, (images, any number), differ from image to image."""
    return bool(np.ptp(directions, axis=0).max() > _TURNED)


def even_stack(name: str, origins: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, float]:
    """Find the order of images in a stack.

    Parameters
    ----------
    name
        What they are called in a refusal.
    origins
        Position of the first voxel of each, (images, 3), in mm; two images or more.
    normal
        Unit vector across them, (3,).

    Returns
    -------
    tuple
        The indices in the order of the positions along the normal, and the distance of neighbours in mm.

    Raises
    ------
    CommandError
        If two lie at one position, or the positions are not even or not along the normal.
    """
    order = np.argsort(origins @ normal, kind="stable")
    steps = np.diff(origins[order], axis=0)
    distance = float(np.median(steps @ normal))
    if np.any(steps @ normal <= _UNEVEN * distance):
        raise CommandError(f"{name} holds several images at one position: split it into single volumes first.")
    if np.any(np.abs(steps - distance * normal) > _UNEVEN * distance):
        raise CommandError(f"{name} is not an evenly spaced stack: slices are missing, or the stack is tilted.")
    return order, distance
