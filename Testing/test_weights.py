"""The file of weights: small, safe to read, and refused in one sentence when it is not right."""

from __future__ import annotations

import hashlib
import os
import pickle
import re

import pytest
import torch

from NeuralDiffusionLib import WeightsError
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights, save_weights
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork


def test_bundled_file_is_under_four_megabytes_and_says_how_it_was_made():
    assert BUNDLED_WEIGHTS.stat().st_size < 4_000_000
    metadata = load_weights().metadata
    for entry in ("data", "split_sha256", "command", "commit", "limits"):
        assert metadata[entry]


def test_model_card_speaks_of_the_bundled_file():
    card = (BUNDLED_WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(BUNDLED_WEIGHTS.read_bytes()).hexdigest() in card
    assert re.search("not for diagnosis", card, re.IGNORECASE)


def test_weights_survive_the_round_trip_to_the_precision_that_they_are_computed_with(tmp_path):
    torch.manual_seed(0)
    network = NeuralDiffusionNetwork()
    save_weights(tmp_path / "weights.pt", network, {"data": "none"})
    loaded = load_weights(tmp_path / "weights.pt")
    assert loaded.metadata == {"data": "none"}
    assert loaded.sha256 == hashlib.sha256((tmp_path / "weights.pt").read_bytes()).hexdigest()
    for name, tensor in network.state_dict().items():
        read = loaded.network.state_dict()[name]
        assert read.dtype == torch.float32
        if tensor.ndim > 1:
            assert torch.equal(read, tensor.half().float())
            # bfloat16 rounds eight times as coarsely.
            torch.testing.assert_close(read, tensor, rtol=2**-11, atol=1e-7)
        else:
            assert torch.equal(read, tensor)


def test_what_was_read_can_be_written_again_without_a_loss(tmp_path):
    first = load_weights()
    save_weights(tmp_path / "again.pt", first.network, first.metadata)
    again = load_weights(tmp_path / "again.pt").network.state_dict()
    for name, tensor in first.network.state_dict().items():
        assert torch.equal(again[name], tensor)


class _Payload:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_a_file_that_would_run_code_is_refused_without_running_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 1, "state_dict": _Payload()}, tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match=r"evil\.pt"):
        load_weights(tmp_path / "evil.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(_Payload()))
    with pytest.raises(WeightsError, match=r"plain\.pt"):
        load_weights(tmp_path / "plain.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "broken.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.pt"):
        load_weights(tmp_path / "broken.pt")


def test_half_a_file_is_named(tmp_path):
    (tmp_path / "half.pt").write_bytes(BUNDLED_WEIGHTS.read_bytes()[: BUNDLED_WEIGHTS.stat().st_size // 2])
    with pytest.raises(WeightsError, match=r"half\.pt"):
        load_weights(tmp_path / "half.pt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere\.pt.*No such file"):
        load_weights(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("content", [{}, [1], {"format": 2}, {"format": 1, "state_dict": {"x": torch.ones(1)}}])
def test_weights_of_another_network_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="another network"):
        load_weights(tmp_path / "other.pt")
