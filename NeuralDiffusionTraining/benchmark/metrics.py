"""The figures of the benchmark; one implementation for every method."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.ndimage import sobel
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


@dataclass(frozen=True)
class Figures:
    """Quality of one picture, or the mean over several.

    PSNR in dB (infinite for equal pictures), SSIM (at most 1), mean squared difference of Sobel magnitudes (0 is
    best).
    """

    psnr_db: float
    ssim: float
    edge_mse: float

    @staticmethod
    def mean(of: list[Figures]) -> Figures:
        """Mean of each figure."""
        return Figures(*(float(np.mean([getattr(one, field.name) for one in of])) for field in fields(Figures)))


def measure(picture: np.ndarray, clean: np.ndarray) -> Figures:
    """Compare a picture with the clean one.

    Parameters
    ----------
    picture
        (rows, columns); clipped to [0, 1] first.
    clean
        (rows, columns) in [0, 1], at least 11 x 11.
    """
    clean = clean.astype(np.float64)
    picture = np.clip(picture.astype(np.float64), 0, 1)
    return Figures(
        psnr_db=_psnr(picture, clean),
        # The settings of Wang et al., IEEE TIP 13, 2004: an 11 x 11 Gaussian window of sigma 1.5.
        ssim=float(
            structural_similarity(
                clean, picture, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
        ),
        edge_mse=float(np.mean((_sobel_magnitude(picture) - _sobel_magnitude(clean)) ** 2)),
    )


def _psnr(picture: np.ndarray, clean: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(clean, picture, data_range=1))


def _sobel_magnitude(picture: np.ndarray) -> np.ndarray:
    return np.hypot(sobel(picture, axis=0), sobel(picture, axis=1))
