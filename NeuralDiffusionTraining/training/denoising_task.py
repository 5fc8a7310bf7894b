"""What one training step is: draw the settings, denoise, compare."""

from __future__ import annotations

import math

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from NeuralDiffusionLib.network import NeuralDiffusionNetwork
from NeuralDiffusionLib.settings import MAX_ITERATIONS

from ..data.corruption import NOISE_TYPES
from .losses import denoising_loss
from .training_data import MIXED

_DEFAULT_ITERATIONS = 16
_DEFAULT_SHARE = 0.4
_EIGHT_NEIGHBOURS_SHARE = 0.65
_GIVEN_SIGMA_SHARE = 0.25
_DIFFUSED_WEIGHT = 0.5


class DenoisingTask(L.LightningModule):
    """Trains the network for every setting of the panel at once.

    Noise type and level differ from sample to sample, iteration count and neighbourhood from batch to batch. The
    loss is that of the refined slice plus half that of the diffused one, so that the equation does the work. The
    noise-level estimator learns beside it from the known level; no gradient of the denoising loss reaches it.
    """

    def __init__(
        self, total_steps: int, learning_rate: float = 2e-3, seed: int = 0, provenance: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        # Lightning writes these into every checkpoint; `export` reads the provenance there.
        self.save_hyperparameters()
        self.network = NeuralDiffusionNetwork()

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.hparams.seed * 1_000_003 + self.global_step)
        noisy, clean, sigma, kind = batch["noisy"], batch["clean"], batch["sigma"], batch["kind"]
        estimates, logits = self.network.noise_level(noisy)
        of_kind = estimates.gather(1, kind[:, None])[:, 0]
        level_loss = ((of_kind - sigma).abs() / (sigma + 0.03)).mean()
        # Below this level the types cannot be told apart, and it does not matter which is chosen.
        type_loss = (F.cross_entropy(logits, kind, reduction="none") * (sigma > 0.02)).mean()

        types = F.one_hot(kind, len(NOISE_TYPES)).float()
        types = torch.where((batch["setting"] == MIXED)[:, None], logits.detach().softmax(dim=1), types)
        estimated = (types * estimates.detach()).sum(dim=1)
        given = torch.rand(len(sigma), generator=generator).to(sigma.device) < _GIVEN_SIGMA_SHARE
        output = self.network(
            noisy,
            types,
            iterations=draw_iterations(generator),
            neighbours=8 if float(torch.rand((), generator=generator)) < _EIGHT_NEIGHBOURS_SHARE else 4,
            sigma=torch.where(given, sigma, estimated),
        )
        # The figure of merit is a mean of decibels, so an error counts relative to the noise it is left from.
        weight = 0.175 / (sigma + 0.05)
        refined = denoising_loss(output.image, clean)
        diffused = denoising_loss(output.diffused, clean)
        loss = (weight * (refined + _DIFFUSED_WEIGHT * diffused)).mean()
        self.log("loss", refined.mean(), prog_bar=True)
        self.log("level_error", (of_kind - sigma).abs().mean())
        self.log("type_loss", type_loss)
        return loss + level_loss + 0.1 * type_loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int, dataloader_idx: int = 0) -> None:
        noise = NOISE_TYPES[dataloader_idx]
        output = self.network(batch["noisy"], noise)
        options = {"add_dataloader_idx": False, "batch_size": len(batch["clean"])}
        self.log(f"psnr_{noise}", psnr(output.image, batch["clean"]).mean(), prog_bar=noise == "rician", **options)
        self.log(f"psnr_{noise}_diffusion", psnr(output.diffused, batch["clean"]).mean(), **options)
        if noise == "rician":
            untouched = self.network(batch["clean"], noise).image
            self.log("psnr_noise_free", psnr(untouched, batch["clean"]).mean(), **options)

    def on_validation_epoch_end(self) -> None:
        metrics = self.trainer.callback_metrics
        mean = torch.stack([metrics[f"psnr_{noise}"] for noise in NOISE_TYPES if f"psnr_{noise}" in metrics]).mean()
        self.log("psnr", mean)

    def configure_optimizers(self) -> dict:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.learning_rate, weight_decay=1e-4)
        warm_up = max(1, min(200, self.hparams.total_steps // 10))

        def factor(step: int) -> float:
            if step < warm_up:
                return (step + 1) / warm_up
            progress = min(1.0, (step - warm_up) / max(1, self.hparams.total_steps - warm_up))
            return 0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * progress))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def draw_iterations(generator: torch.Generator) -> int:
    """The default count in 40 % of the draws, else log-uniform from 1 to 64."""
    if float(torch.rand((), generator=generator)) < _DEFAULT_SHARE:
        return _DEFAULT_ITERATIONS
    return round(math.exp(float(torch.rand((), generator=generator)) * math.log(MAX_ITERATIONS)))


def psnr(image: Tensor, clean: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each slice in dB, output clipped to [0, 1]; (batch,)."""
    error = (image.clamp(0, 1) - clean).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp_min(1e-10))
