"""The classical rows of the original project, exactly as it ran them: fixed parameters, bias kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter
from skimage.restoration import denoise_bilateral, denoise_nl_means, denoise_tv_chambolle, denoise_wavelet

from ..methods import PUBLISHED_GROUP, Method

NON_LOCAL_MEANS = "Non-local means"
PERONA_MALIK = "Classical Perona-Malik"
"""Names of two filters, as published and tuned, that the example of the report shows."""

_STEPS = 16
_STEP_SIZE = 0.05
_KAPPA = 0.1
_MAD_OF_UNIT_NORMAL = 0.6745
_LEAST_SIGMA = 1e-3


def as_published() -> list[Method]:
    """The eight classical filters of the original's table, in its order.

    None of them is told anything about the noise; non-local means and wavelets estimate its level themselves, about
    20 % too low (see `published_noise_level`). Perona-Malik and curvature flow wrap round at the border, as they did
    there.
    """
    return [
        _row("Gaussian smoothing", lambda picture: gaussian_filter(picture, 1)),
        _row("Median", lambda picture: median_filter(picture, 3)),
        _row("Bilateral", lambda picture: denoise_bilateral(picture, sigma_color=0.08, sigma_spatial=3)),
        _row(NON_LOCAL_MEANS, _non_local_means, published_noise_level),
        _row("Wavelet", _wavelet, published_noise_level),
        _row("TV (Chambolle)", lambda picture: denoise_tv_chambolle(picture, weight=0.1)),
        _row("Curvature flow", curvature_flow),
        _row(PERONA_MALIK, perona_malik),
    ]


def published_noise_level(picture: np.ndarray) -> float:
    """The original's estimate: scaled median absolute deviation of what a Gaussian of width 1 removes.

    The Gaussian leaves part of the noise in the smooth picture, so the estimate is too low. It is at least 0.001.

    Parameters
    ----------
    picture
        (rows, columns).
    """
    removed = picture - gaussian_filter(picture, 1)
    return max(float(np.median(np.abs(removed - np.median(removed))) / _MAD_OF_UNIT_NORMAL), _LEAST_SIGMA)


def perona_malik(picture: np.ndarray) -> np.ndarray:
    """16 steps of 0.05 of Perona and Malik's equation (IEEE TPAMI 12, 1990), c = 1 / (1 + (d / 0.1)^2), 4 neighbours.

    As in the original, the picture is continued periodically, so opposite borders exchange intensity.

    Parameters
    ----------
    picture
        (rows, columns).
    """
    for _ in range(_STEPS):
        flow = np.zeros_like(picture)
        for axis in (0, 1):
            for shift in (1, -1):
                difference = np.roll(picture, shift, axis) - picture
                flow += difference / (1 + (difference / _KAPPA) ** 2)
        picture = picture + _STEP_SIZE * flow
    return picture


def curvature_flow(picture: np.ndarray) -> np.ndarray:
    """16 steps of 0.05 of mean curvature flow, |grad u| div(grad u / |grad u|) in central differences.

    As in the original, the picture is continued periodically, so opposite borders exchange intensity, and clipped to
    [0, 1] after each step.

    Parameters
    ----------
    picture
        (rows, columns).

    Notes
    -----
    Alvarez, Lions and Morel, SIAM J. Numer. Anal. 29, 1992.
    """
    for _ in range(_STEPS):
        down, up = np.roll(picture, -1, 0), np.roll(picture, 1, 0)
        right, left = np.roll(picture, -1, 1), np.roll(picture, 1, 1)
        along_rows, along_columns = (down - up) / 2, (right - left) / 2
        second_rows, second_columns = down - 2 * picture + up, right - 2 * picture + left
        crossed = (np.roll(down - up, -1, 1) - np.roll(down - up, 1, 1)) / 4
        numerator = (
            second_columns * along_rows**2 - 2 * along_rows * along_columns * crossed + second_rows * along_columns**2
        )
        # A flat pixel has no curvature: the small number only keeps 0 / 0 away.
        picture = picture + _STEP_SIZE * numerator / (along_rows**2 + along_columns**2 + 1e-6)
        picture = np.clip(picture, 0, 1)
    return picture


def each_slice(function: Callable[..., np.ndarray], noisy: np.ndarray, *per_slice: np.ndarray) -> np.ndarray:
    """Apply a function of one slice, and of its own entry of every further array, to all; float32."""
    return np.stack([np.asarray(function(*one), np.float32) for one in zip(noisy, *per_slice, strict=True)])


def _row(
    name: str,
    function: Callable[[np.ndarray], np.ndarray],
    level: Callable[[np.ndarray], float] | None = None,
) -> Method:
    estimate = None if level is None else (lambda noisy: np.array([level(picture) for picture in noisy]))
    return Method(
        f"{name} (as published)",
        PUBLISHED_GROUP,
        "none" if level is None else "estimated",
        lambda noisy, _: each_slice(function, noisy),
        estimate=estimate,
    )


def _non_local_means(picture: np.ndarray) -> np.ndarray:
    sigma = published_noise_level(picture)
    return denoise_nl_means(picture, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True)


def _wavelet(picture: np.ndarray) -> np.ndarray:
    sigma = published_noise_level(picture)
    return denoise_wavelet(picture, sigma=sigma, method="BayesShrink", mode="soft", rescale_sigma=True)
