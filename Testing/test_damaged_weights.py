"""Weights that are not what they should be: refused in one sentence, by the engine and by the command line."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from shell import write
from shell_in_process import refused

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import Denoiser, WeightsError
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights, save_weights
from NeuralDiffusionLib.network.neural_diffusion import Architecture, NeuralDiffusionNetwork


class _Payload:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def contents(**changed):
    content = torch.load(BUNDLED_WEIGHTS, weights_only=True)
    return {**content, **changed}


def with_value(value):
    state = contents()["state_dict"]
    name = next(name for name, tensor in state.items() if tensor.is_floating_point())
    state[name].view(-1)[0] = value
    return contents(state_dict=state)


def without_one_tensor():
    state = contents()["state_dict"]
    state.popitem()
    return contents(state_dict=state)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: contents(format=3), "newer version: update"),
        (lambda: contents(format=10**9), "newer version: update"),
        (lambda: contents(format=1), "another network"),
        (lambda: contents(format="2"), "another network"),
        (lambda: contents(architecture={"reach": (4, 2)}), "another network"),
        (lambda: contents(architecture={"width": 64}), "another network"),
        (lambda: contents(architecture={"reach": ("4", 2, 1, 1, 1)}), "another network"),
        (lambda: contents(state_dict={}), "another network"),
        (without_one_tensor, "another network"),
        (lambda: contents(metadata=None), "another network"),
        (lambda: with_value(float("nan")), "NaN or infinity"),
        (lambda: with_value(float("inf")), "NaN or infinity"),
    ],
)
def test_other_contents_are_refused_with_what_to_do(tmp_path, make, words):
    torch.save(make(), tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=words) as refusal:
        Denoiser("cpu", tmp_path / "other.pt")
    assert str(refusal.value).startswith(f"Weights '{tmp_path / 'other.pt'}'")
    assert str(refusal.value).count(". ") == 0


def test_a_changed_byte_is_noticed_wherever_it_changes_a_weight(tmp_path):
    file = bytearray(BUNDLED_WEIGHTS.read_bytes())
    expected = load_weights().network.state_dict()
    refusals = 0
    for place in np.random.default_rng(0).integers(0, len(file), 25):
        file[place] ^= 0x10
        (tmp_path / "changed.pt").write_bytes(file)
        file[place] ^= 0x10
        try:
            found = load_weights(tmp_path / "changed.pt").network.state_dict()
        except WeightsError:
            refusals += 1
        else:
            # What lies between the tensors is read by nobody.
            assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert refusals > 20


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.5, 0.9, 0.9999])
def test_a_file_that_was_cut_is_damaged(tmp_path, share):
    file = BUNDLED_WEIGHTS.read_bytes()
    (tmp_path / "cut.pt").write_bytes(file[: int(share * len(file))])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(tmp_path / "cut.pt")


def test_a_folder_is_no_file_of_weights(tmp_path):
    with pytest.raises(WeightsError, match="Is a directory"):
        load_weights(tmp_path)


class TestCode:
    """Python's pickle runs what a file tells it to; nothing of that happens here."""

    def files(self, folder: Path) -> list[Path]:
        payload = _Payload(folder / "executed")
        pickled = pickle.dumps(payload)
        (folder / "pickle.pt").write_bytes(pickled)
        torch.save(contents(metadata=payload), folder / "metadata.pt")
        torch.save(payload, folder / "all.pt")
        torch.save(payload, folder / "old.pt", _use_new_zipfile_serialization=False)
        with zipfile.ZipFile(folder / "zip.pt", "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
            archive.writestr("archive/version", "3\n")
        return sorted(folder.glob("*.pt"))

    def test_it_is_not_run_but_refused(self, tmp_path):
        for path in (files := self.files(tmp_path)):
            with pytest.raises(WeightsError, match="damaged"):
                load_weights(path)
        assert len(files) == 5
        assert not (tmp_path / "executed").exists()

    def test_the_same_file_would_run_it_elsewhere(self, tmp_path):
        self.files(tmp_path)
        pickle.loads((tmp_path / "pickle.pt").read_bytes())
        assert (tmp_path / "executed").is_dir()


@pytest.fixture
def unusable(tmp_path):
    """A folder of weights that cannot be used; one file would make the folder `executed`."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "cut.pt").write_bytes(BUNDLED_WEIGHTS.read_bytes()[:10_000])
    torch.save(contents(format=3), folder / "newer.pt")
    torch.save(contents(architecture={"width": 64}), folder / "other.pt")
    torch.save(with_value(float("nan")), folder / "broken.pt")
    torch.save(contents(metadata=_Payload(folder / "executed")), folder / "code.pt")
    changed = bytearray(BUNDLED_WEIGHTS.read_bytes())
    changed[len(changed) // 2] ^= 0x10
    (folder / "checksum.pt").write_bytes(changed)
    yield folder
    assert not (folder / "executed").exists()


UNUSABLE = ["missing.pt", "cut.pt", "newer.pt", "other.pt", "broken.pt", "code.pt", "checksum.pt"]


@pytest.mark.parametrize("name", UNUSABLE)
def test_the_command_line_refuses_in_one_sentence(tmp_path, unusable, name):
    scan = write(tmp_path / "scan.nrrd")
    assert name in refused(scan, tmp_path / "clean.nrrd", "--weights", unusable / name)


@pytest.mark.parametrize("name", UNUSABLE)
def test_the_module_refuses_and_the_scene_stays_as_it_was(monkeypatch, unusable, add_volume, state, name):
    monkeypatch.setattr(Denoiser.__init__, "__defaults__", ("cpu", unusable / name, "fast"))
    logic, volume = NeuralDiffusionLogic(), add_volume()
    output = logic.addOutputVolume(volume)
    before = state()
    with pytest.raises(WeightsError, match=name):
        logic.process(volume, output)
    assert state() == before


def test_an_architecture_of_its_own_is_read_back(tmp_path):
    network = NeuralDiffusionNetwork(Architecture(reach=(2, 2, 1, 1, 1), dropout=0.1))
    save_weights(tmp_path / "own.pt", network, {})
    assert load_weights(tmp_path / "own.pt").network.architecture == network.architecture
