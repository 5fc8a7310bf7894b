"""The table: every method on the same noisy pixels, judged by the same code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from NeuralDiffusionLib import Denoiser, DenoiseSettings

from ..data.corruption import benchmark_corruption
from .metrics import Figures, measure

UNIT_RANGE = (0.0, 1.0)


@dataclass(frozen=True)
class Row:
    """One line of the table; `sigma_error` is the mean absolute error of the estimated noise level, if any."""

    method: str
    figures: Figures
    sigma_error: float | None = None

    def as_dict(self) -> dict[str, str | float]:
        """Flat form for JSON."""
        row: dict[str, str | float] = {"method": self.method, **asdict(self.figures)}
        if self.sigma_error is not None:
            row["sigma_error"] = self.sigma_error
        return row


def corrupt_all(clean: np.ndarray, noise: str, sigma: float | None) -> tuple[np.ndarray, np.ndarray]:
    """The benchmark's noisy version of all slices, float32, and their noise levels, (slices,)."""
    pairs = [benchmark_corruption(picture, noise, position, sigma) for position, picture in enumerate(clean)]
    return np.stack([noisy for noisy, _ in pairs]), np.array([level for _, level in pairs])


def evaluate(
    denoiser: Denoiser,
    clean: np.ndarray,
    settings: DenoiseSettings,
    sigma: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Measure the denoiser, with and without refinement, and the noisy input.

    Parameters
    ----------
    clean
        (slices, rows, columns), float32 in [0, 1].
    settings
        Noise type, iterations and neighbourhood.
    sigma
        Noise level that is added; ``None`` draws it per slice from U[0.05, 0.20]. The denoiser is not told.
    progress
        Called with the slices done and all slices of the refined run.
    """
    settings = replace(settings, intensity_range=UNIT_RANGE)
    noisy, levels = corrupt_all(clean, settings.noise, sigma)
    refined = denoiser(noisy, replace(settings, refine=True), progress)
    diffused = denoiser(noisy, replace(settings, refine=False))
    error = float(np.mean(np.abs(refined.slice_sigma - levels)))
    return [
        Row("Neural Diffusion", measure_all(refined.image, clean), error),
        Row("Neural Diffusion (no refinement)", measure_all(diffused.image, clean), error),
        Row("Noisy input", measure_all(noisy, clean)),
    ]


def measure_all(pictures: np.ndarray, clean: np.ndarray) -> Figures:
    """Mean figures over slices."""
    return Figures.mean([measure(picture, truth) for picture, truth in zip(pictures, clean, strict=True)])
