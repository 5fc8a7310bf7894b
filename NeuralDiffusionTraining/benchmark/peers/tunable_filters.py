"""The classical filters with parameters that follow the noise level, and the values that may be tried for each.

A length or diffusion time that follows the noise level is `at_tenth * (sigma / 0.1) ** power`; a power of 0 leaves it
fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter, median_filter
from skimage.restoration import (
    cycle_spin,
    denoise_bilateral,
    denoise_nl_means,
    denoise_tv_chambolle,
    denoise_wavelet,
)

from .classical import NON_LOCAL_MEANS, PERONA_MALIK

Parameters = dict[str, float | int | str]

_REFERENCE_SIGMA = 0.1
_LEAST_SIGMA = 1e-4
_CURVATURE_FLOW_STEP = 0.0625
_ANISOTROPIC_STEP = 0.125
_PERONA_MALIK_STEP = 0.2
_MAX_STEPS = 200


@dataclass(frozen=True)
class TunableFilter:
    """A filter and its grid.

    Attributes
    ----------
    apply
        Takes a slice, (rows, columns), float32 in [0, 1], its noise level and the parameters; returns the slice
        smoothed, bias kept.
    grid
        Values of each parameter; numbers in rising order.
    natural_ends
        (parameter, value) at the end of a grid beyond which no value makes sense, such as a power of 0.
    """

    apply: Callable[..., np.ndarray]
    grid: dict[str, tuple[float | int | str, ...]]
    natural_ends: frozenset[tuple[str, float | int]] = field(default=frozenset())

    def __call__(self, picture: np.ndarray, sigma: float, parameters: Parameters) -> np.ndarray:
        """Smooth one slice; a level of nearly 0 counts as 0.0001."""
        return self.apply(picture, max(float(sigma), _LEAST_SIGMA), **parameters)


def gaussian(picture: np.ndarray, sigma: float, width: float, power: float) -> np.ndarray:
    """Gaussian of a width in pixels that follows the noise level."""
    return gaussian_filter(picture, _scaled(width, sigma, power), mode="nearest")


def median(picture: np.ndarray, sigma: float, size: int) -> np.ndarray:
    """Median over size x size pixels."""
    return median_filter(picture, size, mode="nearest")


def bilateral(picture: np.ndarray, sigma: float, colour: float, width: float) -> np.ndarray:
    """Bilateral filter; intensities within `colour` noise levels, pixels within `width` count as near."""
    return denoise_bilateral(picture, sigma_color=colour * sigma, sigma_spatial=width, mode="edge")


def non_local_means(
    picture: np.ndarray, sigma: float, strength: float, patch: int, distance: int, subtract: int
) -> np.ndarray:
    """Non-local means; h = strength x sigma, with the noise variance subtracted from patch distances if asked for."""
    return denoise_nl_means(
        picture, patch_size=patch, patch_distance=distance, h=strength * sigma, sigma=subtract * sigma, fast_mode=True
    )


def wavelet(picture: np.ndarray, sigma: float, strength: float, basis: str, mode: str, shifts: int) -> np.ndarray:
    """BayesShrink for noise of strength x sigma, averaged over shifts of 0 to `shifts` pixels along both axes."""
    options = {
        "sigma": strength * sigma,
        "wavelet": basis,
        "method": "BayesShrink",
        "mode": mode,
        "rescale_sigma": True,
    }
    return cycle_spin(picture, denoise_wavelet, max_shifts=shifts, func_kw=options, num_workers=1)


def total_variation(picture: np.ndarray, sigma: float, weight: float) -> np.ndarray:
    """Chambolle's total variation; weight in noise levels."""
    return denoise_tv_chambolle(picture, weight=weight * sigma)


def curvature_flow(picture: np.ndarray, sigma: float, time: float, power: float) -> np.ndarray:
    """ITK's curvature flow, no flow across the border, for a time that follows the noise level."""
    steps = _steps(_scaled(time, sigma, power), _CURVATURE_FLOW_STEP)
    return _itk(picture, lambda image: sitk.CurvatureFlow(image, _CURVATURE_FLOW_STEP, steps))


def perona_malik(picture: np.ndarray, sigma: float, kappa: float, steps: int) -> np.ndarray:
    """Perona and Malik's equation, c = 1 / (1 + (d / (kappa sigma))^2), 4 neighbours, no flow across the border."""
    edge = kappa * sigma
    for _ in range(steps):
        flow = np.zeros_like(picture)
        for axis in (0, 1):
            difference = np.diff(picture, axis=axis)
            flux = difference / (1 + (difference / edge) ** 2)
            before, after = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
            before[axis], after[axis] = (0, 1), (1, 0)
            flow += np.pad(flux, before) - np.pad(flux, after)
        picture = picture + _PERONA_MALIK_STEP * flow
    return picture


def gradient_anisotropic(
    picture: np.ndarray, sigma: float, conductance: float, time: float, power: float
) -> np.ndarray:
    """ITK's gradient anisotropic diffusion, which is Slicer's too, for a time that follows the noise level."""
    steps = _steps(_scaled(time, sigma, power), _ANISOTROPIC_STEP)
    return _itk(
        picture, lambda image: sitk.GradientAnisotropicDiffusion(image, _ANISOTROPIC_STEP, conductance, 1, steps)
    )


def curvature_anisotropic(
    picture: np.ndarray, sigma: float, conductance: float, time: float, power: float
) -> np.ndarray:
    """ITK's curvature anisotropic diffusion, for a time that follows the noise level."""
    steps = _steps(_scaled(time, sigma, power), _ANISOTROPIC_STEP)
    return _itk(
        picture, lambda image: sitk.CurvatureAnisotropicDiffusion(image, _ANISOTROPIC_STEP, conductance, 1, steps)
    )


def _scaled(at_tenth: float, sigma: float, power: float) -> float:
    return at_tenth * (sigma / _REFERENCE_SIGMA) ** power


def _steps(time: float, step: float) -> int:
    return min(round(time / step), _MAX_STEPS)


def _itk(picture: np.ndarray, function: Callable[[sitk.Image], sitk.Image]) -> np.ndarray:
    image = sitk.GetImageFromArray(np.ascontiguousarray(picture, np.float32))
    return sitk.GetArrayFromImage(function(image))


_POWERS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
_FIXED = frozenset({("power", 0.0)})
_TIMES = (0.03125, 0.0625, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
_CONDUCTANCES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_ANISOTROPIC_GRID = {"conductance": _CONDUCTANCES, "time": _TIMES, "power": _POWERS}

FILTERS: dict[str, TunableFilter] = {
    "Gaussian smoothing": TunableFilter(
        gaussian, {"width": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2), "power": _POWERS}, _FIXED
    ),
    "Median": TunableFilter(median, {"size": (1, 3, 5, 7)}, frozenset({("size", 1)})),
    "Bilateral": TunableFilter(
        bilateral,
        {
            "colour": (0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0),
            "width": (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0),
        },
    ),
    NON_LOCAL_MEANS: TunableFilter(
        non_local_means,
        {
            "strength": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
            "patch": (1, 3, 5, 7, 9),
            "distance": (1, 2, 3, 4, 6, 8, 10, 12),
            "subtract": (0, 1),
        },
        frozenset({("distance", 1), ("subtract", 0), ("subtract", 1)}),
    ),
    "Wavelet": TunableFilter(
        wavelet,
        {
            "strength": (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0),
            "basis": ("haar", "db2", "sym4", "coif1"),
            "mode": ("soft", "hard"),
            "shifts": (0, 1, 3),
        },
        # Averaging over still more shifts changes next to nothing.
        frozenset({("shifts", 0), ("shifts", 3)}),
    ),
    "TV (Chambolle)": TunableFilter(
        total_variation, {"weight": (0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.6, 0.75, 1.0, 1.25, 1.5, 2.0)}
    ),
    "Curvature flow": TunableFilter(curvature_flow, {"time": _TIMES, "power": _POWERS}, _FIXED),
    PERONA_MALIK: TunableFilter(
        perona_malik,
        {
            "kappa": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0),
            "steps": (1, 2, 3, 5, 7, 10, 12, 15, 20, 25, 30, 40),
        },
        frozenset({("steps", 1)}),
    ),
    "Gradient anisotropic diffusion": TunableFilter(gradient_anisotropic, _ANISOTROPIC_GRID, _FIXED),
    "Curvature anisotropic diffusion": TunableFilter(curvature_anisotropic, _ANISOTROPIC_GRID, _FIXED),
}
"""Filters by the names of their rows."""
