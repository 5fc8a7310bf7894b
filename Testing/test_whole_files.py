"""Files appear whole or not at all, whatever stops the writing and whenever."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest
from shell import environment

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


@pytest.fixture(params=[True, False], ids=["second names", "no second names"])
def second_names(request, monkeypatch):
    """Whether the file system lets a file have a second name; FAT, for one, does not."""
    if not request.param:
        monkeypatch.setattr(os, "link", Mock(side_effect=PermissionError(errno.EPERM, "Operation not permitted")))
    return request.param


@pytest.mark.parametrize("error", [OSError("the disk fails"), KeyboardInterrupt()], ids=["disk", "interrupt"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_stops_the_renaming_leaves_all_or_nothing(folder, stop_at, second_names, error, after, number):
    # Without second names there is one rename more: the first file is put aside.
    number += not second_names
    stop_at(number, error, after)
    with pytest.raises(type(error)):
        write_whole([(folder / name, new) for name in NAMES])
    done = after and number == (3 if second_names else 4)
    assert content(folder) == (dict.fromkeys(NAMES, "new") if done else {"first.txt": "old"})


KILLED = """
import os, signal, sys
from pathlib import Path
from NeuralDiffusionLib.whole_files import write_whole
folder, left, after = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
rename = os.replace
def replace(source, target):
    global left
    left -= 1
    if left or after:
        rename(source, target)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = replace
write_whole([(folder / name, lambda path: path.write_text("new")) for name in sys.argv[4:]])
"""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_file_that_is_replaced_is_never_missing_even_if_the_program_is_killed(folder, after, number):
    (folder / "second.txt").write_text("old")
    arguments = [sys.executable, "-c", KILLED, str(folder), str(number), str(after), *NAMES]
    assert subprocess.run(arguments, env=environment(), check=False).returncode == -signal.SIGKILL
    assert (folder / "first.txt").read_text() == ("old" if (number, after) == (1, False) else "new")
    assert (folder / "second.txt").read_text() == ("new" if number + after > 2 else "old")


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
        (folder / "scan.mhd").write_text("ElementDataFile = scan.raw\n")
        (folder / "scan.raw").write_text("old voxels")
        stop_at(2, OSError("the disk fails"))
        with pytest.raises(OSError, match="the disk fails"):
            write_whole([(folder / "scan.mhd", two_files)])
        assert content(folder) == {
            "first.txt": "old",
            "scan.mhd": "ElementDataFile = scan.raw\n",
            "scan.raw": "old voxels",
        }

    @pytest.mark.parametrize("header", [None, "ElementDataFile = other.raw\n"])
    def test_voxels_of_another_image_are_not_replaced(self, folder, header):
        (folder / "scan.raw").write_text("voxels of scan.nhdr")
        if header is not None:
            (folder / "scan.mhd").write_text(header)
        before = content(folder)
        with pytest.raises(FileExistsError) as refusal:
            write_whole([(folder / "scan.mhd", two_files)])
        assert refusal.value.filename == str(folder / "scan.raw")
        assert content(folder) == before

    def test_two_images_do_not_share_their_voxels(self, folder):
        with pytest.raises(FileExistsError):
            write_whole([(folder / "scan.mhd", two_files), (folder / "scan.nhdr", two_files)])
        assert content(folder) == {"first.txt": "old"}


@pytest.mark.skipif(os.name == "nt", reason="permissions of Windows are others")
def test_nobody_else_looks_into_what_is_not_finished(folder):
    modes = []
    write_whole([(folder / "a.txt", lambda path: (new(path), modes.append(path.parents[1].stat().st_mode)))])
    assert [stat.S_IMODE(mode) for mode in modes] == [0o700]


@pytest.mark.skipif(os.name == "nt", reason="permissions of Windows are others")
def test_a_file_that_is_replaced_keeps_its_permissions(folder):
    (folder / "first.txt").chmod(0o640)
    write_whole([(folder / "first.txt", new), (folder / "second.txt", new)])
    assert stat.S_IMODE((folder / "first.txt").stat().st_mode) == 0o640
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((folder / "second.txt").stat().st_mode) == 0o666 & ~umask


def test_what_is_called_between_finds_all_written_and_none_in_place(folder):
    found = []
    write_whole([(folder / name, new) for name in NAMES], lambda: found.append(content(folder)))
    (between,) = found
    assert sorted(between.values()) == ["new", "new", "new", "old"]
    assert between["first.txt"] == "old"


def test_the_last_is_written_first_so_that_others_can_describe_it(folder):
    written = []
    write_whole([(folder / name, lambda path: (written.append(path.name), new(path))) for name in NAMES])
    assert written == [*reversed(NAMES)]


class TestNotReplacing:
    """`second_names` are how a place is taken at once; without them there is a moment between looking and taking."""

    def test_free_places_are_taken_and_nothing_else_is_left(self, tmp_path, second_names):
        write_whole([(tmp_path / name, new) for name in NAMES], replace=False)
        assert content(tmp_path) == dict.fromkeys(NAMES, "new")
        assert len(list(tmp_path.iterdir())) == len(NAMES)
        assert {path.stat().st_nlink for path in tmp_path.iterdir()} == {1}

    @pytest.mark.parametrize("taken", NAMES)
    def test_a_file_that_appears_before_the_first_takes_its_place_stops_all(self, tmp_path, second_names, taken):
        with pytest.raises(FileExistsError):
            write_whole(
                [(tmp_path / name, new) for name in NAMES],
                lambda: (tmp_path / taken).write_text("of another process"),
                replace=False,
            )
        assert content(tmp_path) == {taken: "of another process"}

    def test_a_file_that_appears_at_the_very_last_moment_is_not_replaced(self, tmp_path, monkeypatch):
        link = os.link

        def late(source, target):
            if Path(target).name == "third.txt":
                Path(target).write_text("of another process")
            link(source, target)

        monkeypatch.setattr(os, "link", late)
        with pytest.raises(FileExistsError):
            write_whole([(tmp_path / name, new) for name in NAMES], replace=False)
        assert content(tmp_path) == {"third.txt": "of another process"}

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_an_interrupt_right_after_a_place_was_taken_leaves_all_or_nothing(self, tmp_path, monkeypatch, number):
        link, linked = os.link, []

        def interrupted(source, target):
            link(source, target)
            linked.append(target)
            if len(linked) == number:
                raise KeyboardInterrupt

        monkeypatch.setattr(os, "link", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_whole([(tmp_path / name, new) for name in NAMES], replace=False)
        assert content(tmp_path) == (dict.fromkeys(NAMES, "new") if number == 3 else {})


@pytest.mark.skipif(os.name == "nt", reason="a folder cannot be locked there")
def test_files_of_two_runs_under_the_same_names_do_not_mix(tmp_path, monkeypatch):
    rename = os.replace
    between, other_is_done = threading.Event(), threading.Event()

    def replace(source, target):
        rename(source, target)
        if threading.current_thread().name == "slow" and not between.is_set():
            between.set()
            # As long as the other needs to overtake, if it may.
            other_is_done.wait(1)

    monkeypatch.setattr(os, "replace", replace)

    def write(run):
        targets = [(tmp_path / name, lambda path: path.write_text(run)) for name in ("scan.nrrd", "map.nrrd")]
        write_whole(targets)

    slow = threading.Thread(target=write, args=["slow"], name="slow")
    slow.start()
    assert between.wait(10)
    write("fast")
    other_is_done.set()
    slow.join()
    assert len(set(content(tmp_path).values())) == 1
