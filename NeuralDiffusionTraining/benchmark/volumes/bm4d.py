"""BM4D with variance stabilisation, if its package is installed (non-commercial: never a dependency)."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from ...files.command_error import CommandError
from ..peers.stabilisation import stabilise
from .methods import NoisyVolume, VolumeMethod

NAME = "BM4D + variance stabilisation"


def bm4d() -> VolumeMethod:
    """M. Maggioni, V. Katkovnik, K. Egiazarian, A. Foi, IEEE Trans. Image Processing 22, 2013; default profile.

    Raises
    ------
    CommandError
        If the package bm4d is not installed.
    """
    if find_spec("bm4d") is None:
        raise CommandError("BM4D needs the package bm4d, which is not there: install it, or leave out --bm4d.")
    return VolumeMethod(NAME, "true", lambda noisy: (_denoise(noisy), None))


def _denoise(noisy: NoisyVolume) -> np.ndarray:
    import bm4d as package

    stable = stabilise(noisy.voxels, noisy.sigma, "rician")
    return stable.restore(package.bm4d(stable.picture, stable.sigma))
