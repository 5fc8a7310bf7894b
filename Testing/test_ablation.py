"""The ablation on generated slices: one budget and one kind of noise for all, finished runs kept, a table."""

from __future__ import annotations

import json

import pytest
from batch_runs import run_here
from training_slices import make_slices

from NeuralDiffusionTraining.commands.ablate import ablate as ablate_here
from NeuralDiffusionTraining.data.splits import read_split
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.networks.checkpoints import load_trained

NOISE = "speckle"
U_NET, ALONE = "Plain U-Net", "Full, without refinement"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    make_slices(folder / "data")
    return folder


def ablate(folder, *more: object):
    return run_here(
        "ablate", "--data", folder / "data", "--output", folder / "runs", "--of", "competitors", "--only", U_NET,
        "--config", "smoke", "--set", "epochs=1", "--set", f"split={folder / 'data' / 'original.json'}",
        "--device", "cpu", "--noise", NOISE, "--json", folder / "table.json", *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(folder):
    done = ablate(folder)
    assert done.status == 0, done.err
    return json.loads((folder / "table.json").read_text())


def test_every_variant_has_its_rows_and_the_first_is_the_measure(finished):
    rows = {row["method"]: row for row in finished["rows"]}
    assert set(rows) == {"Noisy input", U_NET, "Full", ALONE}
    assert rows["Full"]["difference_psnr_db"]["mean"] == 0
    assert rows[U_NET]["difference_psnr_db"]["mean"] == pytest.approx(
        rows[U_NET]["psnr_db"]["mean"] - rows["Full"]["psnr_db"]["mean"]
    )
    assert (rows[ALONE]["variant"], rows[ALONE]["refined"]) == ("Full", False)
    assert (finished["kind"], finished["noise"], finished["seed"]) == ("ablation", NOISE, 0)


def test_networks_learn_the_noise_that_they_are_measured_with(folder, finished):
    for name in ("full", "plain-u-net"):
        config = load_trained(folder / "runs" / name / "best.ckpt").config
        assert list(config["sampling"]["setting_weights"]) == [0, 0, 1, 0]
    noisy = next(row for row in finished["rows"] if row["method"] == "Noisy input")
    done = run_here(
        "evaluate", "--data", folder / "data", "--split", folder / "data" / "original.json", "--noise", NOISE,
        "--neighbours", 8, "--device", "cpu", "--json", folder / "evaluated.json",
    )  # fmt: skip
    assert done.status == 0, done.err
    rows = json.loads((folder / "evaluated.json").read_text())["rows"]
    assert noisy["psnr_db"]["mean"] == next(row for row in rows if row["method"] == "Noisy input")["psnr_db"]["mean"]


def test_finished_runs_are_only_measured_again(folder, finished):
    before = [(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("runs/*/*.ckpt"))]
    assert len(before) == 4
    assert ablate(folder).status == 0
    assert [(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("runs/*/*.ckpt"))] == before
    again = json.loads((folder / "table.json").read_text())
    assert [row["psnr_db"] for row in again["rows"]] == [row["psnr_db"] for row in finished["rows"]]


def test_a_test_slice_that_cannot_be_read_is_named_before_any_training(tmp_path):
    split = make_slices(tmp_path / "data")
    damaged = tmp_path / "data" / read_split(split).test[-1]
    damaged.write_bytes(b"damaged")
    with pytest.raises(CommandError, match=f"Picture '{damaged}' cannot be read"):
        ablate_here(
            data=damaged.parents[1], output=tmp_path / "runs", of="competitors", only=[U_NET], config="smoke",
            settings=["epochs=1", f"split={split}"], device="cpu",
        )  # fmt: skip
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"noise": "salt"}, "Noise type 'salt' is not known: choose"),
        ({"only": ["None"]}, "Variant 'None' is not known: choose"),
        (
            {"settings": ["network=unet"]},
            "'network' is not possible here, where each variant .*: 'unet'.: leave it out",
        ),
        ({"config": "original"}, "'network' is not possible here, where each variant .*: 'original'.: leave it out"),
    ],
)
def test_what_does_not_exist_is_refused_before_any_training(folder, tmp_path, wrong, words):
    with pytest.raises(CommandError, match=words):
        ablate_here(data=folder / "data", output=tmp_path / "runs", **wrong)
    assert not (tmp_path / "runs").exists()
