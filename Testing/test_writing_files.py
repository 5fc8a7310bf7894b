"""What the command line leaves on a disk that is full, beside another process, and when it is stopped."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress
from shell import command, environment, files_in, head, rest, voxels_of, write
from shell_in_process import denoised, refused, run

from NeuralDiffusionLib.engine import denoiser as engine

pytest_plugins = ("small_disk",)


class TestFullDisk:
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
    def test_nothing_is_left_on_it_and_a_former_result_stays(self, tmp_path, small_disk, suffix):
        scan = write(tmp_path / "scan.nrrd", head(np.float32, (30, 40, 40)))
        output = small_disk / f"clean{suffix}"
        output.write_text("a former result")
        assert "could not be written" in refused(scan, output, "--overwrite", "--iterations", "1")
        assert files_in(small_disk) == {output.name: b"a former result"}

    def test_a_map_that_does_not_fit_takes_the_scan_with_it(self, tmp_path, small_disk):
        scan = write(tmp_path / "scan.nii", head(np.uint8, (20, 40, 40)))
        sentence = refused(scan, small_disk / "clean.nii", "--conduction", small_disk / "map.nii", "--iterations", "1")
        assert "could not be written" in sentence
        assert files_in(small_disk) == {}

    def test_what_fits_is_written(self, tmp_path, small_disk):
        scan = write(tmp_path / "scan.nii", head(np.uint8, (20, 40, 40)))
        assert denoised(scan, small_disk / "clean.nii").voxels.dtype == np.uint8


def start(folder: Path, *arguments: object) -> tuple[subprocess.Popen, int]:
    """Start `denoise` on a terminal in a folder; give the process and the terminal's end."""
    terminal, process_side = pty.openpty()
    process = subprocess.Popen(
        command("denoise", *arguments),
        cwd=folder,
        env={**environment(), "TERM": "xterm"},
        stdout=process_side,
        stderr=process_side,
    )
    os.close(process_side)
    return process, terminal


def wait_for(terminal: int, words: bytes) -> bytes:
    shown = b""
    while words not in shown:
        shown += os.read(terminal, 1000)
    return shown


class TestTwoAtOnce:
    def test_a_file_that_appears_meanwhile_is_not_replaced(self, tmp_path):
        write(tmp_path / "scan.nii", head(np.int16, (400, 64, 64)))
        process, terminal = start(tmp_path, "scan.nii", "clean.nii")
        shown = wait_for(terminal, b"/400")
        (tmp_path / "clean.nii").write_text("of another process")
        shown += rest(terminal)
        assert process.wait() == 2
        assert b"clean.nii appeared while the scan was denoised" in shown
        assert (tmp_path / "clean.nii").read_text() == "of another process"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["clean.nii", "scan.nii"]

    def test_two_that_replace_the_same_file_leave_one_whole_result(self, tmp_path):
        results = []
        for number, level in enumerate((20.0, 60.0)):
            scan = write(tmp_path / f"scan{number}.nii", head(np.int16, (6, 24, 20), level))
            results.append(denoised(scan, tmp_path / f"alone{number}.nii").voxels)
        processes = [
            subprocess.Popen(
                command("denoise", f"scan{number}.nii", "both.nii", "--iterations", "1", "--overwrite"),
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(2)
        ]
        for process in processes:
            _, said = process.communicate()
            assert process.returncode == 0, said
        assert any(np.array_equal(voxels_of(tmp_path / "both.nii"), result) for result in results)
        assert not list(tmp_path.glob(".unfinished-*"))


class TestInterrupted:
    @pytest.mark.parametrize("batch", range(1, 7))
    def test_at_each_batch_nothing_is_written(self, tmp_path, monkeypatch, batch):
        monkeypatch.setattr(engine, "batch_size", lambda *_: 1)
        update = Progress.update

        def interrupt(bar, task, **values):
            update(bar, task, **values)
            if values.get("completed") == batch:
                raise KeyboardInterrupt

        monkeypatch.setattr(Progress, "update", interrupt)
        scan = write(tmp_path / "scan.nrrd")
        (tmp_path / "clean.nrrd").write_text("a former result")
        before = files_in(tmp_path)
        status, told, said = run(scan, tmp_path / "clean.nrrd", "--overwrite", "--iterations", 1)
        assert (status, told, said) == (130, "", "Cancelled.\n")
        assert files_in(tmp_path) == before
        assert len(list(tmp_path.iterdir())) == 2


class TestKilled:
    """A process that is killed cannot clean up: what matters is that no name holds half a file."""

    @pytest.mark.parametrize("former", [False, True])
    def test_while_it_computes_it_leaves_what_was_there(self, tmp_path, former):
        write(tmp_path / "scan.nii", head(np.int16, (400, 64, 64)))
        if former:
            (tmp_path / "clean.nii").write_text("a former result")
        before = files_in(tmp_path)
        process, terminal = start(tmp_path, "scan.nii", "clean.nii", "--overwrite")
        wait_for(terminal, b"/400")
        process.kill()
        assert process.wait() == -signal.SIGKILL
        os.close(terminal)
        assert files_in(tmp_path) == before

    @pytest.mark.parametrize("written", [0, 1, 2])
    def test_while_it_writes_every_name_holds_the_former_file_or_the_new_one(self, tmp_path, written):
        """Killed right after each step of the writing: a new file begun, all written, the scan in its place."""
        program = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from NeuralDiffusionLib import whole_files\n"
            "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
            "def half(path):\n"
            "    path.write_bytes(b'ne')\n"
            "    if sys.argv[1] == '0': die()\n"
            "    path.write_bytes(b'new')\n"
            "rename = os.replace\n"
            "def replace(source, target):\n"
            "    rename(source, target)\n"
            "    if sys.argv[1] == '2': die()\n"
            "os.replace = replace\n"
            "whole_files.write_whole([(Path('clean.nii'), half), (Path('map.nii'), half)],\n"
            "                        lambda: die() if sys.argv[1] == '1' else None)\n"
        )
        for name in ("clean.nii", "map.nii"):
            (tmp_path / name).write_bytes(b"old")
        done = subprocess.run([sys.executable, "-c", program, str(written)], cwd=tmp_path, env=environment())
        assert done.returncode == -signal.SIGKILL
        named = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        assert named == {"clean.nii": b"new" if written == 2 else b"old", "map.nii": b"old"}
