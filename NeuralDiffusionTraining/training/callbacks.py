"""What Lightning does otherwise than a run that may be moved, and whose last epoch is its best, needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """Keeps the weights with the highest validation PSNR, in a folder that may be moved between two starts of a run.

    Lightning forgets the best figure where the folder has another name than before, and the next validation, however
    bad, would replace the weights.

    Parameters
    ----------
    path
        Of the file, which ends in ".ckpt".
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path.parent, path.stem, monitor="psnr", mode="max", enable_version_counter=False)
        self._path = str(Path(str(self.dirpath)) / path.name)

    @property
    def state_key(self) -> str:
        """As of the class that checkpoints of before were written with."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best figure; paths are those of today."""
        here = {name: self._path if state_dict.get(name) else "" for name in ("best_model_path", "kth_best_model_path")}
        best = dict.fromkeys([self._path] if state_dict["best_k_models"] else [], state_dict["best_model_score"])
        super().load_state_dict(
            {**state_dict, **here, "dirpath": self.dirpath, "best_k_models": best, "last_model_path": ""}
        )


class LastEpochValidation(L.Callback):
    """Validates after the last epoch too, whose learning rate is the lowest, whatever epochs are validated else."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch + 1 == trainer.max_epochs:
            trainer.check_val_every_n_epoch = 1
