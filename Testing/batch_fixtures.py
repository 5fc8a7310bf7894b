"""Scans, datasets and a scheduler for the tests of `neural-diffusion batch`."""

from __future__ import annotations

import pytest
from batch_runs import write_scan
from distributed import LocalCluster


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def study(folder):
    (folder / "study").mkdir()
    (folder / "study" / "dataset_description.json").write_text('{"Name": "Study", "BIDSVersion": "1.8.0"}')
    write_scan(folder / "study" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    return folder / "study"


@pytest.fixture(scope="module")
def address():
    """A scheduler that is there already, with two workers."""
    # A free port for its page: other tests may run beside.
    page = {"dashboard_address": "127.0.0.1:0", "env": {"OMP_NUM_THREADS": "1"}}
    with LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=None, **page) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def three(tmp_path):
    for number in range(3):
        write_scan(tmp_path / "scans" / f"scan{number}.nii", number)
    return tmp_path / "scans"
