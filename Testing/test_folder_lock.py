"""One run at a time in a folder, also where they begin and end within the same moment."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from shell import environment

from NeuralDiffusionTraining.files import folder_lock
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.folder_lock import LOCK, alone_in

fcntl = pytest.importorskip("fcntl", reason="Windows holds a lock otherwise.")


def refuse(sentence: str) -> None:
    raise AssertionError(sentence)


def between_opening_and_locking(monkeypatch, happens) -> None:
    """Let something happen once, after the file was opened and before it is locked."""
    flock, waiting = fcntl.flock, [happens]

    def lock(descriptor: int, how: int) -> None:
        if waiting:
            waiting.pop()()
        flock(descriptor, how)

    monkeypatch.setattr(folder_lock.fcntl, "flock", lock)


def test_a_second_run_is_refused_until_the_first_has_ended_and_no_file_is_left(tmp_path):
    with alone_in(tmp_path, refuse):
        with pytest.raises(CommandError, match="Another run is writing into"), alone_in(tmp_path, refuse):
            pass
        assert (tmp_path / LOCK).exists()
    assert not list(tmp_path.iterdir())
    with alone_in(tmp_path, refuse):
        pass


def test_a_lock_that_its_holder_has_just_removed_keeps_the_next_run_out_all_the_same(tmp_path, monkeypatch):
    (tmp_path / LOCK).touch()
    between_opening_and_locking(monkeypatch, (tmp_path / LOCK).unlink)
    with (
        alone_in(tmp_path, refuse),
        pytest.raises(CommandError, match="Another run is writing into"),
        alone_in(tmp_path, refuse),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_whoever_opened_a_removed_lock_does_not_slip_past_the_run_that_has_the_new_one(tmp_path, monkeypatch):
    (tmp_path / LOCK).touch()

    def begin_another() -> None:
        (tmp_path / LOCK).unlink()
        descriptor = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    between_opening_and_locking(monkeypatch, begin_another)
    with pytest.raises(CommandError, match="Another run is writing into"), alone_in(tmp_path, refuse):
        pass
    assert (tmp_path / LOCK).exists()


def test_a_file_system_without_locks_is_told_and_no_reason_to_stop(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folder_lock.fcntl, "flock", fail)
    said = []
    with alone_in(tmp_path, said.append):
        pass
    assert said == [f"{tmp_path} cannot be locked: start no second run into it before this one has ended."]


RUN = """
import sys
from pathlib import Path
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.folder_lock import alone_in

folder = Path(sys.argv[1])

def fail(sentence):
    sys.exit(sentence)

for _ in range(2000):
    try:
        with alone_in(folder, fail):
            # Fails if another run is in here, too.
            (folder / "here").mkdir()
            (folder / "here").rmdir()
    except CommandError:
        pass
"""


def test_runs_that_begin_and_end_all_the_time_are_never_two_at_once(tmp_path):
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    runs = [subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, encoding="utf-8") for _ in range(4)]
    said = [run.communicate(timeout=120)[1] for run in runs]
    assert said == [""] * 4
    assert not list(tmp_path.iterdir())
