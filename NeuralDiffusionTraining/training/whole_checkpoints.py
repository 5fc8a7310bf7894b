"""Checkpoints that are there whole or not at all, however a run ends."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from NeuralDiffusionLib.whole_files import write_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: after a kill the one before is still there.

    Lightning's own way goes through the system's temporary folder, from where a file may have to be copied.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Raises
        ------
        OSError
            If it cannot be written; the one before stays.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        # PyTorch hides the system's reason where it writes to a disk itself.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_whole([(path, lambda new: new.write_bytes(content.getbuffer()))])
