"""Nothing waits for the device: neither the network in the middle of a pass, nor the engine between two batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from shell import head

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib import denoiser as engine
from NeuralDiffusionLib.network import NeuralDiffusionNetwork
from NeuralDiffusionLib.transfers import download, upload

CPU = torch.device("cpu")
SLICES = 7


@pytest.mark.parametrize("noise", ["rician", "mixed"])
@pytest.mark.parametrize("sigma", [None, 0.1])
@pytest.mark.parametrize("shape", [(2, 1, 32, 40), (1, 1, 33, 27)])
def test_a_pass_never_reads_a_number_from_the_device(noise, sigma, shape):
    # A tensor on this device has no numbers: to ask for one, or to decide by one, is an error.
    network = NeuralDiffusionNetwork().eval().to("meta")
    slices = torch.empty(shape, device="meta")
    given = None if sigma is None else torch.full(shape[:1], sigma, device="meta")
    with torch.inference_mode():
        output = network(slices, noise, iterations=40, sigma=given)
    assert output.image.shape == output.conduction.shape == shape


def test_a_number_that_is_read_would_be_noticed():
    with pytest.raises(RuntimeError):
        float(torch.empty(1, device="meta"))


def test_images_go_to_a_device_and_back_as_they_are():
    images = np.random.default_rng(0).random((3, 4, 5), np.float32)
    there = upload(images, CPU)
    here = download([there, there + 1])()
    np.testing.assert_array_equal(here[0], images)
    np.testing.assert_array_equal(here[1], images + 1)


@pytest.fixture
def elsewhere(monkeypatch):
    """A denoiser whose device is not called CPU, though its tensors are there."""
    monkeypatch.setattr(engine, "batch_size", lambda *_: 2)
    denoiser = Denoiser("cpu", precision="float32")
    denoiser._device = torch.device("meta")
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.inference_mode())
    return denoiser


@pytest.mark.parametrize("name", ["cpu", "meta"])
def test_a_device_begins_the_next_batch_before_the_last_is_written_and_the_cpu_does_not(elsewhere, name):
    elsewhere._device = torch.device(name)
    run = engine.SliceRun.of(head(np.float32, (SLICES, 16, 12)), DenoiseSettings())
    order = []

    def work(part, inputs):
        order.append(f"begin {part.start}")
        return lambda: order.append(f"write {part.start}")

    elsewhere.each_batch(run, work, lambda done, count: order.append(f"{done} of {count}"))
    if name == "cpu":
        assert order[:5] == ["begin 0", "write 0", "2 of 7", "begin 2", "write 2"]
    else:
        assert order[:5] == ["begin 0", "begin 2", "write 0", "2 of 7", "begin 4"]
    assert order[-2:] == ["write 6", "7 of 7"]
    assert len(order) == 12


def test_the_result_is_the_same(elsewhere):
    volume, settings = head(np.float32, (SLICES, 16, 12)), DenoiseSettings(iterations=2)
    expected = Denoiser("cpu", precision="float32")(volume, settings)
    result = elsewhere(volume, settings)
    np.testing.assert_allclose(result.image, expected.image, atol=0.01)
    np.testing.assert_allclose(result.conduction, expected.conduction, atol=1e-5)
    assert result.sigma == pytest.approx(expected.sigma)
    assert result.device == "meta"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_results_are_written_where_they_stay(axis):
    # A volume of many slices has no room for a copy of its results.
    run = engine.SliceRun.of(head(np.float32, (SLICES, 16, 12)), DenoiseSettings(slice_axis=axis))
    room = run.empty()
    assert room.shape == run.slices.shape
    assert np.shares_memory(run.in_place(room), room)
    assert run.in_place(room).shape == (SLICES, 16, 12)
