"""Example slices of an openly licensed scan: denoised by ours and by classical filters, with what each took away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from NeuralDiffusionLib import Denoiser, DenoiseSettings

from ..benchmark.head import HEAD_THRESHOLD, head_mask
from ..benchmark.methods import Method
from ..benchmark.metrics import measure
from ..benchmark.peers.classical import NON_LOCAL_MEANS, PERONA_MALIK, as_published
from ..benchmark.peers.tuned import tuned
from ..benchmark.volumes.evaluation import RANGE_PERCENTILE
from ..benchmark.volumes.template import TEMPLATE_NAME, template_path
from ..data.corruption import rician
from ..files.command_error import CommandError
from ..files.image_files import read_scan
from .plots import Panel, grid_figure

SIGMA = 0.09
SEED = 42
_SMALLEST = 32
_MARGIN = 6
_COMPARED = {NON_LOCAL_MEANS: "Non-local means", PERONA_MALIK: "Perona-Malik"}
"""Filters that are shown, and what they are called above a picture."""


@dataclass(frozen=True)
class Example:
    """The grid and, in words, what it shows."""

    figure: Figure
    description: str


def example(scan: Path | None, denoiser: Denoiser, trained: Sequence[Method] = ()) -> Example:
    """Add Rician noise to the middle slice of a scan and remove it again.

    Parameters
    ----------
    scan
        Scan to take as clean; ``None`` for the T1 template that the package nilearn carries.
    denoiser
        With the weights that are shown.
    trained
        Other networks to show beside it.

    Raises
    ------
    CommandError
        If the scan cannot be read, or shows nothing.
    """
    name = TEMPLATE_NAME if scan is None else scan.name
    clean = _middle_slice(read_scan(scan or template_path()).as_acquired[0], name)
    head = head_mask(clean, HEAD_THRESHOLD)
    noisy = rician(clean, SIGMA, np.random.default_rng(SEED))
    stack, levels = noisy[None], np.full(1, np.nan)
    classical = [
        (method, _COMPARED[wanted], label)
        for label, methods in (("as published", as_published()), ("tuned", tuned("rician")))
        for wanted in _COMPARED
        for method in methods
        if method.name.startswith(wanted) and (wanted == NON_LOCAL_MEANS or label != "as published")
    ]
    pictures = []
    for method, short, label in classical:
        pictures.append((short, label, method.denoise(stack, levels)[0]))
    pictures += [(method.name, "trained here", method.denoise(stack, levels)[0]) for method in trained]
    settings = DenoiseSettings(noise="rician", intensity_range=(0.0, 1.0))
    full = denoiser(stack, settings)
    pictures.append(("Neural Diffusion", "no refinement", denoiser(stack, replace(settings, refine=False)).image[0]))
    pictures.append(("Neural Diffusion", "with refinement", full.image[0]))

    removed = (-3 * SIGMA, 3 * SIGMA)
    above = [Panel(clean, "Clean\n"), Panel(noisy, f"Noisy\n{_head_psnr(noisy, clean, head)}")]
    below = [Panel(full.conduction[0], "Conduction"), Panel(noisy - clean, "noise that was added", removed)]
    for name_of, label, picture in pictures:
        above.append(Panel(picture, f"{name_of}\n{label}, {_head_psnr(picture, clean, head)}"))
        below.append(Panel(noisy - picture, "taken away", removed))
    description = (
        f"Middle slice of {name} with Rician noise of {100 * SIGMA:g} % of the range; PSNR inside the head. Below: the "
        "conduction map, white where the equation smoothed freely, black where it held an edge; the noise that was "
        f"added (noisy minus clean); and what each method took away (noisy minus denoised), all from {removed[0]:g} "
        f"(black) to {removed[1]:g} (white). Anatomy that shows in the lower row was taken away with the noise."
    )
    return Example(grid_figure((above, below)), description)


def _middle_slice(voxels: np.ndarray, name: str) -> np.ndarray:
    """The middle slice, upright if rows run towards the front, in [0, 1], cut to the head."""
    if not np.isfinite(voxels).all():
        raise CommandError(f"Scan '{name}' holds NaN or infinite values: give another one.")
    voxels = np.maximum(voxels.astype(np.float32), 0)
    scale = float(np.percentile(voxels, RANGE_PERCENTILE))
    picture = voxels[len(voxels) // 2] / scale if scale > 0 else voxels[0]
    # Rows of NIfTI and NRRD scans run from back to front as a rule, pictures from top to bottom.
    picture = np.clip(picture[::-1], 0, 1)
    inside = head_mask(picture, HEAD_THRESHOLD)
    if not inside.any() or min(picture.shape) < _SMALLEST:
        raise CommandError(f"Scan '{name}' shows nothing in its middle slice: give another one.")
    spans = []
    for axis in (1, 0):
        covered = np.flatnonzero(inside.any(axis=axis))
        spans.append(slice(max(0, covered[0] - _MARGIN), covered[-1] + 1 + _MARGIN))
    return np.ascontiguousarray(picture[tuple(spans)])


def _head_psnr(picture: np.ndarray, clean: np.ndarray, head: np.ndarray) -> str:
    return f"{measure(picture, clean, head).psnr_head_db:.2f} dB"
