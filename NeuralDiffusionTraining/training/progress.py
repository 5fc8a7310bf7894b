"""One progress bar for a whole run."""

from __future__ import annotations

import logging
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..files.terminal import terminal


def silence_lightning() -> None:
    """Keep what Lightning tells of every run off standard error, where the bar is; its warnings stay."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)


class RunProgress(ProgressBar):
    """Epochs done, loss, PSNR of the last validation and time left, on standard error; on a terminal only."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: Progress | None = None
        self._task: Any = None
        self._wanted = True

    def disable(self) -> None:
        """Lightning calls this in every process but the first."""
        self._wanted = False

    def enable(self) -> None:
        self._wanted = True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        console = terminal(stderr=True)
        if not self._wanted or not console.is_terminal:
            return
        columns = "{task.fields[epoch]}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}")
        self._bar = Progress(*columns, TextColumn("time left"), TimeRemainingColumn(), console=console)
        steps = trainer.estimated_stepping_batches
        self._task = self._bar.add_task(
            "", total=int(steps), completed=trainer.global_step, epoch=self._epoch(trainer), figures=""
        )
        self._bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self._update(trainer)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._update(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _update(self, trainer: L.Trainer) -> None:
        if self._bar is None:
            return
        metrics = trainer.callback_metrics
        parts = [f"loss {float(metrics['loss']):.3f}"] if "loss" in metrics else []
        if "psnr" in metrics:
            parts.append(f"PSNR {float(metrics['psnr']):.2f} dB")
        self._bar.update(
            self._task, completed=trainer.global_step, epoch=self._epoch(trainer), figures="  ".join(parts)
        )

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    @staticmethod
    def _epoch(trainer: L.Trainer) -> str:
        return f"Epoch {min(trainer.current_epoch + 1, trainer.max_epochs or 1)} of {trainer.max_epochs}"
