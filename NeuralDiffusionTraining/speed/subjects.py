"""What is timed: ours, and what a user would pick instead, each with its defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

import numpy as np
import SimpleITK as sitk
import torch
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, estimate_sigma
from torch import nn

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.classical_filters import CONDUCTANCE, ITERATIONS, TIME_STEP

from ..benchmark.methods import Method
from ..benchmark.own_methods import with_told_in_name
from ..benchmark.peers.classical import each_slice
from ..benchmark.peers.other_programs import curvature_anisotropic_diffusion
from .bench_volume import SIGMA
from .row_names import Group

_LONG = 16
_BM3D_SLICES = 4
_ANTS_SLICES = 24


@dataclass(frozen=True)
class Subject:
    """One way to remove noise.

    Attributes
    ----------
    name
        What the table calls it.
    group
        One of `row_names.Group`.
    run
        Takes (slices, rows, columns), float32 about [0, 1], and gives an image of that shape.
    device
        Where it computes.
    slices
        Number of slices that are timed, evenly spread; the time of all is extrapolated. 0 means all.
    slab
        Whether these slices lie beside each other instead, in the middle: for a filter in three dimensions.
    measured
        Whether the image means anything: not that of a network that was not trained.
    warm_up
        Number of slices on which it runs once before the clock does. 0 means all that are timed: for a method that may
        not take fewer.
    """

    name: str
    group: Group
    run: Callable[[np.ndarray], np.ndarray]
    device: str = "cpu"
    slices: int = 0
    slab: bool = False
    measured: bool = True
    warm_up: int = 2


def ours(denoiser: Denoiser, settings: DenoiseSettings) -> list[Subject]:
    """Neural Diffusion as the user runs it, without the refinement, and without the step across slices."""

    def subject(name: str, **changes: bool) -> Subject:
        changed = replace(settings, **changes)
        return Subject(name, "ours", lambda noisy: denoiser(noisy, changed).image, denoiser.device)

    return [
        subject("Neural Diffusion"),
        subject("Neural Diffusion, no refinement", refine=False),
        subject("Neural Diffusion, no step across slices", across_slices=False),
    ]


def network(name: str, module: nn.Module, device: str, measured: bool) -> Subject:
    """Any network of `NeuralDiffusionTraining.networks` in the engine of ours."""
    engine = Denoiser(device).with_network(module.to(memory_format=torch.channels_last))
    return Subject(name, "network", lambda noisy: engine(noisy).image, engine.device, measured=measured)


def own(methods: Sequence[Method]) -> list[Subject]:
    """Methods of whoever measures: each gets the whole volume in one call and, if it is told, its one noise level."""

    def subject(method: Method) -> Subject:
        return Subject(method.name, "own", lambda noisy: method.denoise(noisy, SIGMA), method.device, warm_up=0)

    return [subject(method) for method in with_told_in_name(methods)]


def classical() -> tuple[list[Subject], list[str]]:
    """The filters that are installed, and one sentence for each that is not.

    They are run as a user finds them: with their defaults, in 3-D where they are filters in 3-D, told nothing of the
    noise but what their own packages estimate, and without an inversion of the noise's bias.
    """
    subjects = [
        Subject("Gradient anisotropic diffusion, Slicer's defaults", "classical", gradient_diffusion),
        Subject(
            f"Gradient anisotropic diffusion, {_LONG} iterations",
            "classical",
            partial(gradient_diffusion, iterations=_LONG),
        ),
        Subject("Curvature anisotropic diffusion, SimpleITK's defaults", "classical", curvature_anisotropic_diffusion),
        Subject(
            f"Curvature anisotropic diffusion, {_LONG} iterations",
            "classical",
            partial(curvature_anisotropic_diffusion, iterations=_LONG),
        ),
        Subject("Non-local means (scikit-image), slice by slice", "classical", partial(each_slice, non_local_means)),
        Subject("TV (scikit-image), slice by slice", "classical", partial(each_slice, denoise_tv_chambolle)),
    ]
    skipped = []
    optional = (
        (
            "ants",
            "antspyx",
            Subject("DenoiseImage (ANTs), Rician", "classical", ants_denoise_image, slices=_ANTS_SLICES, slab=True),
        ),
        (
            "cv2",
            "opencv-python-headless",
            Subject("fastNlMeansDenoising (OpenCV)", "classical", partial(each_slice, opencv)),
        ),
        ("bm3d", "bm3d", Subject("BM3D, slice by slice", "classical", partial(each_slice, bm3d), slices=_BM3D_SLICES)),
    )
    for module, package, subject in optional:
        if find_spec(module) is None:
            skipped.append(f"{subject.name} is left out: it is not installed; pip install {package}.")
        else:
            subjects.append(subject)
    return subjects, skipped


def gradient_diffusion(noisy: np.ndarray, iterations: int = ITERATIONS) -> np.ndarray:
    """The ITK filter of Slicer's module Gradient Anisotropic Diffusion with its conductance and time step."""
    image = sitk.GetImageFromArray(noisy)
    smooth = sitk.GradientAnisotropicDiffusion(image, TIME_STEP, CONDUCTANCE, 1, iterations)
    return sitk.GetArrayFromImage(smooth)


def non_local_means(picture: np.ndarray) -> np.ndarray:
    """scikit-image's fast mode with the parameters of its own example: strength 0.8 of the level that it estimates."""
    sigma = float(estimate_sigma(picture))
    return denoise_nl_means(picture, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma, fast_mode=True)


def ants_denoise_image(noisy: np.ndarray) -> np.ndarray:
    """ANTs' DenoiseImage (Manjon et al., J. Magn. Reson. Imaging 31, 2010) with its Rician model."""
    import ants

    return ants.denoise_image(ants.from_numpy(noisy), noise_model="Rician").numpy()


def opencv(picture: np.ndarray) -> np.ndarray:
    """OpenCV's non-local means, which knows 8-bit pictures only; strength as estimated by scikit-image."""
    import cv2

    levels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    strength = 255 * float(estimate_sigma(picture))
    return cv2.fastNlMeansDenoising(levels, None, strength).astype(np.float32) / 255


def bm3d(picture: np.ndarray) -> np.ndarray:
    """BM3D (Dabov et al., IEEE TIP 16, 2007), its default profile, at the level that scikit-image estimates."""
    import bm3d as package

    # On all threads, as a user runs it: only figures have to be the same in every run.
    return package.bm3d(picture, float(estimate_sigma(picture)))
