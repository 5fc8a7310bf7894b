"""Every network that can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from NeuralDiffusionLib.network.neural_diffusion import STAGES, Architecture, NeuralDiffusionNetwork

from ..files.command_error import CommandError
from .ablated import (
    PerPixelGatesNetwork,
    with_detached_guidance,
    with_fixed_steps,
    without_context,
    without_floor,
    without_guidance,
    without_inversion,
    without_noise_level,
    without_refinement,
)
from .dncnn import DnCNN
from .original import OriginalNetwork
from .unet import PlainUNet
from .unet_control import UNetControl

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "neural-diffusion": NeuralDiffusionNetwork,
    "unet": PlainUNet,
    "unet-control": UNetControl,
    "dncnn": DnCNN,
    "original": OriginalNetwork,
    "original-trained-guidance": lambda: OriginalNetwork(trained_guidance=True),
    "no-guidance": without_guidance,
    "no-context": without_context,
    "detached-guidance": with_detached_guidance,
    "no-noise-level": without_noise_level,
    "no-refinement": without_refinement,
    "fixed-steps": with_fixed_steps,
    "per-pixel-gates": PerPixelGatesNetwork,
    "no-floor": without_floor,
    "no-inversion": without_inversion,
    "single-scale": lambda: NeuralDiffusionNetwork(Architecture(reach=(1,) * STAGES)),
    "dropout": lambda: NeuralDiffusionNetwork(Architecture(dropout=0.1)),
}
"""Each is called as `NeuralDiffusionNetwork` is and ignores the arguments that it has no use for. Those that need a
noise level own a `NoiseLevelEstimator` as `noise_level`; the others have no such attribute."""


def build_network(name: str) -> nn.Module:
    """Make a network with freshly initialised weights.

    Raises
    ------
    CommandError
        If there is no network of that name.
    """
    if name not in NETWORKS:
        raise CommandError(f"Network '{name}' does not exist: choose one of {', '.join(NETWORKS)}.")
    return NETWORKS[name]()
