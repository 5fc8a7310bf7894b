"""Training on noisy scans alone, for those that have no clean counterpart.

Some pixels are hidden from the network, which must predict them from their surroundings; since noise cannot be
predicted, what it learns is the signal (A. Krull et al., Noise2Void, CVPR 2019). The measured pixel is compared with
the *expectation* of the noise model at the predicted signal, not with the signal, so that the bias of magnitude
images is not learned.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from NeuralDiffusionLib.engine.intensity import estimate_range
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork
from NeuralDiffusionLib.network.noise_level import noise_of
from NeuralDiffusionLib.network.noise_model import PURE_TYPES, clipped_gaussian_mean, rice_mean

from .config import OptimiserConfig
from .divergence import DivergenceStop
from .interrupts import interruptible
from .optimisers import make_optimiser
from .progress import RunProgress, silence_lightning

_CROP = 96
_HIDDEN_SHARE = 0.03
_WINDOW = 5


@dataclass(frozen=True)
class BlindSpotOptions:
    """Options of `neural-diffusion adapt`; see its help."""

    noise: str = "rician"
    steps: int = 400
    batch_size: int = 8
    learning_rate: float = 3e-4
    seed: int = 0


class NoisyCrops(Dataset):
    """Crops of noisy slices, each with some pixels replaced by a neighbour; crop i is the same in every run.

    The neighbour is drawn evenly from the 24 of a window of 5 x 5 pixels.

    Parameters
    ----------
    volumes
        (slices, rows, columns) each, in the scanner's own units.
    count
        Number of crops.
    """

    def __init__(self, volumes: Sequence[np.ndarray], count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self.slices = [plane for volume in volumes for plane in _with_content(volume)]
        self.side = min(_CROP, *(min(plane.shape) for plane in self.slices))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = np.random.default_rng((self.seed, index))
        crop = self._crop(self.slices[int(generator.integers(len(self.slices)))], generator)
        hidden = generator.random(crop.shape) < _HIDDEN_SHARE
        # The neighbours are numbered by rows; the pixel itself, in their middle, has no number.
        number = generator.integers(_WINDOW**2 - 1, size=crop.shape)
        number += number >= _WINDOW**2 // 2
        shifts = np.stack(np.divmod(number, _WINDOW)) - _WINDOW // 2
        near = crop[
            tuple(_inward(index, shift, self.side) for index, shift in zip(np.indices(crop.shape), shifts, strict=True))
        ]
        return {
            "noisy": torch.from_numpy(crop)[None],
            "masked": torch.from_numpy(np.where(hidden, near, crop))[None],
            "hidden": torch.from_numpy(hidden)[None],
        }

    def _crop(self, plane: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """(side, side), in one of the eight orientations."""
        top, left = (int(generator.integers(size - self.side + 1)) for size in plane.shape)
        part = np.rot90(plane[top : top + self.side, left : left + self.side], int(generator.integers(4)))
        return np.ascontiguousarray(part[:, ::-1] if generator.random() < 0.5 else part)


class BlindSpotTask(L.LightningModule):
    """Fits the network, but for its noise-level estimator, to hidden pixels of noisy slices."""

    def __init__(self, network: NeuralDiffusionNetwork, options: BlindSpotOptions) -> None:
        super().__init__()
        self.network, self.options = network, options
        network.noise_level.requires_grad_(False)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        noisy, hidden = batch["noisy"], batch["hidden"]
        with torch.no_grad():
            types, sigma = noise_of(noisy, self.network.noise_level, self.options.noise, None)
        output = self.network(batch["masked"], types, sigma=sigma)
        level = sigma.view(-1, 1, 1, 1).clamp_min(1e-3)
        losses = [
            ((expectation(image, level, types) - noisy) / level).square()[hidden].mean()
            for image in (output.image, output.diffused)
        ]
        self.log("loss", losses[0])
        return losses[0] + 0.5 * losses[1]

    def configure_optimizers(self) -> dict[str, Any]:
        config = OptimiserConfig(name="adamw", learning_rate=self.options.learning_rate, warm_up=20)
        optimiser, factor = make_optimiser(self.network, config, self.options.steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def adapt(
    network: NeuralDiffusionNetwork, volumes: Sequence[np.ndarray], options: BlindSpotOptions, device: torch.device
) -> NeuralDiffusionNetwork:
    """Fit a network to noisy scans; it is changed and returned, in evaluation mode on the CPU.

    Parameters
    ----------
    network
        With the weights to start from.
    volumes
        (slices, rows, columns) each, in the scanner's own units; at least one has a slice that is not constant.

    Raises
    ------
    CommandError
        If the training diverges.
    """
    silence_lightning()
    L.seed_everything(options.seed, verbose=False)
    crops = NoisyCrops(volumes, options.steps * options.batch_size, options.seed)
    trainer = L.Trainer(
        # As many crops as the steps take.
        max_epochs=1,
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" else 1,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        callbacks=[DivergenceStop(), RunProgress()],
    )
    with interruptible(), warnings.catch_warnings():
        # Of what Lightning does itself.
        warnings.filterwarnings("ignore", module="lightning")
        trainer.fit(BlindSpotTask(network.train(), options), DataLoader(crops, options.batch_size))
    network.noise_level.requires_grad_(True)
    return network.cpu().eval()


def has_content(volume: np.ndarray) -> bool:
    """Whether a volume, (slices, rows, columns), has a slice that is not constant, so that `adapt` can learn from it.

    Raises
    ------
    InvalidVolumeError
        If the intensities differ, but by less than 32-bit floats can tell apart.
    """
    return any(True for _ in _with_content(volume))


def expectation(signal: Tensor, sigma: Tensor, types: Tensor) -> Tensor:
    """Mean of the measured pixel where the true signal is `signal`: the opposite of `BiasInversion`.

    Parameters
    ----------
    signal
        (batch, 1, rows, columns).
    sigma
        Noise level above 0, broadcastable to `signal`.
    types
        Weight of each of `noise_model.PURE_TYPES`, (batch, 3).
    """
    ratio = (signal / sigma).clamp_min(0)
    gaussian, rician, _ = (types[:, number].view(-1, 1, 1, 1) for number in range(len(PURE_TYPES)))
    return signal + sigma * (gaussian * (clipped_gaussian_mean(ratio) - ratio) + rician * (rice_mean(ratio) - ratio))


def _with_content(volume: np.ndarray) -> Iterator[np.ndarray]:
    low, high = estimate_range(volume)
    for plane in volume:
        unit = ((plane.astype(np.float64) - low) / (high - low)).astype(np.float32)
        if unit.std() > 0:
            yield unit


def _inward(index: np.ndarray, shift: np.ndarray, size: int) -> np.ndarray:
    """Shifted indices; a shift that would leave the slice goes the other way, never back to the pixel itself."""
    shifted = index + shift
    return np.where((shifted < 0) | (shifted >= size), index - shift, shifted)
