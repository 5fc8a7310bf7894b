"""Training samples: crops of slices at several scales, freshly corrupted in every epoch."""

from __future__ import annotations

import lightning as L
import numpy as np
import torch
from skimage.transform import resize
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from NeuralDiffusionLib.network.noise_model import PURE_TYPES

from ..data.corruption import BENCHMARK_SIGMAS, benchmark_corruption, corrupt
from ..data.slices import BENCHMARK_SIZE
from .config import SamplingConfig

MIXED = len(PURE_TYPES)
"""Index of the setting "mixed": the type is not told to the network."""

_AIR = 0.03
_VALIDATION_BATCH = 32


class TrainingSlices(Dataset):
    """One epoch of samples; sample i of epoch e is the same in every run with the same seed.

    Parameters
    ----------
    coarse
        (slices, 128, 128), uint8: the slices of the benchmark.
    fine
        (slices, n, n), uint8, n >= 128: the same slices with finer pixels.
    """

    def __init__(self, coarse: np.ndarray, fine: np.ndarray, plan: SamplingConfig, seed: int, epoch: int) -> None:
        self.coarse, self.fine, self.plan = coarse, fine, plan
        self.seed, self.epoch = seed, epoch
        # NumPy wants them to add up to 1 more exactly than decimals in a file do.
        self.chances = np.array(plan.setting_weights) / sum(plan.setting_weights)

    def __len__(self) -> int:
        return len(self.coarse)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = np.random.default_rng((self.seed, self.epoch, index))
        clean = self._crop(index, generator)
        if generator.random() < self.plan.dim_share:
            clean = clean * np.float32(generator.uniform(0.4, 1.0))
        inside = clean > _AIR if generator.random() < self.plan.masked_share else None
        setting = int(generator.choice(len(self.chances), p=self.chances))
        kind = int(generator.integers(len(PURE_TYPES))) if setting == MIXED else setting
        sigma = self._sigma(generator)
        noisy = corrupt(clean, PURE_TYPES[kind], sigma, generator)
        if inside is not None:
            clean, noisy = clean * inside, noisy * inside
        return {
            "clean": torch.from_numpy(np.ascontiguousarray(clean))[None],
            "noisy": torch.from_numpy(noisy)[None],
            "sigma": torch.tensor(sigma, dtype=torch.float32),
            "kind": torch.tensor(kind),
            "setting": torch.tensor(setting),
            "given": torch.tensor(generator.random() < self.plan.given_sigma_share),
        }

    def _crop(self, index: int, generator: np.random.Generator) -> np.ndarray:
        """A (crop, crop) picture in [0, 1], in one of the eight orientations."""
        size = self.fine.shape[-1]
        if size > BENCHMARK_SIZE and generator.random() < self.plan.native_share:
            side = int(generator.integers(BENCHMARK_SIZE, int(1.5 * BENCHMARK_SIZE) + 1))
            side = min(side, size)
            top, left = generator.integers(size - side + 1, size=2)
            picture = self.fine[index, top : top + side, left : left + side].astype(np.float32) / 255
            if side != BENCHMARK_SIZE:
                picture = resize(picture, (BENCHMARK_SIZE,) * 2, order=1, anti_aliasing=True).astype(np.float32)
        else:
            picture = self.coarse[index].astype(np.float32) / 255
        if self.plan.crop < BENCHMARK_SIZE:
            top, left = generator.integers(BENCHMARK_SIZE - self.plan.crop + 1, size=2)
            picture = picture[top : top + self.plan.crop, left : left + self.plan.crop]
        if not self.plan.orientations:
            return picture
        picture = np.rot90(picture, int(generator.integers(4)))
        return picture[:, ::-1] if generator.random() < 0.5 else picture

    def _sigma(self, generator: np.random.Generator) -> float:
        choice = generator.random()
        if choice < self.plan.benchmark_share:
            return float(generator.uniform(*BENCHMARK_SIGMAS))
        if choice < self.plan.benchmark_share + self.plan.clean_share:
            return 0.0
        return float(self.plan.max_sigma * generator.uniform() ** 2)


class ValidationSlices(Dataset):
    """Slices of the validation part with the fixed noise of the benchmark."""

    def __init__(self, slices: np.ndarray, noise: str) -> None:
        self.slices, self.noise = slices, noise

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        clean = self.slices[index].astype(np.float32) / 255
        noisy, _ = benchmark_corruption(clean, self.noise, index)
        return {"clean": torch.from_numpy(clean)[None], "noisy": torch.from_numpy(noisy)[None]}


class SliceData(L.LightningDataModule):
    """The two parts that training sees.

    Parameters
    ----------
    coarse, fine
        As of `TrainingSlices`.
    validation
        (slices, 128, 128), uint8.
    batch_size
        Samples of one step, shared out evenly among all processes.
    """

    def __init__(
        self,
        coarse: np.ndarray,
        fine: np.ndarray,
        validation: np.ndarray,
        batch_size: int,
        seed: int,
        plan: SamplingConfig,
    ) -> None:
        super().__init__()
        self.coarse, self.fine, self.validation = coarse, fine, validation
        self.batch_size, self.seed, self.plan = min(batch_size, len(coarse)), seed, plan

    @property
    def batches(self) -> int:
        """Steps in an epoch; an incomplete last batch is left out."""
        return len(self.coarse) // self.batch_size

    def train_dataloader(self) -> DataLoader:
        # Steps, since a checkpoint made at the end of an epoch still names that epoch, not the next.
        epoch = self.trainer.global_step // self.batches
        samples = TrainingSlices(self.coarse, self.fine, self.plan, self.seed, epoch)
        # A fixed list: a shuffling loader draws anew for each of its iterators, and a resumed run makes one more.
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(len(samples), generator=generator)[: self.batches * self.batch_size]
        # Every process takes its share of every step, so that a step sees the same samples for any number of them.
        of_each = order.view(self.batches, self.trainer.world_size, -1)[:, self.trainer.global_rank]
        return DataLoader(samples, batch_sampler=of_each.tolist())

    def val_dataloader(self) -> list[DataLoader]:
        """All of the validation part in every process: the figures do not depend on the number of processes."""
        return [DataLoader(ValidationSlices(self.validation, noise), _VALIDATION_BATCH) for noise in PURE_TYPES]
