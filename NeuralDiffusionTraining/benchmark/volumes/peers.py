"""Classical denoisers in three dimensions, with the bias of Rician noise removed, at parameters chosen on other scans.

Each is given the true noise level, for its parameters and for the inversion of the Rice mean: ours is given none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import SimpleITK as sitk
from skimage.restoration import denoise_nl_means

from NeuralDiffusionLib.network.noise_model import PURE_TYPES

from ..peers.bias_correction import correct_bias
from ..peers.slice_noise import SliceNoise
from .methods import NoisyVolume, VolumeMethod

Parameters = Mapping[str, Any]

# The largest stable step of an explicit scheme in three dimensions is 1 / 2^(3 + 1) voxels squared.
_TIME_STEP = 0.0625
_DIFFUSION_GRID = {"conductance": (0.25, 0.5, 1.0, 2.0, 4.0), "iterations": (1, 2, 3, 5, 10)}


@dataclass(frozen=True)
class Peer:
    """A filter and the parameters that may be chosen for it.

    Attributes
    ----------
    name
        What the table calls it.
    run
        Takes the noisy volume and parameters, gives an estimate of the clean one.
    choices
        Values of each parameter that the tuning tries, in all combinations.
    package
        What must be installed for it beyond the core dependencies.
    """

    name: str
    run: Callable[[NoisyVolume, Parameters], np.ndarray]
    choices: Mapping[str, tuple] = field(default_factory=dict)
    package: str | None = None

    @property
    def installed(self) -> bool:
        """Whether it can run here."""
        return self.package is None or find_spec(self.package) is not None

    def grid(self) -> list[dict[str, Any]]:
        """All combinations of `choices`."""
        return [dict(zip(self.choices, values, strict=True)) for values in itertools.product(*self.choices.values())]

    def method(self, parameters: Callable[[float], Parameters]) -> VolumeMethod:
        """As a row of the table; `parameters` gives those for a noise level."""
        return VolumeMethod(self.name, "true", lambda noisy: (self.run(noisy, parameters(noisy.sigma)), None))


def _curvature(noisy: NoisyVolume, parameters: Parameters) -> np.ndarray:
    return _diffuse(sitk.CurvatureAnisotropicDiffusion, noisy, parameters)


def _gradient(noisy: NoisyVolume, parameters: Parameters) -> np.ndarray:
    return _diffuse(sitk.GradientAnisotropicDiffusion, noisy, parameters)


def _diffuse(diffusion: Callable[..., sitk.Image], noisy: NoisyVolume, parameters: Parameters) -> np.ndarray:
    image = sitk.GetImageFromArray(noisy.voxels)
    # ITK divides differences by the spacing; with the finest axis at 1 the time step is stable for every scan.
    finest = min(noisy.spacing)
    image.SetSpacing([length / finest for length in reversed(noisy.spacing)])
    diffused = diffusion(
        image,
        timeStep=_TIME_STEP,
        conductanceParameter=parameters["conductance"],
        conductanceScalingUpdateInterval=1,
        numberOfIterations=parameters["iterations"],
    )
    return invert_rice_mean(sitk.GetArrayFromImage(diffused), noisy.sigma)


def _non_local_means(noisy: NoisyVolume, parameters: Parameters) -> np.ndarray:
    mean = denoise_nl_means(
        noisy.voxels,
        patch_size=3,
        patch_distance=parameters["patch_distance"],
        h=parameters["strength"] * noisy.sigma,
        sigma=noisy.sigma,
        fast_mode=True,
    )
    return invert_rice_mean(mean, noisy.sigma)


def _non_local_means_rician(noisy: NoisyVolume, parameters: Parameters) -> np.ndarray:
    from dipy.denoise.nlmeans import nlmeans

    # It averages squares and subtracts 2 sigma^2, its own correction of the bias.
    return nlmeans(
        noisy.voxels.astype(np.float64),
        noisy.sigma,
        patch_radius=1,
        block_radius=parameters["block_radius"],
        rician=True,
    ).astype(np.float32)


def invert_rice_mean(mean: np.ndarray, sigma: float) -> np.ndarray:
    """The signal whose Rice mean this volume is (Koay and Basser, J. Magn. Reson. 179, 2006); float32."""
    types = np.array([name == "rician" for name in PURE_TYPES], np.float32)
    noise = SliceNoise(np.full(len(mean), sigma, np.float32), np.tile(types, (len(mean), 1)))
    return correct_bias(mean, noise)


LEAST_SLICES = 5
"""DIPY mirrors a volume at its faces by up to 4 slices, and does not notice if it has no more."""

PEERS = (
    Peer("Curvature anisotropic diffusion 3-D + inversion", _curvature, _DIFFUSION_GRID),
    Peer("Gradient anisotropic diffusion 3-D + inversion", _gradient, _DIFFUSION_GRID),
    Peer(
        "Non-local means 3-D + inversion",
        _non_local_means,
        {"strength": (0.2, 0.35, 0.5, 0.65, 0.8, 1.0), "patch_distance": (2, 3)},
    ),
    Peer("Non-local means 3-D, Rician (DIPY)", _non_local_means_rician, {"block_radius": (1, 2, 3)}, package="dipy"),
)
"""Gradient anisotropic diffusion is the filter of 3D Slicer's module of that name."""
