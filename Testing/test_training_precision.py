"""What a training run computes in: whatever is fast on its device, which the user is told, and the weights know."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from training_slices import make_slices

from NeuralDiffusionTraining.networks.checkpoints import load_trained
from NeuralDiffusionTraining.training import optimisers, run
from NeuralDiffusionTraining.training.config import OptimiserConfig, parse_settings, read_config
from NeuralDiffusionTraining.training.denoising_task import DenoisingTask
from NeuralDiffusionTraining.training.run import RunSite, run_training

SMALL = ("epochs=1", "limit=4", "batch_size=4", "validate_every=1", "sampling.crop=16", "sampling.iterations=1")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_slices(folder)
    return folder


@pytest.fixture
def train(data, tmp_path, monkeypatch):
    """Train on a device that is fast in a given type, and return what the checkpoint says of its precision."""

    def train(fastest: torch.dtype, *settings: str) -> str:
        monkeypatch.setattr(run, "fast_dtype", lambda device: fastest)
        options = {**parse_settings([*SMALL, *settings]), "split": str(data / "original.json")}
        run_training(read_config(None, options), RunSite(data, tmp_path / "run", "cpu"))
        return load_trained(tmp_path / "run" / "last.ckpt").provenance["precision"]

    return train


@pytest.fixture
def types_of_convolutions(monkeypatch) -> set[torch.dtype]:
    """The types in which convolutions computed while a network was trained."""
    seen = set()
    convolve = torch.nn.Conv2d._conv_forward

    def watched(layer: torch.nn.Conv2d, images: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        result = convolve(layer, images, *rest)
        if result.requires_grad:
            seen.add(result.dtype)
        return result

    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", watched)
    return seen


def test_a_device_with_bfloat16_instructions_uses_them_without_a_word(train, types_of_convolutions, capsys):
    assert train(torch.bfloat16) == "bf16-mixed"
    assert torch.bfloat16 in types_of_convolutions
    assert "bfloat16" not in capsys.readouterr().err


def test_a_device_without_them_trains_in_float32_and_says_so(train, types_of_convolutions, capsys):
    assert train(torch.float32) == "32-true"
    assert types_of_convolutions == {torch.float32}
    assert "Training in float32, as device 'cpu' has no fast bfloat16." in capsys.readouterr().err


def test_bfloat16_is_emulated_where_that_is_asked_for_and_a_faster_choice_named(train, types_of_convolutions, capsys):
    assert train(torch.float32, "precision=bf16-mixed") == "bf16-mixed"
    assert torch.bfloat16 in types_of_convolutions
    assert "Device 'cpu' is slow in bfloat16: precision 'fast' would be faster." in capsys.readouterr().err


def test_float32_is_kept_where_that_is_asked_for(train, types_of_convolutions, capsys):
    assert train(torch.bfloat16, "precision=32-true") == "32-true"
    assert types_of_convolutions == {torch.float32}
    assert capsys.readouterr().err == ""


def test_a_run_that_goes_on_in_another_precision_says_so(train, capsys, monkeypatch):
    def stop(task: DenoisingTask) -> None:
        if task.current_epoch:
            raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(DenoisingTask, "on_train_epoch_start", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            train(torch.bfloat16, "epochs=2")
    assert train(torch.float32, "epochs=2") == "bf16-mixed"
    assert "The run began in precision bf16-mixed and goes on in 32-true." in capsys.readouterr().err
    # Finished: there is nothing to tell any more.
    train(torch.float32, "epochs=2")
    assert capsys.readouterr().err == ""


class TypesSeen(TorchDispatchMode):
    """Notes the types of all that PyTorch computes inside."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[torch.dtype] = set()

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        made = operation(*arguments, **(options or {}))
        self.types |= {each.dtype for each in torch.utils._pytree.tree_leaves(made) if isinstance(each, torch.Tensor)}
        return made


@pytest.mark.parametrize("fastest", [torch.bfloat16, torch.float32])
def test_kernels_are_levelled_in_bfloat16_only_where_that_is_fast(monkeypatch, fastest):
    monkeypatch.setattr(optimisers, "fast_dtype", lambda device: fastest)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Conv2d(16, 8, 3), nn.Conv2d(8, 16, 3))
    before = [layer.weight.detach().clone() for layer in network]
    optimiser, _ = optimisers.make_optimiser(network, OptimiserConfig(name="muon", weight_decay=0.0), 100)
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    with TypesSeen() as seen:
        optimiser.step()
    assert (torch.bfloat16 in seen.types) is (fastest == torch.bfloat16)
    for layer, former in zip(network, before, strict=True):
        # A step turns all ways alike: the singular values of what it changed lie together.
        values = torch.linalg.svdvals((former - layer.weight.detach()).flatten(1))
        assert values.max() < 2 * values.min()
