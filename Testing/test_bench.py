"""`neural-diffusion bench`: what it times is what it says, and what it cannot time it says too. No times are tested."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from batch_runs import run_here

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionLib.classical_filters import gradient_anisotropic_diffusion
from NeuralDiffusionTraining.benchmark.run_facts import device_name
from NeuralDiffusionTraining.benchmark.volumes.evaluation import head_psnr
from NeuralDiffusionTraining.networks.unet import PlainUNet
from NeuralDiffusionTraining.reporting.readme_figures import with_figures
from NeuralDiffusionTraining.reporting.results import read_results
from NeuralDiffusionTraining.reporting.scaling_plot import plot_scaling
from NeuralDiffusionTraining.speed import machine_share as machine_share_module
from NeuralDiffusionTraining.speed import timing
from NeuralDiffusionTraining.speed.aims import aims
from NeuralDiffusionTraining.speed.bench import bench
from NeuralDiffusionTraining.speed.bench_volume import add_noise, clean_volume, in_the_middle
from NeuralDiffusionTraining.speed.large_volume import large_volume
from NeuralDiffusionTraining.speed.levers import lever_rows, without_levers
from NeuralDiffusionTraining.speed.machine_share import machine_share
from NeuralDiffusionTraining.speed.row_names import STRAIGHTFORWARD, STRAIGHTFORWARD_FULL_RESOLUTION, one_changed
from NeuralDiffusionTraining.speed.scaling import scaling
from NeuralDiffusionTraining.speed.subjects import Subject, classical, network, ours
from NeuralDiffusionTraining.speed.tables import summary, to_markdown
from NeuralDiffusionTraining.speed.timing import in_turns
from NeuralDiffusionTraining.speed.where_time_goes import ACROSS, AROUND, where_time_goes

SHAPE = (4, 48, 40)
LEVERS = ("float32", "gates in every step", "float32 and gates in every step")


@pytest.fixture(scope="module")
def clean():
    return clean_volume(SHAPE)


@pytest.fixture(scope="module")
def noisy(clean):
    return add_noise(clean.voxels)


def test_the_volume_is_a_head_in_the_middle_with_noise_that_is_always_the_same(clean, noisy):
    assert clean.voxels.shape == SHAPE
    assert clean.inside.any()
    assert np.array_equal(noisy, add_noise(clean.voxels))
    assert 0.05 < np.std(noisy - clean.voxels) < 0.12


def test_without_the_template_a_head_is_generated(monkeypatch):
    from NeuralDiffusionTraining.speed import bench_volume

    monkeypatch.setattr("NeuralDiffusionTraining.benchmark.volumes.template.find_spec", lambda name: None)
    made = bench_volume.clean_volume((6, 32, 32))
    assert made.name == "generated head"
    assert 0.1 < made.inside.mean() < 0.9


@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 7, 3), (9, 2, 8)])
def test_a_volume_is_cut_or_surrounded_alike_on_both_sides(shape):
    voxels = np.arange(1, 1 + 5 * 4 * 4).reshape(5, 4, 4)
    made = in_the_middle(voxels, shape)
    assert made.shape == shape
    # The middle voxel stays in the middle.
    assert voxels[2, 2, 2] in made
    assert abs(int((made > 0).any((1, 2)).argmax()) - int((made > 0).any((1, 2))[::-1].argmax())) <= 1


def test_without_a_lever_the_picture_is_all_but_the_same(noisy):
    settings = DenoiseSettings(across_slices=True)
    usual = Denoiser("cpu")(noisy, settings).image
    for subject in without_levers(Denoiser("cpu"), settings):
        if not subject.measured:
            continue
        # New gates in every step make another picture, the other levers none.
        closest = 35 if "every step" in subject.name or "Straightforward" in subject.name else 50
        assert -10 * np.log10(np.mean(np.square(subject.run(noisy) - usual)) + 1e-12) > closest, subject.name


def test_the_table_tells_what_the_levers_cost(noisy):
    """In rows of the same weights that compute in float32, predict gates in every step, or both."""
    denoiser, settings = Denoiser("cpu"), DenoiseSettings(iterations=8, intensity_range=(0, 1))
    names = [f"Neural Diffusion, 8 neighbours, {words}" for words in LEVERS]
    rows = {row.name: row.denoise(noisy, np.zeros(len(noisy))) for row in lever_rows(denoiser, settings)}
    assert list(rows) == names
    float32 = Denoiser("cpu", precision="float32")(noisy, settings).image
    np.testing.assert_array_equal(rows[names[0]], float32)
    held = denoiser(noisy, settings).image
    assert not np.allclose(rows[names[1]], held, atol=1e-3)
    np.testing.assert_allclose(rows[names[1]], rows[names[2]], atol=0.05)


def test_every_row_is_compared_with_the_clean_volume_and_timed_against_the_first(clean, noisy):
    same = Subject("Nothing", "classical", lambda volume: volume)
    few = Subject("Few", "classical", lambda volume: volume, slices=2)
    untrained = network("Untrained", PlainUNet(), "cpu", measured=False)
    *_, rows = bench([*ours(Denoiser("cpu"), DenoiseSettings()), same, few, untrained], clean, noisy, 2, 60.0)
    full, _unrefined, _alone, nothing, extrapolated, blind = rows
    assert full["ratio"] == 1
    assert full["psnr_db"] > nothing["psnr_db"] + 3
    assert nothing["psnr_db"] == pytest.approx(-10 * np.log10(np.mean((noisy - clean.voxels) ** 2)), abs=1e-3)
    assert nothing["above_ours_db"] == pytest.approx(nothing["psnr_db"] - full["psnr_db"])
    assert nothing["above_ours_head_db"] == pytest.approx(nothing["psnr_head_db"] - full["psnr_head_db"])
    assert blind["psnr_db"] is blind["above_ours_db"] is blind["above_ours_head_db"] is None
    # Slices 1 and 3 of 4.
    assert extrapolated["slices"] == 2
    assert extrapolated["psnr_db"] == pytest.approx(
        -10 * np.log10(np.mean((noisy - clean.voxels)[1::2] ** 2)), abs=1e-3
    )
    ours_there = replace(clean, voxels=clean.voxels[1::2], inside=clean.inside[1::2])
    of_ours = head_psnr(Denoiser("cpu")(noisy, DenoiseSettings()).image[1::2], ours_there)
    assert extrapolated["above_ours_head_db"] == pytest.approx(extrapolated["psnr_head_db"] - of_ours)
    assert all(len(row["seconds"]) == 2 and row["voxels_per_second"] > 0 for row in rows)


def test_levers_are_timed_against_ours_on_their_own_slices(clean, noisy):
    full, unchanged, lever = (
        Subject(name, group, lambda volume, share=share: share * volume, slices=slices)
        for name, group, slices, share in (
            ("Ours", "ours", 0, 0.5),
            ("Nothing changed", "lever", 2, 0.9),
            ("A lever", "lever", 2, 0.8),
        )
    )
    *_, rows = bench([full, unchanged, lever], clean, noisy, 1, 0.0)
    assert [row["ratio"] for row in rows[:2]] == [1, 1]
    assert rows[2]["ratio"] == rows[2]["median"] / rows[1]["median"]
    assert [row["above_ours_db"] for row in rows[:2]] == [0, 0]
    assert rows[2]["above_ours_db"] == pytest.approx(rows[2]["psnr_db"] - rows[1]["psnr_db"])


def test_works_take_turns_until_patience_with_each_is_out():
    done = []
    quick, slow = (lambda: done.append("quick")), (lambda: done.append("slow") or time.sleep(0.02))
    timings = dict(in_turns([quick, slow], "cpu", 3, 0.01))
    assert done == ["quick", "slow", "quick", "quick"]
    assert [len(timings[number].seconds) for number in range(2)] == [3, 1]


def test_memory_is_what_the_work_needs_beyond_what_was_held():
    held = np.ones(2**24)
    *_, (_, timing) = in_turns([lambda: np.ones(2**23).sum()], "cpu", 2, 60.0)
    if timing.peak_bytes is not None:
        # The system counts in lumps.
        assert abs(timing.peak_bytes - 2**26) < 2**24
    assert held.size == 2**24


def test_where_the_system_tells_no_memory_the_time_is_measured_all_the_same(monkeypatch, tmp_path):
    for name in ("_STATUS", "_CLEAR"):
        monkeypatch.setattr(timing, name, tmp_path / "proc" / "self")
    ((place, measured),) = in_turns([lambda: None], "cpu", 1, 0.0)
    assert (place, len(measured.seconds), measured.peak_bytes) == (0, 1, None)


def test_the_parts_add_up_to_a_run(noisy):
    parts = where_time_goes(Denoiser("cpu"), noisy, DenoiseSettings())
    assert all(seconds > 0 for seconds in parts.values())
    assert AROUND in parts
    assert ACROSS not in parts
    assert where_time_goes(Denoiser("cpu"), noisy, DenoiseSettings(across_slices=True))[ACROSS] > 0
    # Without refinement that part takes no time, and the network is as before.
    denoiser = Denoiser("cpu")
    assert where_time_goes(denoiser, noisy, DenoiseSettings(refine=False))["refinement"] == 0
    assert not denoiser.network.refinement._forward_hooks


def test_time_is_measured_along_five_axes_and_the_threads_are_as_before(noisy):
    before = torch.get_num_threads()
    curves = dict(scaling(Denoiser("cpu"), noisy, DenoiseSettings(), (1, 6), (16, 64), (1, 3), (1,), (1, 4)))
    assert torch.get_num_threads() == before
    assert [point["voxels"] for point in curves["slices"]] == [48 * 40, 6 * 48 * 40]
    assert [point["voxels"] for point in curves["side"]] == [4 * 16 * 16, 4 * 64 * 64]
    assert [point["value"] for point in curves["iterations"]] == [1, 3]
    assert len(curves["threads"]) == 1
    assert [point["voxels"] for point in curves["batch"]] == [4 * 48 * 40] * 2


def test_filters_that_are_not_installed_are_named(monkeypatch):
    from NeuralDiffusionTraining.speed import subjects

    monkeypatch.setattr(subjects, "find_spec", lambda name: None)
    rows, skipped = classical()
    assert len(rows) == 6
    assert [sentence.split()[-1] for sentence in skipped] == ["antspyx.", "opencv-python-headless.", "bm3d."]


def test_every_filter_takes_noise_away(clean, noisy):
    error = np.mean((noisy - clean.voxels)[clean.inside] ** 2)
    for subject in classical()[0]:
        if "ANTs" not in subject.name:
            assert np.mean((subject.run(noisy) - clean.voxels)[clean.inside] ** 2) < error, subject.name


def test_filters_have_the_defaults_of_the_programs_that_they_are_named_after(noisy):
    filters = {subject.name: subject.run(noisy) for subject in classical()[0] if "defaults" in subject.name}
    slicers = gradient_anisotropic_diffusion(noisy, (1.0, 1.0, 1.0))
    simple_itks = sitk.GetArrayFromImage(sitk.CurvatureAnisotropicDiffusion(sitk.GetImageFromArray(noisy)))
    np.testing.assert_array_equal(filters["Gradient anisotropic diffusion, Slicer's defaults"], slicers)
    np.testing.assert_array_equal(filters["Curvature anisotropic diffusion, SimpleITK's defaults"], simple_itks)


def test_a_plot_needs_the_scaling(tmp_path):
    done = run_here("bench", "--no-scaling", "--plot", tmp_path / "plot.png")
    assert done.status == 2
    assert "leave out --no-scaling" in done.err
    assert not list(tmp_path.iterdir())


def test_a_plot_that_cannot_be_drawn_is_refused_before_anything_is_timed(tmp_path):
    done = run_here("bench", "--plot", tmp_path / "plot.txt")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"'{tmp_path / 'plot.txt'}' is no name for a picture: let it end in .png, .svg or .pdf.\n"


def test_slices_of_a_filter_in_three_dimensions_lie_side_by_side(clean, noisy):
    seen = []
    slab = Subject("Slab", "classical", lambda volume: seen.append(volume) or volume, slices=2, slab=True)
    list(bench([Subject("Nothing", "classical", lambda volume: volume), slab], clean, noisy, 1, 0.0))
    np.testing.assert_array_equal(seen[-1], noisy[1:3])


def test_what_is_measured_is_kept_as_it_goes(tmp_path, monkeypatch, capsys):
    from NeuralDiffusionTraining.commands.bench import bench as command
    from NeuralDiffusionTraining.speed import subjects

    # The last filter is cut off in its first run, as by Ctrl-C, after it was tried on two slices.
    calls = iter([lambda picture: picture] * 2)
    monkeypatch.setattr(subjects, "find_spec", lambda name: None)
    monkeypatch.setattr(subjects, "denoise_tv_chambolle", lambda picture: next(calls, _interrupted)(picture))
    with pytest.raises(KeyboardInterrupt):
        command(
            "cpu", repeats=1, patience=0.0, slices=2, side=16, scaling=False, large=False,
            json_file=tmp_path / "bench.json",
        )  # fmt: skip
    content = json.loads((tmp_path / "bench.json").read_text())
    assert not content["finished"]
    assert content["rows"][-1]["method"] == "Non-local means (scikit-image), slice by slice"
    assert all(row["ratio"] > 0 for row in content["rows"])


def _interrupted(*_):
    raise KeyboardInterrupt


def test_a_large_volume_goes_through_in_a_process_of_its_own_and_its_memory_is_bounded():
    found = large_volume((6, 96, 128))
    assert found["input_bytes"] == 6 * 96 * 128 * 2
    assert found["output_bytes"] == 2 * 6 * 96 * 128 * 4


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process as Linux does")
def test_a_computer_that_is_too_small_for_the_large_volume_is_told_apart_from_a_fault(monkeypatch):
    run = subprocess.run
    limited = ["prlimit", f"--as={3 * 10**9}"]
    monkeypatch.setattr(subprocess, "run", lambda command, **how: run([*limited, *command], **how))
    with pytest.raises(MemoryError):
        large_volume((600, 1024, 1024))
    monkeypatch.setattr(subprocess, "run", lambda command, **how: run([sys.executable, "-c", "exit(1)"], **how))
    with pytest.raises(subprocess.CalledProcessError):
        large_volume((2, 32, 32))


def test_the_memory_beyond_input_and_output_does_not_grow_with_the_slices():
    beyond = []
    for slices in (50, 350):
        found = large_volume((slices, 256, 256))
        if found["peak_bytes"] is None:
            pytest.skip("this system does not tell the peak of a process")
        beyond.append(found["peak_bytes"] - found["input_bytes"] - found["output_bytes"])
    assert max(beyond) < 2**30
    # One more copy of the 300 further slices would be 39 MB as 16-bit integers.
    assert beyond[1] - beyond[0] < 32 * 10**6


def test_operations_are_those_of_the_network_and_the_machine_can_do_more(noisy, monkeypatch):
    # The matrices of the peaks: small ones show as much.
    monkeypatch.setitem(machine_share_module._SIDES, "cpu", 256)
    share = machine_share(Denoiser("cpu"), noisy, DenoiseSettings(), seconds=2.0)
    # 55 thousand multiply-adds for each pixel.
    assert 2.0 * share["operations_per_second"] / noisy.size == pytest.approx(2 * 55_152, rel=0.2)
    assert share["bytes_per_second"] > 0
    assert share["share_of_operations"] == pytest.approx(share["operations_per_second"] / share["peak_operations"])


def test_the_table_says_what_was_measured(tmp_path):
    row = {"method": "Ours", "group": "ours", "seconds": [5.0, 6.0, 7.0], "median": 6.0, "slices": 180, "ratio": 1.0,
           "voxels_per_second": 2e6, "peak_bytes": 2**28, "psnr_db": 34.0, "psnr_head_db": 30.0,
           "above_ours_db": 0.0}  # fmt: skip
    slow = {"method": "Slow", "group": "classical", "seconds": [60.0], "median": 60.0, "slices": 4, "ratio": 10.0,
            "voxels_per_second": 2e5, "peak_bytes": None, "psnr_db": 30.0, "psnr_head_db": 27.0,
            "above_ours_db": -4.0}  # fmt: skip
    content = {
        "shape": [180, 256, 256], "volume": "head", "sigma": 0.09, "device": "CPU", "threads": 2,
        "hardware": "x86_64, AVX2",
        "rows": [row, slow],
        "skipped": ["No BM3D."],
        "parts": {"guidance": 3.0, "gates": 1.0},
        "machine": {"operations_per_second": 1e11, "peak_operations": 2e11, "share_of_operations": 0.5,
                    "bytes_per_second": 1e10, "peak_bytes": 4e10, "share_of_bytes": 0.25},
        "scaling": {"slices": [{"value": 1, "seconds": 0.1, "voxels": 65536}]},
        "large": {"shape": [600, 1024, 1024], "iterations": 1, "seconds": 300.0, "input_bytes": 12 * 10**8,
                  "output_bytes": 5 * 10**9, "peak_bytes": 66 * 10**8},
    }  # fmt: skip
    text = to_markdown(content)
    assert "| Ours | 3 | 6 (5-7) | 2 | 256 | 34.00 | 30.00 | +0.00 | 1.00 |" in text
    assert "| Slow | 1 | 60, from 4 slices | 0.2 |  | 30.00 | 27.00 | -4.00 | 10.00 |" in text
    assert "9 % Rician noise, CPU (x86_64, AVX2), 2 threads" in text
    assert "Memory is what a run needs beyond its input, its results included. Levers" in text
    on_a_card = to_markdown(content | {"device": "NVIDIA H200"})
    assert "its results included; on the graphics card, what PyTorch allocates there. Levers" in on_a_card
    for table in (on_a_card, summary(content | {"device": "NVIDIA H200"})):
        assert "and their range. Classical filters compute on the CPU." in table
    assert "No BM3D." in text
    assert "| guidance | 3 | 75 % |" in text
    assert "0.1 of 0.2 TFLOP/s (50 %" in text
    assert "| Nanoseconds a voxel | 1526 |" in text
    assert "1024 x 1024 x 600 voxels" in text
    assert "5.00 GB): 0.40 GB." in text
    # The same stands in a README between its markers.
    (tmp_path / "bench.json").write_text(json.dumps(content | {"kind": "bench", "command": "neural-diffusion bench"}))
    assert text in with_figures("<!-- figures: speed -->\n<!-- end -->", read_results(tmp_path))
    # And in short, without levers and without how it scales.
    lever = {**row, "method": "Lever", "group": "lever"}
    short = summary(content | {"rows": [row, lever, slow]})
    assert "| Ours | 6 (5-7) | 34.00 | 30.00 | 1.00 |" in short
    assert "| Slow | 60, from 4 slices | 30.00 | 27.00 | 10.00 |" in short
    assert "Lever" not in short
    assert "guidance" not in short
    # An interrupted run has rows only.
    assert "guidance" not in to_markdown(content | {"parts": {}, "machine": {}, "scaling": {}, "large": {}})


def test_a_table_names_the_device_of_ours(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Card of {device}")
    assert [device_name(one) for one in ("cpu", "mps", "cuda:1")] == ["CPU", "MPS", "Card of cuda:1"]


def test_what_was_missed_stands_beside_what_was_reached():
    def row(name, group, ratio, psnr, head, above=0.0):
        return {"method": name, "group": group, "ratio": ratio, "psnr_db": psnr, "psnr_head_db": head,
                "above_ours_db": above}  # fmt: skip

    rows = [
        row("Ours", "ours", 1.0, 35.0, 30.0),
        row(one_changed("Good lever", "off"), "lever", 1.5, 35.04, 30.0, 0.04),
        row(one_changed("Bad lever", "off"), "lever", 1.5, 35.1, 30.0, 0.1),
        row(STRAIGHTFORWARD, "lever", 3.3, 35.1, 30.0, 0.1),
        row(STRAIGHTFORWARD_FULL_RESOLUTION, "lever", 8.0, None, None, None),
        row("Quick", "classical", 0.5, 20.0, 28.0, -15.0),
        row("Slow", "classical", 2.0, 21.0, 30.5, -14.0),
        row("Far", "classical", 0.1, 15.0, 20.0, -20.0),
        # Of a few slices, on which ours reaches more than on all of them.
        row("Easy slices", "classical", 0.1, 22.0, 31.0, -16.0) | {"above_ours_head_db": -4.0},
    ]
    curve = [{"value": 1, "seconds": 1.0, "voxels": 10**7}, {"value": 64, "seconds": 1.5, "voxels": 10**7}]
    found = dict(aims({"rows": rows, "scaling": {"iterations": curve, "slices": curve}}))
    assert found["Better PSNR than every classical filter"] == (
        "whole volume 35.00 dB, the best of them 14.00 dB less (Slow); "
        "in head 30.00 dB, the best of them 0.50 dB more (Slow)"
    )
    assert found["Faster than every classical filter within 3 dB of ours"] == (
        "whole volume: none is that near; in head: 1 of 2 are slower; faster: Quick (0.50 of our time)"
    )
    assert found["5 times as fast as the straightforward form"] == (
        "3.30 times, 8.00 times if its guidance has full resolution"
    )
    assert found["No lever costs more than 0.05 dB"] == "Bad lever: off instead, +0.10 dB"
    assert found["Cost of a voxel the same for any number of slices"] == "100 to 150 ns a voxel from 1 to 64 slices"
    assert found["A further step costs little"] == "64 steps take 1.50 times as long as 1"
    assert aims({"rows": rows[:1], "scaling": {}}) == []


def test_the_plot_shows_every_curve(tmp_path):
    curve = [{"value": value, "seconds": 0.1 * value, "voxels": 65536 * value} for value in (1, 4, 16)]
    plot_scaling(dict.fromkeys(("slices", "side", "iterations", "threads", "batch"), curve), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_damaged_template_is_no_reason_to_time_another_head(monkeypatch, tmp_path):
    from NeuralDiffusionTraining.files.command_error import CommandError
    from NeuralDiffusionTraining.speed import bench_volume

    (tmp_path / "template.nii.gz").write_bytes(b"half")
    monkeypatch.setattr(bench_volume, "find_template", lambda: tmp_path / "template.nii.gz")
    with pytest.raises(CommandError, match="template"):
        bench_volume.clean_volume((6, 32, 32))
