"""Standard error while C++ libraries read bad files, in one thread or several."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from shell import command, environment, voxels_of, write

from NeuralDiffusionTraining.files.silent_libraries import silent_libraries


def place_of_standard_error() -> tuple[int, int]:
    """Which file it is."""
    found = os.fstat(2)
    return found.st_dev, found.st_ino


def nowhere() -> tuple[int, int]:
    found = os.stat(os.devnull)
    return found.st_dev, found.st_ino


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells the open files of a process in /proc.")
def test_it_leads_nowhere_and_comes_back():
    before, files = place_of_standard_error(), len(os.listdir("/proc/self/fd"))
    with silent_libraries:
        assert place_of_standard_error() == nowhere()
    assert place_of_standard_error() == before
    assert len(os.listdir("/proc/self/fd")) == files


def test_it_comes_back_once_the_last_of_overlapping_threads_has_ended():
    before, inside, leave = place_of_standard_error(), threading.Event(), threading.Event()

    def read():
        with silent_libraries:
            inside.set()
            leave.wait()

    other = threading.Thread(target=read)
    with silent_libraries:
        other.start()
        inside.wait()
    # This thread came first and left first.
    assert place_of_standard_error() == nowhere()
    leave.set()
    other.join()
    assert place_of_standard_error() == before


@pytest.mark.skipif(os.name == "nt", reason="A shell of POSIX closes the streams.")
@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_scan_is_denoised_without_standard_error(tmp_path, closed):
    scan, clean = write(tmp_path / "scan.nrrd"), tmp_path / "clean.nrrd"
    program = command("denoise", scan, clean, "--iterations", 1, "--device", "cpu")
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *program], env=environment(), check=False)
    assert done.returncode == 0
    assert voxels_of(clean).shape == voxels_of(scan).shape
