"""One network on one device: numpy slices in, numpy pictures out, as the volume engine computes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.engine.devices import batch_size, precision_on
from NeuralDiffusionLib.engine.slice_run import within_extremes


@dataclass(frozen=True)
class Pictures:
    """The result, the same without refinement, both (slices, rows, columns), and the noise levels used, (slices,)."""

    image: np.ndarray
    diffused: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True)
class NetworkPass:
    """Runs any network of `NeuralDiffusionTraining.networks` on slices in [0, 1].

    Parameters
    ----------
    network
        In evaluation mode, on `device`.
    device
        Where it is.
    precision
        ``"fast"`` computes convolutions in bfloat16 where that is faster, ``"float32"`` never does.
    """

    network: nn.Module
    device: torch.device
    precision: str = "fast"

    @torch.inference_mode()
    def __call__(self, noisy: np.ndarray, settings: DenoiseSettings) -> Pictures:
        """Denoise (slices, rows, columns) float32 blindly; of the settings, intensity range and sigma do not count."""
        parts = []
        batch = batch_size(self.device, noisy[0].size)
        for first in range(0, len(noisy), batch):
            inputs = torch.from_numpy(np.ascontiguousarray(noisy[first : first + batch], np.float32))
            inputs = inputs.unsqueeze(1).to(self.device)
            with precision_on(self.device, self.precision):
                output = self.network(
                    inputs,
                    settings.noise,
                    iterations=settings.iterations,
                    neighbours=settings.neighbours,
                    refine=settings.refine,
                )
            images = [within_extremes(image, inputs)[:, 0] for image in (output.image, output.diffused)]
            parts.append([one.float().cpu().numpy() for one in (*images, output.sigma)])
        return Pictures(*(np.concatenate(one) for one in zip(*parts, strict=True)))
