"""Rician noise, to try a denoiser on a scan that has little of its own."""

from __future__ import annotations

import numpy as np

_SEED = 42


def add_rician_noise(clean: np.ndarray, sigma: float) -> np.ndarray:
    """Magnitude of a scan after Gaussian noise in both channels of the receiver (H. Gudbjartsson and S. Patz, 1995).

    Parameters
    ----------
    clean
        Scan without noise, any shape, in its own units.
    sigma
        Standard deviation of the noise in each channel, 0 or more, in the units of the scan.

    Returns
    -------
    np.ndarray
        float32 or float64, shape and units of the scan; the same noise for every scan of the same shape.
    """
    generator = np.random.default_rng(_SEED)
    real, imaginary = (sigma * generator.standard_normal(clean.shape, dtype=np.float32) for _ in range(2))
    return np.hypot(clean + real, imaginary)
