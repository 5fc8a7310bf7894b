"""How a cohort scales: the model's laws, and the table with what was measured, given and assumed."""

from __future__ import annotations

import json

import pytest
from batch_runs import run_here, write_scan

from NeuralDiffusionTraining.cohort.throughput import Quantity, ScanCost, Site, host_cores, saturation, speed


def cost(core=20.0, host=2.0, gpu=0.5, megabytes=20.0):
    return ScanCost(*(Quantity(value, "given") for value in (core, host, gpu, megabytes)))


def site(start_up=10.0, storage=1000.0, tasks=500.0):
    return Site(*(Quantity(value, "given") for value in (start_up, storage, tasks)))


def on_cores(cores, scans=100_000, **numbers):
    return speed(cores, 20.0, "cores", cost(), site(**numbers), scans)


def test_below_saturation_it_is_as_fast_as_there_are_cores():
    one, hundred = on_cores(1), on_cores(100)

    assert one.rate == pytest.approx(1 / 20)
    assert hundred.rate == pytest.approx(100 / 20)
    assert one.limit == hundred.limit == "cores"
    assert hundred.hours == pytest.approx((10 + 100_000 * 20 / 100) / 3600)


@pytest.mark.parametrize(
    ("numbers", "most", "limit", "rate"),
    [({}, 1000, "storage", 50), ({"tasks": 20.0}, 400, "scheduler", 20), ({"storage": 1.0}, 1, "storage", 0.05)],
)
def test_it_saturates_at_the_slowest_thing_that_workers_share(numbers, most, limit, rate):
    assert saturation(20.0, cost(), site(**numbers)) == (most, limit)
    assert on_cores(10 * most, **numbers).limit == limit
    for cores in (most, 2 * most, 100 * most):
        assert on_cores(cores, **numbers).rate == pytest.approx(rate)


def test_no_core_does_part_of_a_scan():
    assert on_cores(100, scans=101).hours == pytest.approx((10 + 40) / 3600)


def test_a_gpu_is_kept_busy_while_others_read_and_write():
    assert host_cores(cost(host=2.0, gpu=0.5)) == 5
    assert host_cores(cost(host=0.0)) == 1


def test_the_table_says_what_was_measured_what_given_and_what_assumed(tmp_path):
    for number in range(3):
        write_scan(tmp_path / "scans" / f"scan{number}.nii", number)
    assert run_here("batch", tmp_path / "scans" / "*", tmp_path / "clean", "--workers", 1).status == 0

    done = run_here("scale", tmp_path / "clean", "--gpu-seconds", 0.25, "--markdown", tmp_path / "table.md")

    assert done.status == 0, done
    assert (tmp_path / "table.md").read_text() == done.out
    origins = {cells[1]: cells[3] for cells in _rows(done.out)[2:9]}
    assert origins["Seconds a scan on one CPU core"] == "measured: median per voxel of 3 scans"
    assert origins["MB read and written for a scan"] == "measured: mean of 3 scans"
    assert origins["Seconds until a worker is ready"].startswith("measured here")
    assert origins["Tasks a second of the scheduler"].startswith("measured here")
    assert origins["Seconds of a GPU to denoise a scan"] == "given"
    assert origins["MB a second of the shared storage"] == "assumed"
    assert "Hours for 100,000 scans" in done.out
    assert "CPU cores saturate at" in done.out
    assert "GPUs saturate at" in done.out
    assert "No GPU was measured here" in done.out
    assert "waiting for each other" not in done.out


def test_given_numbers_give_the_table_without_measuring(tmp_path):
    (tmp_path / "scan.json").write_text(
        '{"NeuralDiffusion": {"Device": "cuda:0", "Voxels": 1000, "Bytes": {"Input": 1, "Output": 2}, '
        '"Seconds": {"Read": 1, "Denoise": 0.5, "Write": 2}}}'
    )
    given = ("--start-up", 10, "--tasks", 500, "--megabytes", 20, "--storage", 1000)

    done = run_here("scale", tmp_path, *given, "--scans", 7200)

    assert "CPU cores saturate" not in done.out
    assert ["", "4", "28,800", "7,200", "0.253", "GPUs", ""] in _rows(done.out)
    assert "GPUs saturate at 25, where the storage is full, at 180,000 scans an hour." in done.out
    assert "Each GPU needs 7 CPU cores" in done.out
    assert "No GPU was measured" not in done.out
    assert "If workers of the batch shared a GPU, the seconds of a GPU count their waiting for each other" in done.out


def test_a_core_reads_denoises_and_writes(tmp_path):
    (tmp_path / "scan.json").write_text(
        '{"NeuralDiffusion": {"Device": "cpu", "Voxels": 1000, "Bytes": {"Input": 1, "Output": 2}, '
        '"Seconds": {"Read": 1, "Denoise": 20, "Write": 4}}}'
    )

    done = run_here("scale", tmp_path, "--start-up", 10, "--tasks", 500)

    seconds = {cells[1]: cells[2] for cells in _rows(done.out) if cells[3].startswith("measured")}
    assert seconds["Seconds a scan on one CPU core"] == "25"
    assert seconds["Seconds of a core to read, check and write a scan"] == "5"


def test_scans_of_several_sizes_cost_what_they_cost_on_average(tmp_path):
    # The first took longer, as the first of a worker does.
    for number, (size, denoise) in enumerate([(1, 5), (1, 2), (1, 2), (9, 18), (9, 18)]):
        record = {
            "Device": "cpu",
            "Voxels": size * 1_000_000,
            "Bytes": {"Input": size * 1_000_000, "Output": size * 1_000_000},
            "Seconds": {"Read": 0.1 * size, "Denoise": denoise, "Write": 0.1 * size},
        }
        (tmp_path / f"scan{number}.json").write_text(json.dumps({"NeuralDiffusion": record}))

    done = run_here("scale", tmp_path, "--start-up", 10, "--tasks", 500)

    values = {cells[1]: cells[2] for cells in _rows(done.out)[2:9]}
    assert values["Seconds a scan on one CPU core"] == "9.24"
    assert values["Seconds of a core to read, check and write a scan"] == "0.84"
    assert values["MB read and written for a scan"] == "8.4"
    assert values["Seconds of a GPU to denoise a scan"] == "0.0532"


def test_without_a_gpu_its_table_is_said_not_to_be_measured(tmp_path):
    (tmp_path / "scan.json").write_text(
        '{"NeuralDiffusion": {"Device": "cpu", "Voxels": 7900000, "Bytes": {"Input": 1, "Output": 2}, '
        '"Seconds": {"Read": 1, "Denoise": 20, "Write": 2}}}'
    )

    done = run_here("scale", tmp_path, "--start-up", 10, "--tasks", 500)

    origin = "assumed, not measured: 79 million voxels a second"
    assert ["", "Seconds of a GPU to denoise a scan", "0.1", origin, ""] in _rows(done.out)
    assert "No GPU was measured here" in done.out


def test_a_folder_that_is_not_there_is_told_from_one_without_a_batch(tmp_path):
    done = run_here("scale", tmp_path / "absent")

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"Folder '{tmp_path / 'absent'}' does not exist: ")


def test_a_folder_without_a_batch_is_refused(tmp_path):
    done = run_here("scale", tmp_path)

    assert done.status == 2
    assert "holds no scan that 'neural-diffusion batch' wrote" in done.err


@pytest.mark.parametrize(
    "record",
    [
        {"Seconds": {"Denoise": 1, "Write": 2}},
        {"Seconds": 5},
        {"Seconds": {"Read": 1, "Denoise": 0, "Write": 2}},
        {"Seconds": {"Read": "1", "Denoise": 1, "Write": 2}},
        {"Bytes": {"Input": 0, "Output": 0}},
        {"Bytes": {"Input": 1, "Output": float("inf")}},
        {"Voxels": None},
        {"Device": None},
    ],
    ids=str,
)
def test_a_record_that_does_not_tell_what_its_scan_took_is_named(tmp_path, record):
    whole = {"Device": "cpu", "Voxels": 1000, "Bytes": {"Input": 1, "Output": 2},
             "Seconds": {"Read": 1, "Denoise": 1, "Write": 2}}  # fmt: skip
    (tmp_path / "scan.json").write_text(json.dumps({"NeuralDiffusion": whole | record}))

    done = run_here("scale", tmp_path, "--start-up", 1, "--tasks", 500)

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"{tmp_path / 'scan.json'} does not tell what its scan took: remove it")


def test_a_folder_that_is_named_like_a_record_is_none(tmp_path):
    (tmp_path / "x.json").mkdir()

    done = run_here("scale", tmp_path)

    assert done.status == 2
    assert "holds no scan that 'neural-diffusion batch' wrote" in done.err


def _rows(text):
    return [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.startswith("|")]
