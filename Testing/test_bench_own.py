"""`neural-diffusion bench` with a method and with weights of whoever measures."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from batch_runs import run_here

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.engine.weights import save_weights
from NeuralDiffusionLib.network.neural_diffusion import STAGES, Architecture, NeuralDiffusionNetwork
from NeuralDiffusionTraining.benchmark.own_methods import own_methods
from NeuralDiffusionTraining.speed import machine_share
from NeuralDiffusionTraining.speed.bench import bench
from NeuralDiffusionTraining.speed.bench_volume import SIGMA, add_noise, clean_volume
from NeuralDiffusionTraining.speed.large_volume import large_volume
from NeuralDiffusionTraining.speed.subjects import ours, own

SHAPE = (4, 48, 40)

OWN = """
def note(what):
    with open("given.txt", "a") as file:
        print(what, file=file)

def halve(noisy):
    note(noisy.shape)
    noisy /= 2
    return noisy

def darken(noisy, sigma):
    note(sigma)
    return noisy - sigma
"""


def test_a_method_of_ones_own_gets_the_whole_volume_in_each_call_and_its_one_level_if_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clean = clean_volume(SHAPE)
    noisy = add_noise(clean.voxels)
    (tmp_path / "mine.py").write_text(OWN)
    blind, told = own_methods([f"Half={tmp_path}/mine.py:halve"], [f"Darker={tmp_path}/mine.py:darken"])
    before = noisy.copy()
    *_, rows = bench([*ours(Denoiser("cpu"), DenoiseSettings()), *own([blind, told])], clean, noisy, 1, 0.0)
    np.testing.assert_array_equal(noisy, before)
    assert (tmp_path / "given.txt").read_text().splitlines() == [str(SHAPE), str(SIGMA)] * 2
    half, darker = rows[-2:]
    assert [(row["method"], row["group"]) for row in (half, darker)] == [("Half", "own"), ("Darker, true sigma", "own")]
    for row, made in ((half, noisy / 2), (darker, noisy - SIGMA)):
        assert row["psnr_db"] == pytest.approx(-10 * np.log10(np.mean((made - clean.voxels) ** 2)), abs=1e-3)
        assert row["ratio"] == row["median"] / rows[0]["median"]
    (subject,) = own([blind])
    assert subject.run(noisy).shape == SHAPE


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """The folder where the command measured a method and weights of one's own beside the others."""
    folder = tmp_path_factory.mktemp("measured")
    save_weights(folder / "mine.pt", NeuralDiffusionNetwork(Architecture(reach=(1,) * STAGES)), {})
    (folder / "mine.py").write_text(OWN + "\ndef flat(noisy):\n    assert len(noisy) == 3\n    return noisy\n")
    small = ("--device", "cpu", "--slices", 3, "--side", 16, "--repeats", 1, "--patience", 0, "--no-scaling")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # The matrices of the machine's peaks: small ones show as much.
        patch.setitem(machine_share._SIDES, "cpu", 256)
        done = run_here(
            "bench", *small, "--no-large", "--weights", "mine.pt", "--own", "Mine=mine.py:flat", "--json", "bench.json",
            "--markdown", "bench.md",
        )  # fmt: skip
    assert done.status == 0, done.err
    return folder


def test_the_command_writes_what_it_prints(measured):
    content = json.loads((measured / "bench.json").read_text(encoding="utf-8"))
    assert content["shape"] == [3, 16, 16]
    assert content["rows"][0]["method"] == "Neural Diffusion"
    assert content["finished"]
    assert content["machine"]["share_of_operations"] > 0
    text = (measured / "bench.md").read_text(encoding="utf-8")
    assert "16 x 16 x 3 voxels" in text
    assert all(row["method"] in text for row in content["rows"])


def test_the_command_times_and_judges_a_method_and_weights_of_ones_own(measured):
    assert "| *Methods of one's own* |" in (measured / "bench.md").read_text(encoding="utf-8")
    content = json.loads((measured / "bench.json").read_text(encoding="utf-8"))
    assert content["weights_sha256"] == hashlib.sha256((measured / "mine.pt").read_bytes()).hexdigest()
    rows = {row["method"]: row for row in content["rows"]}
    assert rows["Mine"]["group"] == "own"
    clean = clean_volume((3, 16, 16))
    denoiser = Denoiser("cpu", measured / "mine.pt")
    # The levers are those of the same weights, with the step across slices.
    for name, across in (("Neural Diffusion, no step across slices", False), ("Nothing changed", True)):
        image = denoiser(add_noise(clean.voxels), DenoiseSettings(across_slices=across)).image
        psnr = -10 * np.log10(np.mean((image - clean.voxels) ** 2))
        assert rows[name]["psnr_db"] == pytest.approx(psnr, abs=1e-3)


def test_two_methods_of_one_name_are_refused(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    done = run_here("bench", "--device", "cpu", "--own", f"Neural Diffusion={tmp_path}/mine.py:halve")
    assert (done.status, done.out) == (2, "")
    assert done.err == "Two rows of the table are called 'Neural Diffusion': give each a name of its own.\n"


def test_the_large_volume_is_denoised_with_the_weights_that_are_given(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        large_volume((2, 32, 32), weights=tmp_path / "absent.pt")
