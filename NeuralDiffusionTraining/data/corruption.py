"""The noise of the benchmark: slices in [0, 1], result clipped to [0, 1]."""

from __future__ import annotations

import numpy as np

from NeuralDiffusionLib.network.noise_model import PURE_TYPES

BENCHMARK_SIGMAS = (0.05, 0.20)
"""Lowest and highest noise level that is drawn where none is given."""

_TEST_SEED = 42


def level_in_words(sigma: float | None) -> str:
    """A noise level as titles name it: "sigma 0.1", or "sigma 0.05-0.20" for ``None``, where it was drawn."""
    low, high = BENCHMARK_SIGMAS
    return f"sigma {low:.2f}-{high:.2f}" if sigma is None else f"sigma {sigma:g}"


def corrupt(clean: np.ndarray, noise: str, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Add noise to a slice.

    Parameters
    ----------
    clean
        (rows, columns) in [0, 1].
    noise
        ``"gaussian"``: x + s n; ``"rician"``: sqrt((x + s n1)^2 + (s n2)^2); ``"speckle"``: x + x s n.
    sigma
        Noise level s, 0 or more.
    generator
        Source of the standard normal numbers n.

    Returns
    -------
    np.ndarray
        float32, clipped to [0, 1].

    Raises
    ------
    ValueError
        If the noise type is not known.
    """
    if noise == "rician":
        noisy = rician(clean, sigma, generator)
    elif noise == "gaussian":
        noisy = clean + _normal(clean.shape, sigma, generator)
    elif noise == "speckle":
        noisy = clean * (1 + _normal(clean.shape, sigma, generator))
    else:
        raise ValueError(f"Noise type {noise!r} is not known: choose one of {', '.join(PURE_TYPES)}.")
    return np.clip(noisy, 0, 1).astype(np.float32)


def rician(clean: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Magnitude noise in the units of `clean`, any shape, not clipped."""
    real, imaginary = _normal(clean.shape, sigma, generator), _normal(clean.shape, sigma, generator)
    return np.hypot(clean + real, imaginary)


def benchmark_corruption(
    clean: np.ndarray, noise: str, position: int, sigma: float | None = None, draw: int = 0
) -> tuple[np.ndarray, float]:
    """Noisy version of a slice of the benchmark, the same for every method on every machine.

    Parameters
    ----------
    clean
        (rows, columns) in [0, 1].
    noise
        A noise type, or ``"mixed"`` for one of the three drawn per slice.
    position
        Place of the slice in its split's list: the generator is seeded from (42, position).
    sigma
        Noise level; ``None`` draws it from U[0.05, 0.20].
    draw
        0 is the benchmark's; others, seeded from (42, position, draw), tell how much depends on the draw.

    Returns
    -------
    tuple
        Noisy slice, float32 in [0, 1], and its noise level.
    """
    generator = np.random.default_rng((_TEST_SEED, position, draw) if draw else (_TEST_SEED, position))
    drawn = float(generator.uniform(*BENCHMARK_SIGMAS))
    level = drawn if sigma is None else sigma
    kind = PURE_TYPES[int(generator.integers(len(PURE_TYPES)))] if noise == "mixed" else noise
    return corrupt(clean, kind, level, generator), level


def _normal(shape: tuple[int, ...], sigma: float, generator: np.random.Generator) -> np.ndarray:
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(sigma)
