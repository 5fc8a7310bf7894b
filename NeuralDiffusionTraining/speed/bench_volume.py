"""The volume that is timed: a T1 head of 256 x 256 x 180 voxels with Rician noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..benchmark.head import HEAD_THRESHOLD, head_mask
from ..benchmark.volumes.evaluation import RANGE_PERCENTILE, CleanVolume
from ..benchmark.volumes.template import TEMPLATE_NAME, find_template
from ..data.corruption import rician
from ..files.image_files import read_scan

SHAPE = (180, 256, 256)
"""Slices, rows, columns."""

SIGMA = 0.09
"""Noise level relative to the intensity range."""

_SEED = 42


def clean_volume(shape: Sequence[int] = SHAPE) -> CleanVolume:
    """The T1 template that nilearn carries, or, where that is not installed, a generated head.

    Parameters
    ----------
    shape
        Slices, rows and columns: the head stands in the middle, cut or with air around it.

    Returns
    -------
    CleanVolume
        1 is the 99.9th percentile of the scan's intensities.

    Raises
    ------
    CommandError
        If the template is there and cannot be read.
    """
    path = find_template()
    if path is None:
        name, voxels = "generated head", _generated(shape)
    else:
        name, voxels = TEMPLATE_NAME, np.maximum(read_scan(path).voxels.astype(np.float32), 0)
    voxels = in_the_middle(voxels, shape) / np.float32(np.percentile(voxels, RANGE_PERCENTILE))
    return CleanVolume(name, voxels, head_mask(voxels, HEAD_THRESHOLD), (1.0, 1.0, 1.0), "")


def add_noise(clean: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """The volume with Rician noise, always the same; float32, (slices, rows, columns)."""
    return rician(clean, sigma, np.random.default_rng(_SEED)).astype(np.float32)


def in_the_middle(voxels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Cut a volume, or put zeros around it, on both sides of each axis alike."""
    for axis, wanted in enumerate(shape):
        spare = voxels.shape[axis] - wanted
        if spare > 0:
            voxels = voxels.take(range(spare // 2, spare // 2 + wanted), axis)
        elif spare < 0:
            around = [(0, 0)] * voxels.ndim
            around[axis] = (-spare // 2, -spare - -spare // 2)
            voxels = np.pad(voxels, around)
    return np.ascontiguousarray(voxels)


def _generated(shape: Sequence[int]) -> np.ndarray:
    """Nested ellipsoids: skin, skull, brain with folds, ventricles."""
    axes = np.meshgrid(*(np.linspace(-1, 1, length, dtype=np.float32) for length in shape), indexing="ij")
    radius = np.sqrt(sum((axis / size) ** 2 for axis, size in zip(axes, (0.9, 0.85, 0.7), strict=True)))
    folds = 0.06 * np.sin(14 * axes[0]) * np.sin(17 * axes[1]) * np.sin(19 * axes[2])
    head = np.zeros(tuple(shape), np.float32)
    for outer, intensity in ((1.0, 0.9), (0.94, 0.1)):
        head[radius < outer] = intensity
    for outer, intensity in ((0.86, 0.55), (0.76, 0.8), (0.25, 0.15)):
        head[radius + folds < outer] = intensity
    return head
