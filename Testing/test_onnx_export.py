"""A checkpoint becomes a file for the Denoiser, and one for programs without PyTorch that gives the same pictures."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import torch
from batch_runs import run_here
from checkpoints import checkpoint
from sample_results import write_results
from typer.testing import CliRunner

from NeuralDiffusionLib import WeightsError
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights, save_weights
from NeuralDiffusionLib.network import diffusion
from NeuralDiffusionLib.network.neural_diffusion import NeuralDiffusionNetwork
from NeuralDiffusionTraining.cli import app
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.networks.checkpoints import load_trained
from NeuralDiffusionTraining.reporting import onnx_export
from NeuralDiffusionTraining.reporting.model_card import model_card
from NeuralDiffusionTraining.reporting.results import MEASURED_AS

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

# None of them is the default; five iterations need two predictions of the gates.
SETTINGS = {"noise": "mixed", "iterations": 5, "neighbours": 4}


@pytest.fixture(scope="module")
def network() -> NeuralDiffusionNetwork:
    return load_weights().network


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """The folder into which the command wrote both files; it takes most of a minute."""
    folder = tmp_path_factory.mktemp("exported")
    path = checkpoint(folder / "best.ckpt", "neural-diffusion", network)
    options = [text for name, value in SETTINGS.items() for text in (f"--{name}", value)]
    done = run_here("export", path, folder / "w.pt", "--onnx", folder / "n.onnx", *options)
    assert done.status == 0, done.err
    return folder


@pytest.fixture(scope="module")
def session(exported):
    return onnxruntime.InferenceSession(exported / "n.onnx", providers=["CPUExecutionProvider"])


def noisy_heads(batch: int, rows: int, columns: int) -> np.ndarray:
    down, right = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    random = np.random.default_rng(0)
    clean = 0.8 * (np.hypot(down, right) < 0.8)
    shape = (batch, 1, rows, columns)
    return np.hypot(clean + 0.1 * random.normal(size=shape), 0.1 * random.normal(size=shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 128, 128), (3, 100, 90), (2, 33, 47), (1, 9, 8)])
def test_onnx_gives_what_the_network_gives_for_any_number_and_size_of_slices(session, network, shape):
    slices = noisy_heads(*shape)
    with torch.no_grad():
        expected = network(torch.from_numpy(slices), **SETTINGS)
    image, conduction, sigma = session.run(None, {"slices": slices})
    np.testing.assert_allclose(image, expected.image, atol=1e-4)
    np.testing.assert_allclose(conduction, expected.conduction, atol=1e-4)
    np.testing.assert_allclose(sigma, expected.sigma, atol=1e-4)
    assert np.abs(image - slices).max() > 0.05


def test_onnx_names_its_inputs_outputs_and_settings(session):
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("slices", ["batch", 1, "rows", "columns"])]
    assert [one.name for one in session.get_outputs()] == ["image", "conduction", "sigma"]
    kept = session.get_modelmeta().custom_metadata_map
    assert kept["data"] == "generated"
    assert (kept["noise"], kept["iterations"], kept["neighbours"], kept["refine"]) == ("mixed", "5", "4", "True")


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("reach", [1, 2, 4])
@pytest.mark.parametrize("shape", [(12, 9), (2, 3), (1, 1)])
def test_diffusion_as_convolutions_is_the_diffusion(count, reach, shape, monkeypatch):
    random = torch.Generator().manual_seed(0)
    image = torch.rand(2, 1, *shape, generator=random)
    gates = torch.rand(2, count, *shape, generator=random)
    steps = torch.tensor([0.1, 0.05, 0.02])

    def results() -> tuple[torch.Tensor, ...]:
        return (
            diffusion.diffuse(image, gates, steps, reach),
            diffusion.conduction_map(gates, reach),
            diffusion.differences(image, reach),
        )

    direct = results()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for found, wanted in zip(results(), direct, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


def test_weights_and_onnx_are_written_together(exported, network):
    written = load_weights(exported / "w.pt")
    assert written.metadata["epochs_done"] == "5"
    for name, tensor in written.network.state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name])
    assert sorted(one.name for one in exported.iterdir()) == ["best.ckpt", "n.onnx", "w.pt"]


def test_an_onnx_file_that_fails_leaves_the_weights_as_they_were(tmp_path, monkeypatch):
    path = checkpoint(tmp_path / "best.ckpt", "neural-diffusion")
    (tmp_path / "w.pt").write_text("before")
    arguments = ("export", path, tmp_path / "w.pt", "--onnx", tmp_path / "n.onnx")

    def fail(*_, **__):
        raise RuntimeError("no such operator")

    def fill_disk(*given):
        given[-1].write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch.export, "export", fail)
    with pytest.raises(RuntimeError, match="no such operator"):
        run_here(*arguments)
    monkeypatch.setattr(onnx_export, "export_onnx", fill_disk)
    done = run_here(*arguments)
    assert (done.status, done.out) == (2, "")
    names = f"{tmp_path / 'w.pt'} and {tmp_path / 'n.onnx'}"
    assert done.err == f"{names} cannot be written (No space left on device): name another folder.\n"
    assert (tmp_path / "w.pt").read_text() == "before"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["best.ckpt", "w.pt"]


def test_networks_that_the_denoiser_cannot_run_are_refused(tmp_path):
    refused = CliRunner().invoke(app, ["export", str(checkpoint(tmp_path / "u.ckpt", "unet")), str(tmp_path / "w.pt")])
    assert "'unet'" in str(refused.exception)
    assert not (tmp_path / "w.pt").exists()


def test_weights_and_checkpoints_that_were_taken_for_each_other_are_told_apart(tmp_path):
    path = checkpoint(tmp_path / "best.ckpt", "neural-diffusion")
    content = torch.load(path, weights_only=False)
    torch.save(content | {"pytorch-lightning_version": "2.6"}, path)
    with pytest.raises(WeightsError, match="are a checkpoint of a training: make a file of it with"):
        load_weights(path)
    with pytest.raises(CommandError, match="is no checkpoint, but a file of weights that was exported: give"):
        load_trained(BUNDLED_WEIGHTS)
    with pytest.raises(WeightsError, match=r"cannot be read .*: name a file that 'neural-diffusion export' wrote"):
        load_weights(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("option", [("--noise", "speckle"), ("--iterations", "8"), ("--neighbours", "4")])
def test_settings_of_an_onnx_file_that_is_not_asked_for_are_refused(tmp_path, option):
    done = run_here("export", tmp_path / "best.ckpt", tmp_path / "w.pt", *option)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"Option '{option[0]}' is of the ONNX file only: add --onnx FILE, or leave it out.\n"


def test_a_card_of_adapted_weights_says_so_and_shows_what_was_measured_with_them(tmp_path):
    base = load_weights()
    made = {**base.metadata, "adapted": "blind-spot training on 1 scans", "adapted_from_sha256": base.sha256}
    save_weights(tmp_path / "mine.pt", base.network, {name: made[name] for name in made if name != MEASURED_AS})
    mine = load_weights(tmp_path / "mine.pt").sha256
    results = write_results(tmp_path, mine)
    content = json.loads((results / "volumes.json").read_text())
    (results / "volumes.json").write_text(json.dumps(content | {"adapted_from_sha256": base.sha256}))
    card = model_card(tmp_path / "mine.pt", results)
    assert "- Then adapted by: blind-spot training on 1 scans" in card
    assert f"- SHA-256 of the weights before that: `{base.sha256}`" in card
    assert "Not measured." not in card.partition("## Real volumes")[2]
