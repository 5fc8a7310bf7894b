"""Variance stabilisation: slices whose noise looks white and Gaussian to a method that was made for such noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.integrate import cumulative_trapezoid
from scipy.special import ive

from .bias_correction import correct_bias
from .slice_noise import SliceNoise

_LARGEST_SIGNAL = 24.0
_SIGNAL_STEP = 0.03
_LARGEST_MAGNITUDE = 32.0
_MAGNITUDE_STEP = 0.01
_LEAST_SIGMA = 1e-3
_LOG_OFFSET = 0.03


@dataclass(frozen=True)
class Stabilised:
    """A slice with noise of equal strength everywhere.

    Attributes
    ----------
    picture
        (rows, columns), float32, about [0, 1].
    sigma
        Standard deviation of its noise.
    restore
        Turns the smoothed picture into the signal, free of bias.
    """

    picture: np.ndarray
    sigma: float
    restore: Callable[[np.ndarray], np.ndarray]


def stabilise(picture: np.ndarray, sigma: float, noise: str) -> Stabilised:
    """Prepare a slice for a method that removes white Gaussian noise.

    Parameters
    ----------
    picture
        (rows, columns), float32 in [0, 1].
    sigma
        Noise level; below 0.001 it counts as 0.001.
    noise
        ``"rician"``: `RicianTransform`; ``"gaussian"``: as it is, the bias of the values cut off at zero inverted
        afterwards; ``"speckle"``: logarithm.

    Raises
    ------
    ValueError
        If the noise type is another one.
    """
    sigma = max(float(sigma), _LEAST_SIGMA)
    if noise == "rician":
        return _rician(picture, sigma)
    if noise == "gaussian":
        return _gaussian(picture, sigma)
    if noise == "speckle":
        return _speckle(picture, sigma)
    raise ValueError(f"Noise type {noise!r} is not known: choose gaussian, rician or speckle.")


class RicianTransform:
    """Transform of a Rician variable of unit sigma to one of nearly unit variance, and its exact unbiased inverse.

    The slope of the transform is the reciprocal of the standard deviation at the signal whose mean the magnitude is;
    that brings the standard deviation to between 0.88 (in air) and 1.07, and to 1 within 0.01 for signals above 4.
    Far out it goes on as sqrt(z^2 - 1/2), which stabilises Rician data there. The inverse maps the *mean* of the
    transformed variable to the signal, so it takes the Rice bias away too.

    Notes
    -----
    The aims are those of A. Foi, "Noise estimation and removal in MR imaging: the variance-stabilization approach",
    IEEE ISBI 2011; the transform is the first-order one, tabulated. One that is corrected until the standard
    deviation is 1 everywhere bends sharply in the air, where a denoiser may take the bend for an edge.
    """

    def __init__(self) -> None:
        signals = np.arange(0, _LARGEST_SIGNAL, _SIGNAL_STEP)
        self._magnitudes = np.arange(0, _LARGEST_MAGNITUDE, _MAGNITUDE_STEP)
        chances = _rice_probabilities(self._magnitudes, signals)
        means, deviations = _moments(chances, self._magnitudes)
        slope = 1 / np.interp(self._magnitudes, means, deviations)
        self._values = cumulative_trapezoid(slope, self._magnitudes, initial=0)
        # The last magnitudes are beyond the means of all signals, so the tables end before.
        self._last = int(np.searchsorted(self._magnitudes, means[-1]))
        self._offset = self._values[self._last] - math.sqrt(self._magnitudes[self._last] ** 2 - 0.5)
        self._means, self._signals = _moments(chances, self._values)[0], signals

    def forward(self, magnitudes: np.ndarray) -> np.ndarray:
        """Stabilise magnitudes in units of sigma, 0 or more, any shape."""
        far = self._offset + np.sqrt(np.maximum(magnitudes**2 - 0.5, 0))
        near = np.interp(magnitudes, self._magnitudes, self._values)
        return np.where(magnitudes > self._magnitudes[self._last], far, near)

    def inverse(self, means: np.ndarray) -> np.ndarray:
        """Signal, in units of sigma, whose stabilised magnitudes have these means, any shape."""
        # For large signals the mean of sqrt(z^2 - 1/2) is sqrt(signal^2 + 1/2) to second order in 1 / signal.
        far = np.sqrt(np.maximum((means - self._offset) ** 2 - 0.5, 0))
        return np.where(means > self._means[-1], far, np.interp(means, self._means, self._signals))


@cache
def rician_transform() -> RicianTransform:
    """The transform, tabulated once."""
    return RicianTransform()


def _rician(picture: np.ndarray, sigma: float) -> Stabilised:
    transform = rician_transform()
    top = float(transform.forward(np.array(1 / sigma)))

    def restore(smooth: np.ndarray) -> np.ndarray:
        return (sigma * transform.inverse(smooth.astype(np.float64) * top)).astype(np.float32)

    return Stabilised((transform.forward(picture / sigma) / top).astype(np.float32), 1 / top, restore)


def _gaussian(picture: np.ndarray, sigma: float) -> Stabilised:
    estimate = SliceNoise(np.array([sigma], np.float32), np.array([[1, 0, 0]], np.float32))
    return Stabilised(picture, sigma, lambda smooth: correct_bias(smooth[None], estimate)[0])


def _speckle(picture: np.ndarray, sigma: float) -> Stabilised:
    # The offset keeps dark pixels, which have little noise, from being stretched without end.
    span = math.log((1 + _LOG_OFFSET) / _LOG_OFFSET)

    def restore(smooth: np.ndarray) -> np.ndarray:
        logarithm = smooth.astype(np.float64) * span + math.log(_LOG_OFFSET)
        signal = np.maximum(np.exp(logarithm) - _LOG_OFFSET, 0)
        # The mean of the logarithm lies below the logarithm of the mean by half the relative variance.
        relative = sigma * signal / (signal + _LOG_OFFSET)
        return np.maximum(np.exp(logarithm + relative**2 / 2) - _LOG_OFFSET, 0).astype(np.float32)

    logarithm = np.log(picture + _LOG_OFFSET) - math.log(_LOG_OFFSET)
    return Stabilised((logarithm / span).astype(np.float32), sigma / span, restore)


def _rice_probabilities(magnitudes: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """Chances of the magnitudes for each signal, (signals, magnitudes), rows that add up to 1."""
    product = signals[:, None] * magnitudes
    chances = magnitudes * np.exp(-((magnitudes - signals[:, None]) ** 2) / 2) * ive(0, product)
    return chances / chances.sum(axis=1, keepdims=True)


def _moments(chances: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of `values` under each row of chances."""
    mean = chances @ values
    return mean, np.sqrt(np.maximum(chances @ values**2 - mean**2, 0))
