"""The training loss: (1 - SSIM) + L1 + 0.1 x gradient loss, and a term that is the PSNR itself."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from .config import LossConfig

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
_FLOOR = 1e-5


def denoising_loss(image: Tensor, clean: Tensor, weights: LossConfig) -> Tensor:
    """Loss of each slice, without the term of the PSNR.

    Parameters
    ----------
    image, clean
        (batch, 1, rows, columns) in [0, 1], at least 11 x 11.
    weights
        Weight of each term.

    Returns
    -------
    Tensor
        (batch,)
    """
    absolute = (image - clean).abs().mean(dim=(1, 2, 3))
    structure = 1 - ssim(image, clean)
    return weights.ssim * structure + weights.l1 * absolute + weights.gradient * gradient_loss(image, clean)


def logarithmic_loss(image: Tensor, clean: Tensor) -> Tensor:
    """Natural logarithm of each slice's mean squared error: minus its PSNR, 1 for 4.3 dB; (batch,).

    A floor of 1e-5 (50 dB) keeps slices without noise from outweighing all others.
    """
    return torch.log((image - clean).square().mean(dim=(1, 2, 3)) + _FLOOR)


def gradient_loss(image: Tensor, clean: Tensor) -> Tensor:
    """Mean squared difference of forward differences along rows and columns, summed over the two; (batch,)."""
    error = image - clean
    return sum(error.diff(dim=axis).square().mean(dim=(1, 2, 3)) for axis in (-2, -1))


def ssim(image: Tensor, clean: Tensor) -> Tensor:
    """Mean structural similarity of each slice, for data in [0, 1].

    Gaussian window of 11 x 11 and sigma 1.5, constants 0.01 and 0.03 (Wang et al., IEEE TIP 13, 2004), over the
    windows that lie inside the slice. The window is separable, so each blur is two products with a banded matrix:
    on a CPU the gradient takes a tenth of the time that a library's convolution needs. Metrics use scikit-image.

    Returns
    -------
    Tensor
        (batch,)
    """
    pair = torch.cat([image, clean], dim=1)
    moments = torch.cat([pair, pair.square(), pair[:, :1] * pair[:, 1:]], dim=1)
    down = _window_matrix(image.shape[-2]).to(image)
    right = _window_matrix(image.shape[-1]).to(image)
    with torch.autocast(image.device.type, enabled=False):
        mean_a, mean_b, square_a, square_b, product = (down @ moments.float() @ right.T).unbind(dim=1)
    luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a.square() + mean_b.square() + 0.01**2)
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    structure = (2 * (product - mean_a * mean_b) + 0.03**2) / (variances + 0.03**2)
    return (luminance * structure).mean(dim=(1, 2))


@lru_cache(maxsize=8)
def _window_matrix(length: int) -> Tensor:
    """(length - 10, length): row i holds the Gaussian window at pixel i."""
    offsets = torch.arange(SSIM_WINDOW, dtype=torch.float64) - SSIM_WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * SSIM_SIGMA**2))
    window = (window / window.sum()).float()
    matrix = torch.zeros(length - SSIM_WINDOW + 1, length)
    for row in range(len(matrix)):
        matrix[row, row : row + SSIM_WINDOW] = window
    return matrix
