"""Slices to train on, and a small run on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch_runs import run_here
from small_runs import arguments
from training_slices import make_slices


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_slices(folder)
    return folder


@pytest.fixture(scope="module")
def whole_run(data, tmp_path_factory) -> Path:
    """A run of three epochs that nobody disturbs."""
    output = tmp_path_factory.mktemp("whole") / "run"
    done = run_here(*arguments(data, output, "epochs=3"))
    assert done.status == 0, done.err
    assert done.out.strip() == f"The best weights are in {output / 'best.ckpt'}."
    return output
