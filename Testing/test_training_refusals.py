"""What `train` cannot learn from or with is refused in one sentence."""

from __future__ import annotations

from dataclasses import replace

import lightning as L
import pytest
import torch
from batch_runs import run_here
from training_slices import make_slices

from NeuralDiffusionTraining.data.splits import read_split, write_splits
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.training.divergence import DivergenceStop


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_split_with_an_empty_part_is_refused(tmp_path, part):
    split = read_split(make_slices(tmp_path / "data", count=7))
    kept = split.test + getattr(split, part)
    write_splits([replace(split, name="lacking", test=kept, **{part: ()})], tmp_path)

    done = run_here("train", "--data", tmp_path / "data", "--split", tmp_path / "lacking.json",
                    "--output", tmp_path / "run", "--device", "cpu")  # fmt: skip

    assert (done.status, done.out) == (2, "")
    assert done.err == f"Split '{tmp_path / 'lacking.json'}' has no {part} slices: choose another.\n"
    assert not (tmp_path / "run").exists()


def test_a_run_whose_weights_are_no_numbers_any_more_ends():
    module = L.LightningModule()
    module.weight = torch.nn.Parameter(torch.ones(3))
    stop, trainer = DivergenceStop(), L.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    stop.on_train_batch_end(trainer, module, None, None, 0)
    module.weight.data[1] = torch.nan
    with pytest.raises(CommandError, match=r"diverged, .*: choose a smaller learning rate\."):
        stop.on_train_batch_end(trainer, module, None, None, 0)
