"""What one training step is: draw the settings, denoise, compare."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from NeuralDiffusionLib.engine.settings import MAX_ITERATIONS, DenoiseSettings
from NeuralDiffusionLib.network.noise_model import PURE_TYPES

from ..networks.registry import build_network
from .config import TrainingConfig
from .losses import denoising_loss, logarithmic_loss
from .optimisers import make_optimiser
from .training_data import MIXED

_HIGHEST_PSNR = 100.0


class DenoisingTask(L.LightningModule):
    """Trains a network for the settings that the configuration asks for.

    Noise type and level differ from sample to sample, iteration count and neighbourhood from batch to batch. The
    loss is that of the refined slice plus a share of that of the diffused one, so that the equation does the work.
    A noise-level estimator learns beside it from the known level; no gradient of the denoising loss reaches it.

    Parameters
    ----------
    config
        A `TrainingConfig` as plain data, so that Lightning can keep it in every checkpoint.
    total_steps
        Length of the learning-rate schedule.
    provenance
        How the weights are made; `export` reads it from the checkpoint.
    """

    def __init__(self, config: dict[str, Any], total_steps: int, provenance: dict[str, str]) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.config = TrainingConfig.model_validate(config)
        self.network = build_network(self.config.network)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.global_step)
        sampling, weights = self.config.sampling, self.config.loss
        noisy, clean, sigma = batch["noisy"], batch["clean"], batch["sigma"]
        types, level, estimator_loss = self._noise(batch)
        iterations = sampling.iterations or draw_iterations(generator, sampling.usual_iterations_share)
        eight = float(torch.rand((), generator=generator)) < sampling.eight_neighbours_share
        neighbours = sampling.neighbours or (8 if eight else 4)
        output = self.network(noisy, types, iterations=iterations, neighbours=neighbours, sigma=level)
        # The figure of merit is a mean of decibels, so an error counts relative to the noise it is left from.
        scale = 0.175 / (sigma + 0.05) if weights.relative else 1.0
        refined = denoising_loss(output.image, clean, weights)
        loss = scale * refined
        if weights.psnr:
            loss = loss + weights.psnr * logarithmic_loss(output.image, clean)
        if weights.diffused and output.diffused is not output.image:
            loss = loss + weights.diffused * scale * denoising_loss(output.diffused, clean, weights)
            if weights.psnr:
                loss = loss + weights.diffused * weights.psnr * logarithmic_loss(output.diffused, clean)
        self.log("loss", refined.mean(), sync_dist=True)
        return loss.mean() + estimator_loss

    def _noise(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Type weights (batch, 3), noise level (batch,) that the network is given, and the estimator's own loss."""
        kind, sigma = batch["kind"], batch["sigma"]
        types = F.one_hot(kind, len(PURE_TYPES)).float()
        if not hasattr(self.network, "noise_level"):
            return types, sigma, sigma.new_zeros(())
        estimates, logits = self.network.noise_level(batch["noisy"])
        of_kind = estimates.gather(1, kind[:, None])[:, 0]
        level_loss = ((of_kind - sigma).abs() / (sigma + 0.03)).mean()
        # Below this level the types cannot be told apart, and it does not matter which is chosen.
        type_loss = (F.cross_entropy(logits, kind, reduction="none") * (sigma > 0.02)).mean()
        types = torch.where((batch["setting"] == MIXED)[:, None], logits.detach().softmax(dim=1), types)
        estimated = (types * estimates.detach()).sum(dim=1)
        self.log("level_error", (of_kind - sigma).abs().mean(), sync_dist=True)
        self.log("type_loss", type_loss, sync_dist=True)
        return types, torch.where(batch["given"], sigma, estimated), level_loss + 0.1 * type_loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int, dataloader_idx: int = 0) -> None:
        sampling = self.config.sampling
        noise = PURE_TYPES[dataloader_idx]
        told = sampling.setting_weights[:MIXED]
        if any(told) and not told[dataloader_idx]:
            return
        settings = {
            "iterations": sampling.iterations or DenoiseSettings.iterations,
            "neighbours": sampling.neighbours or DenoiseSettings.neighbours,
        }
        # A network that is never told the type is measured on all of them, without being told.
        output = self.network(batch["noisy"], noise if any(told) else "mixed", **settings)
        options = {"add_dataloader_idx": False, "batch_size": len(batch["clean"])}
        self.log(f"psnr_{noise}", psnr(output.image, batch["clean"]).mean(), **options)
        if output.diffused is not output.image:
            self.log(f"psnr_{noise}_diffusion", psnr(output.diffused, batch["clean"]).mean(), **options)

    def on_validation_epoch_end(self) -> None:
        metrics = self.trainer.callback_metrics
        known = [metrics[f"psnr_{noise}"] for noise in PURE_TYPES if f"psnr_{noise}" in metrics]
        self.log("psnr", torch.stack(known).mean())

    def configure_optimizers(self) -> dict[str, Any]:
        optimiser, factor = make_optimiser(self.network, self.config.optimiser, self.hparams.total_steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def draw_iterations(generator: torch.Generator, usual_share: float) -> int:
    """The default count in a share of the draws, else log-uniform from 1 to 64."""
    if float(torch.rand((), generator=generator)) < usual_share:
        return DenoiseSettings.iterations
    return round(math.exp(float(torch.rand((), generator=generator)) * math.log(MAX_ITERATIONS)))


def psnr(image: Tensor, clean: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each slice in dB, output clipped to [0, 1]; (batch,), at most 100."""
    of_each = {"data_range": 1.0, "reduction": "none", "dim": (1, 2, 3)}
    # Slices that are equal would make the mean of all infinite.
    return peak_signal_noise_ratio(image.clamp(0, 1), clean, **of_each).clamp_max(_HIGHEST_PSNR)
