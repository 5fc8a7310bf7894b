"""Nothing waits for the device: neither the network in the middle of a pass, nor the engine between two batches."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count

import numpy as np
import pytest
import torch
from shell import head

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionLib.engine.transfers import _stream, download, upload
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork

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


class OnCard(torch.Tensor):
    """A tensor that says it were on a card."""

    device = property(lambda _: torch.device("cuda:0"))


@pytest.fixture
def card(monkeypatch):
    """CUDA's streams, which note what they are told; the tensors stay where they are."""
    told, streams, numbers = [], ["computing"], count()

    class Stream:
        def __init__(self, device):
            self.name = f"stream {next(numbers)}"

        def wait_stream(self, other):
            told.append((self.name, "waits for", other.name))

    computing = Stream(None)
    computing.name = "computing"

    @contextmanager
    def stream(one):
        streams.append(one.name)
        yield
        streams.pop()

    class Event:
        def record(self, one):
            told.append((one.name, "marks the end"))

        def synchronize(self):
            told.append(("host", "waits"))

    def to(tensor, device, non_blocking=False):
        assert non_blocking
        told.append((streams[-1], "to", str(device)))
        return torch.clone(tensor).as_subclass(OnCard)

    def copy_(here, image, non_blocking=False):
        assert non_blocking
        told.append((streams[-1], "back"))
        here.numpy()[...] = image.as_subclass(torch.Tensor).numpy()

    def empty(*arguments, pin_memory, empty=torch.empty, **options):
        assert pin_memory
        return empty(*arguments, **options)

    for name, value in (("Stream", Stream), ("stream", stream), ("Event", Event)):
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "copy_", copy_)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda _, one: told.append(("memory is kept for", one.name)))
    _stream.cache_clear()
    yield told
    _stream.cache_clear()


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint64, ">i2"])
def test_a_card_copies_beside_what_it_computes_each_way_in_a_stream_of_its_own(card, dtype):
    images = np.arange(60).reshape(5, 4, 3).astype(dtype)
    images.flags.writeable = False
    # Slices of any layout, and of a scan that must not change.
    there = upload(images.transpose(2, 1, 0)[::-1], torch.device("cuda:0"))
    assert isinstance(there, OnCard)
    (arriving, *_), *_ = card
    assert card == [
        (arriving, "to", "cuda:0"), ("computing", "waits for", arriving), ("memory is kept for", "computing")
    ]  # fmt: skip
    card.clear()
    wait = download([there, there])
    leaving = card[0][0]
    assert leaving not in (arriving, "computing")
    copied = [(leaving, "back"), ("memory is kept for", leaving)]
    assert card == [(leaving, "waits for", "computing"), *copied, *copied, (leaving, "marks the end")]
    for image in wait():
        np.testing.assert_array_equal(image, images.transpose(2, 1, 0)[::-1])
    assert card[-1] == ("host", "waits")


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

    def work(network, part, inputs):
        assert network is elsewhere.network
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
