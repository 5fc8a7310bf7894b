"""Which scans `neural-diffusion batch` takes, where it writes them, and what it refuses before it starts."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from batch_runs import run_here, write_scan
from shell import command, environment, without_privileges

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS
from NeuralDiffusionTraining.cohort.leftovers import remove_leftovers
from NeuralDiffusionTraining.cohort.scans import find_cohort
from NeuralDiffusionTraining.files.command_error import CommandError

pytest_plugins = ("batch_fixtures",)


def outputs(given, output="clean"):
    cohort = find_cohort(given, Path(output))
    return {scan.name: scan.output.relative_to(Path(output).absolute()).as_posix() for scan in cohort.scans}


def test_folders_below_the_fixed_part_of_a_pattern_are_kept(folder):
    for name in ("scans/a/one.nii.gz", "scans/b/one.nii.gz", "scans/b/c/two.NII", "scans/three.nii"):
        write_scan(folder / name)
    for name in ("four.nhdr", "five.mhd", "six.mha", "seven.nrrd", "notes.txt", "four.raw.gz"):
        (folder / "scans" / name).write_text("not opened yet")

    assert outputs("scans/**/*.nii*") == {name: name for name in ("a/one.nii.gz", "b/one.nii.gz", "three.nii")}
    assert outputs("scans/*/*.nii.gz") == {"a/one.nii.gz": "a/one.nii.gz", "b/one.nii.gz": "b/one.nii.gz"}
    assert outputs("scans/b/c/two.NII") == {"two.NII": "two.nii"}
    assert outputs("scans/[f-s]*.*") == {
        "five.mhd": "five.mha",
        "four.nhdr": "four.nrrd",
        "seven.nrrd": "seven.nrrd",
        "six.mha": "six.mha",
    }
    assert find_cohort("scans/*.*", Path("clean")).left_out == 2


@pytest.mark.parametrize(
    "name", ["with space", "Schädel Ä ö ß", "脳の画像", "'quoted' \"twice\"", "-dash", "new\nline"]
)
def test_any_name_is_taken(folder, name):
    write_scan(folder / "scans" / name / f"{name}.nii")

    assert outputs("scans/*/*", name) == {f"{name}/{name}.nii": f"{name}/{name}.nii"}


def test_a_file_whose_name_has_brackets_is_taken_as_it_is(folder):
    for name in ("scan[1].nii", "scan1.nii"):
        write_scan(folder / "scans" / name)

    assert outputs("scans/scan[1].nii") == {"scan[1].nii": "scan[1].nii"}
    assert outputs("scans/scan[12].nii") == {"scan1.nii": "scan1.nii"}


def test_a_file_in_a_folder_with_brackets_lands_where_it_would_without(folder):
    write_scan(folder / "data[1]" / "scan.nii")

    assert outputs("data[1]/scan.nii") == {"scan.nii": "scan.nii"}
    assert outputs(str(folder / "data[1]" / "scan.nii")) == {"scan.nii": "scan.nii"}


def test_a_tilde_in_a_quoted_pattern_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    write_scan(folder / "scans" / "one.nii")

    assert outputs("~/scans/*") == {"one.nii": "one.nii"}


def test_a_scan_is_not_written_over_through_a_link_to_its_folder(folder):
    write_scan(folder / "scans" / "one.nii")
    (folder / "link").symlink_to(folder / "scans")

    with pytest.raises(CommandError, match=r"written over the scan one\.nii"):
        find_cohort("scans/*", Path("link"))


def test_what_was_written_among_the_scans_is_no_scan(folder):
    write_scan(folder / "scans" / "one.nii")
    write_scan(folder / "scans" / "clean" / "one.nii")

    assert outputs("scans/**/*.nii", "scans/clean") == {"one.nii": "one.nii"}
    # Nor is it if the scans are reached through a link.
    (folder / "link").symlink_to(folder / "scans")
    assert outputs("link/**/*.nii", "scans/clean") == {"one.nii": "one.nii"}


def test_nothing_is_written_among_the_scans(folder):
    (folder / "scans").mkdir()
    (folder / "scans" / "one.nhdr").write_text("NRRD0004")
    with pytest.raises(CommandError, match=r"one\.nhdr would be written among the scans, as one\.nrrd: choose another"):
        find_cohort("scans/*", Path("scans"))


def test_what_a_killed_worker_left_is_removed_and_nothing_else(folder):
    write_scan(folder / "scans" / "one.nii.gz")
    cohort = find_cohort("scans/*", Path("clean"))
    unfinished = {name: folder / "clean" / f".unfinished-{name}" for name in ("scan", "sidecar", "empty", "others")}
    files = {"scan": "one.nii.gz", "sidecar": "one.json", "others": "two.nii.gz"}
    for name, path in unfinished.items():
        (path / "new").mkdir(parents=True)
        if name in files:
            (path / "new" / files[name]).write_text("half")

    remove_leftovers(cohort.scans)

    assert [path.name for path in (folder / "clean").iterdir()] == [".unfinished-others"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["scans/*.mgz", "clean"], "No scan matches 'scans/*.mgz'"),
        (["absent/*", "clean"], "No scan matches 'absent/*'"),
        (["scans", "clean"], "holds no dataset_description.json"),
        (["empty", "clean"], "holds no anatomical MR scan"),
        (["broken", "clean"], "cannot be read as JSON"),
        (["scans/*", "scans"], "one.nii would be written over the scan one.nii"),
        (["scans/*", "scans/one.nii"], "is a file"),
        (["twice/*", "clean"], "one.nii and one.nii.gz would both be described by"),
        (["scans/*", "clean", "--noise", "salt"], "Noise type 'salt' is not known"),
        (["scans/*", "clean", "--slice-axis", "z"], "Slice axis 'z' is not possible"),
        (["scans/*", "clean", "--workers", "0"], "--workers"),
        (["scans/*", "clean", "--workers", "2", "--scheduler", "tcp://a:1"], "--workers counts processes"),
        (["scans/*", "clean", "--device", "abacus"], "Device 'abacus' is not known"),
        (["scans/*", "clean", "--weights", "absent.pt"], "Weights '"),
        (["x" * 300 + "/*", "clean"], "No scan matches 'xxx"),
        (["scans/*", "x" * 300], "cannot be made (File name too long): choose another folder"),
        (["scans/*"], "OUT_DIR"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_anything_starts(folder, arguments, sentence):
    write_scan(folder / "scans" / "one.nii")
    write_scan(folder / "twice" / "one.nii")
    write_scan(folder / "twice" / "one.nii.gz")
    for name, text in (("empty", "{}"), ("broken", "{")):
        (folder / name).mkdir()
        (folder / name / "dataset_description.json").write_text(text)
    before = sorted(folder.rglob("*"))

    done = run_here("batch", *arguments)

    assert done.status == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("kind", ["cut", "pickle", "text"])
def test_unusable_weights_are_refused_before_anything_starts(folder, kind):
    write_scan(folder / "scans" / "one.nii")
    sound = BUNDLED_WEIGHTS.read_bytes()
    content = {"cut": sound[: len(sound) // 2], "pickle": pickle.dumps({"format": 2}), "text": b"no weights"}[kind]
    (folder / "others.pt").write_bytes(content)
    before = sorted(folder.rglob("*"))

    done = run_here("batch", "scans/*", "clean", "--weights", "others.pt")

    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1), done
    assert "others.pt' " in done.err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("forbidden", ["scans/one.nii", "clean", "."])
def test_without_permission_nothing_is_done(folder, forbidden):
    write_scan(folder / "scans" / "one.nii")
    (folder / "clean").mkdir()
    output = "clean/new" if forbidden == "clean" else "clean" if forbidden != "." else "new"
    (folder / forbidden).chmod(0o000 if forbidden.endswith("nii") else 0o555)
    before = sorted(folder.rglob("*"))
    try:
        done = subprocess.run(
            [*without_privileges(), *command("batch", "scans/*", output, "--workers", 1, "--device", "cpu")],
            capture_output=True,
            text=True,
            env={**environment(), "OMP_NUM_THREADS": "1"},
        )
    finally:
        (folder / forbidden).chmod(0o755)
    if forbidden.endswith("nii"):
        assert (done.returncode, done.stderr) == (1, "")
        assert "| one.nii | Cannot be read (Permission denied). |" in done.stdout
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert "Permission denied" in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_a_scheduler_that_does_not_answer_is_said_in_one_sentence(folder):
    write_scan(folder / "scans" / "one.nii")
    script = "import dask; dask.config.set({'distributed.comm.timeouts.connect': '1s'}); "
    script += "from NeuralDiffusionTraining.cli import main; main()"
    arguments = [folder / "scans" / "*", folder / "clean", "--scheduler", "tcp://127.0.0.1:1"]
    done = subprocess.run(
        [sys.executable, "-c", script, "batch", *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "No Dask scheduler answers at 'tcp://127.0.0.1:1'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "clean").exists()


def test_a_folder_that_cannot_be_made_is_said_once_and_not_for_each_scan(folder):
    for number in range(3):
        write_scan(folder / "scans" / f"scan{number}.nii", number)
    (folder / "file").write_text("no folder")

    done = run_here("batch", "scans/*", "file/clean", "--workers", 1)

    assert done.status == 2
    assert done.err == f"{folder / 'file' / 'clean'} cannot be made (Not a directory): choose another folder.\n"
    assert done.out == ""


def test_without_dask_it_says_what_to_install(folder):
    write_scan(folder / "scans" / "one.nii")
    script = "import sys; sys.modules['dask'] = None; from NeuralDiffusionTraining.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "batch", str(folder / "scans" / "*"), str(folder / "clean")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "pip install '.[batch]' in the checkout" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_name_as_of_an_unset_variable_is_refused(folder):
    done = run_here("batch", "", folder / "clean")

    assert done.status == 2
    assert done.err.startswith("One of the arguments is empty: give it a value")
    assert not (folder / "clean").exists()


def test_a_link_to_a_file_that_was_not_fetched_fails_by_its_name(folder):
    write_scan(folder / "scans" / "one.nii")
    (folder / "scans" / "two.nii").symlink_to(folder / "annex" / "two.nii")
    (folder / "scans" / "more").symlink_to(folder / "scans")
    done = run_here("batch", "scans/*", folder / "clean", "--workers", 1)
    assert (done.status, done.err) == (1, "")
    assert "Denoised 1 of 2 scans" in done.out
    assert "are no scans" not in done.out
    assert re.search(r"two\.nii .*Cannot be read \(No such file or directory\)", done.out)


def test_a_scan_that_a_pattern_finds_twice_is_one_and_no_other_file(tmp_path):
    folder = tmp_path / "scans"
    write_scan(folder / "sub" / "one.nii")
    (folder / "sub" / "notes.txt").touch()
    cohort = find_cohort(f"{folder}/**/**/*", tmp_path / "clean")
    assert [scan.name for scan in cohort.scans] == ["sub/one.nii"]
    assert cohort.left_out == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes on this system")
def test_a_pipe_that_is_named_like_a_scan_fails_alone(study):
    other = study / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    other.parent.mkdir(parents=True)
    os.mkfifo(other)
    done = run_here("batch", study, study / "derivatives", "--workers", 1)
    assert (done.status, done.err) == (1, "")
    assert "Denoised 1 of 2 scans" in done.out
    assert re.search(r"sub-02_T1w\.nii\.gz \| Is no file but a pipe or a device: name a file\.", done.out)
