"""Files appear whole or not at all, whatever stops the writing and whenever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from NeuralDiffusionLib.whole_files import write_whole

NAMES = ("first.txt", "second.txt", "third.txt")


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def new(path):
    path.write_text("new")


def two_files(path):
    """Write a header that names a file of voxels beside it."""
    path.write_text("new header")
    path.with_suffix(".raw").write_text("new voxels")


@pytest.fixture
def folder(tmp_path):
    """A folder that holds one of the files already."""
    (tmp_path / "first.txt").write_text("old")
    return tmp_path


@pytest.fixture
def stop_at(monkeypatch):
    """Let one rename, counted from 1, be stopped before it is made, or right after."""

    def stop(number, error, after=False):
        rename, renamed = os.replace, []

        def replace(source, target):
            renamed.append((Path(source), Path(target)))
            if len(renamed) == number and not after:
                raise error
            rename(source, target)
            if len(renamed) == number:
                raise error

        monkeypatch.setattr(os, "replace", replace)
        return renamed

    return stop


def test_all_are_written_and_nothing_else_is_left(folder):
    write_whole([(folder / name, new) for name in NAMES])
    assert content(folder) == dict.fromkeys(NAMES, "new")
    assert len(list(folder.iterdir())) == len(NAMES)


@pytest.mark.parametrize("error", [OSError("the disk fails"), KeyboardInterrupt()], ids=["disk", "interrupt"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_what_stops_the_renaming_leaves_all_or_nothing(folder, stop_at, error, after, number):
    stop_at(number, error, after)
    with pytest.raises(type(error)):
        write_whole([(folder / name, new) for name in NAMES])
    # The fourth rename is the last one: the first file is put aside first.
    assert content(folder) == (dict.fromkeys(NAMES, "new") if (number, after) == (4, True) else {"first.txt": "old"})


def test_a_function_that_fails_leaves_the_disk_as_it_was(folder):
    def fail(path):
        new(path)
        raise ValueError("no voxels")

    with pytest.raises(ValueError, match="no voxels"):
        write_whole([(folder / "first.txt", new), (folder / "second.txt", fail)])
    assert content(folder) == {"first.txt": "old"}


def test_a_function_that_writes_nothing_is_an_error(folder):
    with pytest.raises(FileNotFoundError):
        write_whole([(folder / "first.txt", lambda path: None)])
    assert content(folder) == {"first.txt": "old"}


def test_a_file_alone_is_renamed_over_the_old_one(folder, stop_at):
    renamed = stop_at(0, None)
    write_whole([(folder / "first.txt", new)])
    assert [target for _, target in renamed] == [folder / "first.txt"]


class TestFormatOfTwoFiles:
    def test_both_take_their_place_the_header_last(self, folder, stop_at):
        renamed = stop_at(0, None)
        write_whole([(folder / "scan.mhd", two_files)])
        assert content(folder) == {"first.txt": "old", "scan.mhd": "new header", "scan.raw": "new voxels"}
        assert [target.name for _, target in renamed] == ["scan.raw", "scan.mhd"]

    def test_neither_does_if_one_cannot(self, folder, stop_at):
        (folder / "scan.raw").write_text("old voxels")
        stop_at(3, OSError("the disk fails"))
        with pytest.raises(OSError, match="the disk fails"):
            write_whole([(folder / "scan.mhd", two_files)])
        assert content(folder) == {"first.txt": "old", "scan.raw": "old voxels"}


def test_what_is_called_between_finds_all_written_and_none_in_place(folder):
    found = []
    write_whole([(folder / name, new) for name in NAMES], lambda: found.append(content(folder)))
    (between,) = found
    assert sorted(between.values()) == ["new", "new", "new", "old"]
    assert between["first.txt"] == "old"
