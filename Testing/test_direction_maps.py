"""How freely intensity flowed along each direction, from the gates of the real network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from NeuralDiffusionLib import DenoiseCancelled, DenoiseSettings, InvalidVolumeError
from NeuralDiffusionLib.engine import denoiser as engine
from NeuralDiffusionLib.engine.direction_maps import DIRECTIONS, direction_maps


def two_halves(slices=3, rows=40, columns=48):
    """Dark left, bright right, in Rician noise."""
    random = np.random.default_rng(0)
    clean = np.where(np.arange(columns) < columns // 2, 200.0, 800.0) * np.ones((slices, rows, 1))
    return np.hypot(clean + random.normal(0, 60, clean.shape), random.normal(0, 60, clean.shape)).astype(np.int16)


@pytest.mark.parametrize(("neighbours", "names"), [(4, ["right", "down"]), (8, list(DIRECTIONS))])
def test_there_is_one_map_from_0_to_1_for_each_direction(denoiser, neighbours, names):
    volume = two_halves()
    maps = direction_maps(denoiser, volume, DenoiseSettings(neighbours=neighbours))
    assert list(maps) == names
    for one in maps.values():
        assert one.dtype == np.float32
        assert one.shape == volume.shape
        assert 0 <= one.min() < one.max() <= 1


def test_an_edge_holds_what_would_cross_it_and_lets_along_it_what_would_not(denoiser):
    maps = direction_maps(denoiser, two_halves())
    # The pixels left of the border: to the right and down to the right lies the other half.
    border = {name: one[:, 4:-4, 23].mean() for name, one in maps.items()}
    assert border["right"] < 0.1
    assert border["down right"] < 0.1
    assert border["down"] > 0.4
    # Down to the left it is the pixels right of the border that look across.
    assert maps["down left"][:, 4:-4, 24].mean() < 0.1


def test_they_are_the_mean_over_the_steps_of_the_gates(denoiser):
    settings = DenoiseSettings(iterations=10, intensity_range=(0, 1000))
    volume = two_halves()
    maps = direction_maps(denoiser, volume, settings)
    slices = torch.from_numpy(volume.astype(np.float32) / 1000).unsqueeze(1)
    with torch.inference_mode():
        stages = list(denoiser.network.stages(slices, "rician", 10, 8))
    assert [stage.steps for stage in stages] == [4, 4, 2]
    expected = sum(stage.steps * stage.gates for stage in stages).numpy() / 10
    # Away from the rim, where the edges of the first stages leave the slice.
    for index, name in enumerate(DIRECTIONS):
        np.testing.assert_allclose(maps[name][:, 4:-4, 4:-4], expected[:, index, 4:-4, 4:-4], atol=1e-4)


def test_steps_in_which_an_edge_leaves_the_slice_do_not_count(denoiser):
    volume = two_halves(1)
    maps = direction_maps(denoiser, volume, DenoiseSettings(iterations=10, intensity_range=(0, 1000)))
    slices = torch.from_numpy(volume.astype(np.float32) / 1000).unsqueeze(1)
    with torch.inference_mode():
        stages = list(denoiser.network.stages(slices, "rician", 10, 8))
    for distance in (2, 3, 4, 5):
        inside = [stage for stage in stages if stage.reach < distance]
        assert inside
        expected = sum(stage.steps * stage.gates for stage in inside) / sum(stage.steps for stage in inside)
        np.testing.assert_allclose(maps["right"][..., -distance], expected[:, 0, :, -distance], atol=1e-4)
        np.testing.assert_allclose(maps["down"][:, -distance], expected[:, 1, -distance], atol=1e-4)
        np.testing.assert_allclose(maps["down left"][:, :8, distance - 1], expected[:, 3, :8, distance - 1], atol=1e-4)


def test_a_pixel_without_neighbour_in_a_direction_has_0(denoiser):
    maps = direction_maps(denoiser, two_halves())
    assert maps["right"][..., -1].max() == maps["down"][:, -1].max() == maps["down left"][..., 0].max() == 0
    assert maps["down right"][:, -1].max() == maps["down right"][..., -1].max() == maps["down left"][:, -1].max() == 0


def test_without_noise_every_direction_held(denoiser):
    maps = direction_maps(denoiser, two_halves(), DenoiseSettings(sigma=0))
    assert max(one.max() for one in maps.values()) == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_taken_along_the_chosen_axis(denoiser, axis):
    volume = two_halves()
    turned = direction_maps(denoiser, np.moveaxis(volume, 0, axis), DenoiseSettings(slice_axis=axis))
    straight = direction_maps(denoiser, volume)
    for name, one in straight.items():
        np.testing.assert_allclose(np.moveaxis(turned[name], axis, 0), one, atol=1e-3)


def test_progress_and_cancel_are_those_of_a_run(denoiser, monkeypatch):
    monkeypatch.setattr(engine, "batch_size", lambda *_: 2)
    calls = []
    direction_maps(denoiser, two_halves(), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(2, 3), (3, 3)]
    with pytest.raises(DenoiseCancelled, match="0 of 3 slices"):
        direction_maps(denoiser, two_halves(), cancelled=lambda: True)


def test_what_cannot_be_denoised_is_refused(denoiser):
    with pytest.raises(InvalidVolumeError, match="three-dimensional"):
        direction_maps(denoiser, np.zeros((8, 8)))
