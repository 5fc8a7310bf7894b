"""Whole volumes: ours against filters in three dimensions, on the same noise, judged inside the head."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from batch_runs import run_here
from skimage.metrics import structural_similarity

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionTraining.benchmark.volumes import bm4d as volume_bm4d
from NeuralDiffusionTraining.benchmark.volumes.evaluation import (
    CLINICAL_SIGMAS,
    EVALUATION_SEED,
    VolumeRow,
    add_noise,
    draw_of,
    evaluate_volume,
    head_psnr,
    head_ssim,
    prepare_volume,
)
from NeuralDiffusionTraining.benchmark.volumes.methods import (
    NOISY_INPUT,
    OURS,
    OURS_ACROSS,
    OURS_DIFFUSED,
    OURS_THREE_PLANES,
    NoisyVolume,
    VolumeMethod,
    ours,
)
from NeuralDiffusionTraining.benchmark.volumes.peers import LEAST_SLICES, PEERS, invert_rice_mean
from NeuralDiffusionTraining.benchmark.volumes.tables import harm_sentences, loss_sentences, to_csv, to_markdown
from NeuralDiffusionTraining.benchmark.volumes.template import TEMPLATE_NAME
from NeuralDiffusionTraining.benchmark.volumes.tuning import (
    TUNING_SEED,
    best_parameters,
    choose_parameters,
    committed_grid,
    measure_grid,
    tuned_peers,
)
from NeuralDiffusionTraining.commands.evaluate_volumes import read_clean
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.words import counted

UNIT = (1.0, 1.0, 1.0)
SIGMA = 0.09


def ball(size: int = 32, level: float = 500.0) -> np.ndarray:
    """A bright ball with a darker core in air, (size, size, size), in a scanner's units."""
    axes = np.meshgrid(*(np.linspace(-1, 1, size),) * 3, indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    return (level * (radius < 0.85) - 0.5 * level * (radius < 0.4)).astype(np.float32)


@pytest.fixture(scope="module")
def clean():
    return prepare_volume("ball", ball(), UNIT)


@pytest.fixture(scope="module")
def rows(clean):
    """Everything that can be measured here, on a ball at 9 %."""
    denoiser = Denoiser("cpu")
    methods, _ = tuned_peers(clean.sha256)
    return evaluate_volume([*ours(denoiser, DenoiseSettings()), *methods], clean, (SIGMA,))


def test_every_method_improves_the_volume_and_is_judged_on_the_same_noise(rows, clean):
    noisy = add_noise(clean, SIGMA, draw_of(SIGMA))
    by_name = {row.method: row for row in rows}
    assert rows[0].method == NOISY_INPUT
    assert by_name[NOISY_INPUT].psnr_head_db == head_psnr(noisy.voxels, clean)
    assert {OURS, OURS_DIFFUSED, OURS_THREE_PLANES} < by_name.keys()
    assert {peer.name for peer in PEERS if peer.package is None} < by_name.keys()
    for row in rows[1:]:
        assert row.psnr_head_db > rows[0].psnr_head_db + 1, row
        assert row.ssim_head > rows[0].ssim_head, row
        assert not row.below_noisy
        assert row.seconds > 0


def test_ours_is_blind_and_says_what_it_estimated_and_filters_are_told(rows):
    for row in rows:
        if row.method.startswith("Neural Diffusion"):
            assert row.noise_level == "estimated"
            assert row.estimated_sigma == pytest.approx(SIGMA, rel=0.15)
        else:
            assert row.estimated_sigma is None
            assert row.noise_level == ("none" if row.method == NOISY_INPUT else "true")


def test_the_level_is_kept_from_methods_that_are_not_told(clean):
    seen = {}

    def look(noisy: NoisyVolume, name: str) -> tuple[np.ndarray, None]:
        seen[name] = noisy.sigma
        return noisy.voxels, None

    methods = [VolumeMethod(name, name, lambda noisy, name=name: look(noisy, name)) for name in ("estimated", "true")]
    evaluate_volume(methods, clean, (0.05,))
    assert np.isnan(seen["estimated"])
    assert seen["true"] == 0.05


def test_harm_is_noticed(clean):
    blank = VolumeMethod("Blank", "none", lambda noisy: (np.zeros_like(noisy.voxels), None))
    found = evaluate_volume([blank], clean, (0.01, 0.05))
    assert [row.below_noisy for row in found] == [False, True, False, True]
    assert harm_sentences(found) == ["Blank fell below the noisy input in 2 of 2 cases: ball at 1 %, 5 %."]
    assert harm_sentences(found[:1]) == ["No method fell below the noisy input anywhere."]


def test_figures_are_of_the_head_alone(clean):
    image = np.where(clean.inside, clean.voxels, 9)
    assert head_psnr(image, clean) == np.inf
    assert head_psnr(np.where(clean.inside, clean.voxels + 0.1, 9), clean) == pytest.approx(20, abs=1e-3)
    noisy = add_noise(clean, 0.1, 0).voxels
    maps = [
        structural_similarity(
            truth, one, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
        )[1]
        for truth, one in zip(clean.voxels, noisy, strict=True)
    ]
    assert head_ssim(noisy, clean) == pytest.approx(np.stack(maps)[clean.inside].mean(), abs=1e-5)


def test_slab_is_the_middle_one_with_range_and_head_of_the_whole_scan():
    voxels = ball()
    voxels[1, 15:18, 15:18] = -7
    whole, slab = prepare_volume("a", voxels, UNIT), prepare_volume("b", voxels, UNIT, slices=6)
    np.testing.assert_array_equal(slab.voxels, whole.voxels[13:19])
    np.testing.assert_array_equal(slab.inside, whole.inside[13:19])
    assert slab.sha256 == whole.sha256
    assert whole.voxels.min() == 0
    assert whole.voxels.max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (np.zeros((4, 16, 16)), "'scan' shows no head"),
        (np.full((4, 16, 16), np.nan), "NaN"),
        (np.ones((4, 16, 10)), "16 x 10 pixels"),
    ],
)
def test_scans_that_cannot_be_measured_are_refused(voxels, message):
    with pytest.raises(CommandError, match=message):
        prepare_volume("scan", voxels, UNIT)


def test_noise_of_evaluation_is_fixed_and_is_not_that_of_tuning(clean):
    first, again = add_noise(clean, 0.1, 2), add_noise(clean, 0.1, 2)
    np.testing.assert_array_equal(first.voxels, again.voxels)
    assert EVALUATION_SEED == 42
    assert not np.array_equal(first.voxels, add_noise(clean, 0.1, 3).voxels)
    assert not np.array_equal(first.voxels, add_noise(clean, 0.1, 2, TUNING_SEED).voxels)


def test_the_noise_of_a_level_is_the_same_whichever_others_are_measured(clean):
    def noisy(*sigmas):
        return {row.sigma: row.psnr_head_db for row in evaluate_volume([], clean, sigmas)}

    every = noisy(*CLINICAL_SIGMAS, 0.07)
    for sigma in (0.01, 0.09, 0.07):
        assert noisy(sigma) == {sigma: every[sigma]}
    assert len({draw_of(sigma) for sigma in (*CLINICAL_SIGMAS, 0.07, 0.0701)}) == len(CLINICAL_SIGMAS) + 2
    assert [draw_of(sigma) for sigma in CLINICAL_SIGMAS] == [0, 1, 2, 3, 4]


def test_where_voxels_are_cubes_a_step_across_slices_helps_and_three_planes_help_more(rows):
    psnr = {row.method: row.psnr_head_db for row in rows}
    assert psnr[OURS_THREE_PLANES] > psnr[OURS_ACROSS] > psnr[OURS]


def test_thick_slices_get_no_step_as_everywhere_else(clean):
    thick = replace(add_noise(clean, SIGMA, 0), voxels=add_noise(clean, SIGMA, 0).voxels[::4], spacing=(4.0, 1.0, 1.0))
    methods = {method.name: method for method in ours(Denoiser("cpu"), DenoiseSettings(iterations=1))}
    images = [methods[name].denoise(thick)[0] for name in (OURS, OURS_ACROSS)]
    np.testing.assert_array_equal(*images)


def test_diffusion_filters_work_in_three_dimensions_and_know_the_spacing():
    # A line across the slices: smoothed along it in 3-D, and not at all if the slices are far apart.
    voxels = np.zeros((9, 15, 15), np.float32)
    voxels[4] = 0.3
    for peer in PEERS[:2]:
        parameters = {"conductance": 4.0, "iterations": 3}
        near, far = (peer.run(NoisyVolume(voxels, 1e-6, (size, 1.0, 1.0)), parameters) for size in (1.0, 50.0))
        assert near[4, 7, 7] < 0.28, peer.name
        assert far[4, 7, 7] == pytest.approx(0.3, abs=5e-3), peer.name


def test_inversion_takes_the_bias_of_the_air_away():
    mean = np.full((2, 4, 4), 0.1 * np.sqrt(np.pi / 2), np.float32)
    np.testing.assert_allclose(invert_rice_mean(mean, 0.1), 0, atol=5e-3)


def test_parameters_are_those_that_were_best_on_the_other_scans():
    peer = PEERS[0]
    entries = [
        {"parameters": {"iterations": 1}, "psnr_head_db": [[9.0, 1.0], [1.0, 1.0]]},
        {"parameters": {"iterations": 2}, "psnr_head_db": [[1.0, 2.0], [2.0, 2.0]]},
    ]
    for entry in entries:
        entry["psnr_head_db"].append([99.0 * entry["parameters"]["iterations"]] * 2)
    scans = [{"name": name, "sha256": name} for name in ("a", "b")] + [{"name": TEMPLATE_NAME, "sha256": "c"}]
    grid = {"sigmas": [0.01, 0.1], "scans": scans, "peers": {peer.name: entries}}
    assert choose_parameters(grid, peer, "a", 0.01) == {"iterations": 2}
    assert choose_parameters(grid, peer, "b", 0.01) == {"iterations": 1}
    assert choose_parameters(grid, peer, "c", 0.02) == {"iterations": 1}
    assert best_parameters(grid, peer, "b", 0.01) == {"iterations": 2}
    assert best_parameters(grid, peer, "c", 0.01) == {"iterations": 2}
    assert choose_parameters(grid, peer, "b", 0.09) == {"iterations": 2}
    del grid["scans"][1]
    with pytest.raises(ValueError, match="other than the one"):
        choose_parameters(grid, peer, "a", 0.01)


def test_committed_parameters_cover_every_peer_every_level_and_the_whole_grid():
    grid = committed_grid()
    assert tuple(grid["sigmas"]) == CLINICAL_SIGMAS
    assert grid["seed"] == TUNING_SEED
    assert len({scan["sha256"] for scan in grid["scans"]}) >= 3
    assert grid["command"].startswith("neural-diffusion tune-volumes")
    for peer in PEERS:
        entries = grid["peers"][peer.name]
        assert [entry["parameters"] for entry in entries] == peer.grid()
        assert np.shape([entry["psnr_head_db"] for entry in entries]) == (
            len(entries),
            len(grid["scans"]),
            len(CLINICAL_SIGMAS),
        )


def test_a_scan_that_was_tuned_on_gets_a_row_with_its_own_best_parameters():
    known, _ = tuned_peers(committed_grid()["scans"][0]["sha256"])
    unknown, skipped = tuned_peers("another")
    installed = [peer.name for peer in PEERS if peer.installed]
    assert [method.name for method in unknown] == installed
    assert len(skipped) == len(PEERS) - len(installed)
    assert [method.name for method in known] == [
        name for one in installed for name in (one, f"{one}, best for this scan")
    ]


def test_grid_measures_each_combination_on_each_scan(clean):
    other = prepare_volume("other", ball(20), UNIT, 6)
    peer = replace(PEERS[0], choices={"conductance": (1.0, 2.0), "iterations": (1, 2)})
    calls = []
    grid = measure_grid([clean, other], [peer], (0.05,), lambda: calls.append(1))
    assert len(calls) == 2 * len(peer.grid())
    entry = grid["peers"][peer.name][3]
    expected = head_psnr(peer.run(add_noise(other, 0.05, 0, TUNING_SEED), entry["parameters"]), other)
    assert entry["psnr_head_db"][1] == [pytest.approx(expected, abs=1e-3)]


def test_bm4d_is_asked_for_and_missing_is_a_sentence(monkeypatch):
    monkeypatch.setattr(volume_bm4d, "find_spec", lambda name: None)
    with pytest.raises(CommandError, match="needs the package bm4d"):
        volume_bm4d.bm4d()


def test_tables_hold_every_row(rows):
    markdown = to_markdown(rows)
    assert "**ball**" in markdown
    read = list(csv.DictReader(io.StringIO(to_csv(rows))))
    for row, line in zip(rows, read, strict=True):
        assert line["method"] == row.method
        assert float(line["psnr_head_db"]) == row.psnr_head_db
        assert f"| {row.method} | {row.noise_level} | {row.psnr_head_db:.2f} / {row.ssim_head:.3f} |" in markdown


def test_where_a_filter_beats_ours_is_said():
    def row(method: str, told: str, psnr: float) -> VolumeRow:
        return VolumeRow("scan", 0.05, method, told, psnr, 0.9, 1.0, False)

    own = [row(OURS, "estimated", 30.0), row(OURS_THREE_PLANES, "estimated", 31.5)]
    assert loss_sentences([*own, row("Filter", "true", 31.0)]) == [
        f"Filter is above {OURS} in 1 of 1 cases, by up to 1.00 dB: scan at 5 %."
    ]
    assert loss_sentences([*own, row("Filter", "true", 29.0)]) == []


def test_where_a_method_of_ones_own_that_is_told_nothing_beats_ours_is_said_and_the_noisy_input_is_none():
    def row(method: str, told: str, psnr: float) -> VolumeRow:
        return VolumeRow("scan", 0.05, method, told, psnr, 0.9, 1.0, False)

    rows = [row(NOISY_INPUT, "none", 40.0), row(OURS, "estimated", 30.0), row(OURS_DIFFUSED, "estimated", 35.0)]
    assert loss_sentences([*rows, row("Mine", "none", 31.0)]) == [
        f"Mine is above {OURS} in 1 of 1 cases, by up to 1.00 dB: scan at 5 %."
    ]


def test_mixed_noise_is_removed_without_being_told_which_it_is(clean):
    truth, denoiser = clean.voxels[12:20], Denoiser("cpu")
    random = np.random.default_rng(0)
    inside = clean.inside[12:20]
    speckled = np.maximum(truth * (1 + 0.15 * random.standard_normal(truth.shape)), 0).astype(np.float32)
    for noisy in (add_noise(clean, 0.1, 0).voxels[12:20], speckled):
        image = denoiser(noisy, DenoiseSettings(noise="mixed")).image
        before, after = (np.mean(np.square((one - truth)[inside])) for one in (noisy, image))
        assert after < 0.7 * before


def test_a_scan_is_cut_into_the_slices_of_its_acquisition_wherever_their_axis_lies(tmp_path):
    files = [tmp_path / "axial.nrrd", tmp_path / "sagittal.nrrd"]
    for path, axis in zip(files, (0, 2), strict=True):
        image = sitk.GetImageFromArray(np.moveaxis(ball(24), 0, axis))
        image.SetSpacing([5.0 if 2 - number == axis else 1.0 for number in range(3)])
        sitk.WriteImage(image, str(path))
    axial, sagittal = read_clean(files, False, 6, 2)
    np.testing.assert_array_equal(axial.voxels, sagittal.voxels)
    assert axial.spacing == sagittal.spacing == (5.0, 1.0, 1.0)
    assert axial.sha256 == sagittal.sha256


def test_command_measures_scans_and_writes_the_rows(tmp_path):
    scan = tmp_path / "ball.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(ball(24)), str(scan))
    arguments = (scan, "--sigma", 0.05, "--slices", 6, "--iterations", 4, "--device", "cpu", "--no-peers")
    files = {name: tmp_path / f"rows.{name}" for name in ("json", "csv", "markdown")}
    done = run_here("evaluate-volumes", *arguments, *(part for name in files for part in (f"--{name}", files[name])))
    assert done.status == 0, done.err
    content = json.loads(files["json"].read_text(encoding="utf-8"))
    assert content["kind"] == "volumes"
    assert content["slices"] == 6
    ours = [OURS, OURS_DIFFUSED, OURS_ACROSS, OURS_THREE_PLANES]
    assert [row["method"] for row in content["rows"]] == [NOISY_INPUT, *ours]
    assert "ball.nrrd" in files["markdown"].read_text(encoding="utf-8")
    assert files["csv"].read_text(encoding="utf-8").count("\n") == 6
    refused = run_here("evaluate-volumes", tmp_path / "none.nrrd")
    assert refused.status == 2
    assert refused.err.endswith("none.nrrd' does not exist: name a NIfTI, NRRD or MetaImage file.\n")


def test_a_noise_level_that_is_given_twice_is_measured_once(tmp_path):
    scan = tmp_path / "ball.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(ball(24)), str(scan))
    table = tmp_path / "rows.md"
    done = run_here(
        "evaluate-volumes", scan, "--sigma", 0.05, "--sigma", "0.050", "--slices", 2, "--iterations", 1, "--no-peers",
        "--device", "cpu", "--markdown", table,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "| Method | Noise level | 5 % | Seconds |" in table.read_text(encoding="utf-8")
    assert all(line.count("|") == 5 for line in table.read_text(encoding="utf-8").splitlines() if line.startswith("|"))


@pytest.mark.parametrize(
    ("arguments", "slices", "least"),
    [
        (("evaluate-volumes", "--device", "cpu"), 4, 5),
        (("evaluate-volumes", "--device", "cpu", "--no-peers"), 1, 2),
        (("tune-volumes", "--json", "grid.json"), 4, 5),
    ],
    ids=["with filters", "without", "tuning"],
)
def test_a_scan_with_too_few_slices_for_three_dimensions_is_refused(tmp_path, monkeypatch, arguments, slices, least):
    monkeypatch.chdir(tmp_path)
    sitk.WriteImage(sitk.GetImageFromArray(ball(24)), "ball.nrrd")
    done = run_here(*arguments, "ball.nrrd", "--slices", slices)
    assert (done.status, done.out) == (2, "")
    assert done.err == (
        f"Scan 'ball.nrrd' has {counted(slices, 'slice')} to be measured, but methods in three dimensions need "
        f"{least}: give another scan, or more --slices.\n"
    )


def test_all_filters_take_the_fewest_slices(clean):
    few = replace(clean, voxels=clean.voxels[10 : 10 + LEAST_SLICES], inside=clean.inside[10 : 10 + LEAST_SLICES])
    noisy = add_noise(few, SIGMA, 0)
    for peer in PEERS:
        for parameters in peer.grid() if peer.installed else ():
            assert np.isfinite(head_psnr(peer.run(noisy, parameters), few)), (peer.name, parameters)
