"""The figures of the benchmark; one implementation for every method."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields

import numpy as np
from scipy.ndimage import gaussian_laplace, sobel
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from .head import head_mask

_EQUAL_MSE = 2.0**-48
"""Below float32's own rounding at 1 (144 dB) pictures count as equal: what is left there would only blow up a mean."""

WANG = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
"""Options of `structural_similarity` for the SSIM of Wang et al., IEEE TIP 13, 2004: 11 x 11 Gaussian window."""

_LOG_SIGMA = 1.5
_LOG_RADIUS = 7


@dataclass(frozen=True)
class Figures:
    """Quality of one picture.

    Attributes
    ----------
    psnr_db
        Peak signal-to-noise ratio of the whole picture in dB, range 1; infinite for equal pictures
        (to the precision of float32).
    psnr_head_db, psnr_background_db
        The same over the pixels inside and outside the head; NaN where there are none.
    ssim
        Structural similarity, at most 1.
    edge_mse
        Mean squared difference of Sobel magnitudes; 0 is best.
    hfen
        High-frequency error norm relative to the clean picture; 0 is best, NaN if the clean picture is constant.
    """

    psnr_db: float
    psnr_head_db: float
    psnr_background_db: float
    ssim: float
    edge_mse: float
    hfen: float


FIGURES = tuple(field.name for field in fields(Figures))
"""Names of the figures, in the order of the columns of `measure_all`."""


def measure(picture: np.ndarray, clean: np.ndarray, head: np.ndarray | None = None) -> Figures:
    """Compare a picture with the clean one.

    Parameters
    ----------
    picture
        (rows, columns); clipped to [0, 1] first.
    clean
        (rows, columns) in [0, 1], at least 11 x 11.
    head
        Boolean, (rows, columns); found in `clean` by `head_mask` if left out. The rest is the background.

    Notes
    -----
    SSIM has the settings `WANG`. HFEN is the norm
    of the difference of the pictures' Laplacians of Gaussians (sigma 1.5, 15 x 15 kernel) over the norm of the clean
    one's, Ravishankar and Bresler, IEEE TMI 30, 2011.
    """
    clean = clean.astype(np.float64)
    picture = np.clip(picture.astype(np.float64), 0, 1)
    head = head_mask(clean) if head is None else head
    return Figures(
        psnr_db=_psnr(picture, clean),
        psnr_head_db=_psnr(picture[head], clean[head]),
        psnr_background_db=_psnr(picture[~head], clean[~head]),
        ssim=float(structural_similarity(clean, picture, **WANG)),
        edge_mse=float(np.mean(np.square(_sobel_magnitude(picture) - _sobel_magnitude(clean)))),
        hfen=_hfen(picture, clean),
    )


def measure_all(pictures: np.ndarray, clean: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """`measure` for each of (slices, rows, columns); returns (slices, figures) in the order of `FIGURES`."""
    with ThreadPoolExecutor() as pool:
        return np.array([astuple(figures) for figures in pool.map(measure, pictures, clean, heads)])


def head_masks(clean: np.ndarray) -> np.ndarray:
    """`head_mask` of each slice of (slices, rows, columns) in [0, 1]."""
    return np.stack([head_mask(picture) for picture in clean])


def _psnr(picture: np.ndarray, clean: np.ndarray) -> float:
    if clean.size == 0:
        return math.nan
    equal = mean_squared_error(clean, picture) < _EQUAL_MSE
    return math.inf if equal else float(peak_signal_noise_ratio(clean, picture, data_range=1))


def _sobel_magnitude(picture: np.ndarray) -> np.ndarray:
    return np.hypot(sobel(picture, axis=0), sobel(picture, axis=1))


def _hfen(picture: np.ndarray, clean: np.ndarray) -> float:
    if clean.min() == clean.max():
        return float("nan")
    # The filter is linear: one pass over the difference instead of one over each picture.
    error, reference = (gaussian_laplace(one, _LOG_SIGMA, radius=_LOG_RADIUS) for one in (picture - clean, clean))
    return float(np.linalg.norm(error) / np.linalg.norm(reference))
