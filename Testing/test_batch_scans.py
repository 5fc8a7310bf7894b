"""Which scans `neural-diffusion batch` takes, where it writes them, and what it refuses before it starts."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from batch_runs import run_here, write_scan
from shell import command, environment, without_privileges

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS
from NeuralDiffusionTraining.cohort import bids
from NeuralDiffusionTraining.cohort.bids import bids_fields, bids_output, write_derivative_description
from NeuralDiffusionTraining.cohort.leftovers import remove_leftovers
from NeuralDiffusionTraining.cohort.scans import find_cohort, sidecar_of
from NeuralDiffusionTraining.files.command_error import CommandError


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_T1w.nii.gz", "sub-01_desc-denoised_T1w.nii.gz"),
        ("sub-01_ses-2_acq-a_run-1_T2w.nii", "sub-01_ses-2_acq-a_run-1_desc-denoised_T2w.nii"),
        ("sub-01_space-MNI_desc-preproc_T1w.nii.gz", "sub-01_space-MNI_desc-denoised_T1w.nii.gz"),
    ],
)
def test_a_bids_name_gets_its_description_before_the_suffix(name, expected):
    assert bids_output(name) == expected
    assert sidecar_of(Path(expected)).name == expected.replace(".nii.gz", ".json").replace(".nii", ".json")


def test_only_anatomical_magnitude_images_of_a_dataset_are_taken(study):
    taken = ("T1w", "T2w", "PDw", "FLAIR", "part-mag_T2starw")
    left = ("T1map", "part-phase_T1w", "label-GM_probseg", "defacemask")
    for suffix in (*taken, *left):
        write_scan(study / "sub-02" / "ses-1" / "anat" / f"sub-02_ses-1_{suffix}.nii.gz")
    for name in ("sub-02/func/sub-02_T1w.nii.gz", "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz", "sub-02/T1w.nii.gz"):
        write_scan(study / name)
    (study / "sub-01" / "anat" / "sub-01_T1w.json").write_text("{}")

    cohort = find_cohort("study", Path("clean"))

    assert [Path(scan.name).name for scan in cohort.scans] == [
        "sub-01_T1w.nii.gz",
        *sorted(f"sub-02_ses-1_{suffix}.nii.gz" for suffix in taken),
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("study", "study/derivatives/neural-diffusion"),
        ("study/derivatives", "study/derivatives/neural-diffusion"),
        ("study/derivatives/neural-diffusion", "study/derivatives/neural-diffusion"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_derivatives_go_where_bids_wants_them(study, folder, given, expected):
    assert find_cohort("study", Path(given)).folder == folder / expected


def test_a_stripped_scan_of_derivatives_stays_described_as_stripped(study):
    (study / "dataset_description.json").write_text('{"Name": "x", "DatasetType": "derivative"}')
    (study / "sub-01" / "anat" / "sub-01_T1w.json").write_text('{"SkullStripped": true}')

    (scan,) = find_cohort("study", Path("clean")).scans

    assert scan.fields["SkullStripped"] is True


def test_other_derivatives_are_not_written_into(study, folder):
    other = {"Name": "x", "GeneratedBy": [{"Name": "fMRIPrep"}]}
    (folder / "other").mkdir()
    (folder / "other" / "dataset_description.json").write_text(json.dumps(other))

    with pytest.raises(CommandError, match="holds another BIDS dataset"):
        write_derivative_description(study, folder / "other")

    assert json.loads((folder / "other" / "dataset_description.json").read_text()) == other


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


def test_a_description_keeps_what_others_have_written_into_it(study):
    folder = study / "derivatives" / "neural-diffusion"
    folder.mkdir(parents=True)
    write_derivative_description(study, folder)
    path = folder / "dataset_description.json"
    ours = json.loads(path.read_text())
    others = {"Name": "mytool", "Version": "3"}
    theirs = {"Authors": ["A. Roe"], "License": "CC0", "DatasetLinks": {"source": "..", "atlas": "doi:10.1/x"}}
    path.write_text(
        json.dumps({**ours, **theirs, "GeneratedBy": [{"Name": "neural-diffusion", "Version": "0"}, others]})
    )

    write_derivative_description(study, folder)

    expected = {**ours, **theirs, "DatasetLinks": {"source": "../..", "atlas": "doi:10.1/x"}}
    assert json.loads(path.read_text()) == {**expected, "GeneratedBy": [*ours["GeneratedBy"], others]}


def test_what_another_pipeline_made_from_ours_is_not_written_into(study, folder):
    (folder / "other").mkdir()
    other = {"Name": "x", "GeneratedBy": [{"Name": "segmenter"}, {"Name": "neural-diffusion"}]}
    (folder / "other" / "dataset_description.json").write_text(json.dumps(other))
    with pytest.raises(CommandError, match="holds another BIDS dataset: choose an empty folder"):
        write_derivative_description(study, folder / "other")


def test_derivatives_behind_a_link_still_name_their_dataset(study, folder):
    (folder / "scratch" / "neural-diffusion").mkdir(parents=True)
    (study / "derivatives").symlink_to(folder / "scratch")
    write_derivative_description(study, study / "derivatives" / "neural-diffusion")
    written = folder / "scratch" / "neural-diffusion" / "dataset_description.json"
    link = json.loads(written.read_text())["DatasetLinks"]["source"]
    assert (written.parent / link).resolve() == study.resolve()


def test_a_dataset_on_another_drive_is_named_in_full(study, folder, monkeypatch):
    def relpath(*_):
        raise ValueError("path is on mount 'D:', start on mount 'E:'")

    monkeypatch.setattr(os.path, "relpath", relpath)
    (folder / "clean").mkdir()
    write_derivative_description(study, folder / "clean")
    content = json.loads((folder / "clean" / "dataset_description.json").read_text())
    assert content["DatasetLinks"]["source"] == study.resolve().as_uri()


def test_a_link_to_a_file_that_was_not_fetched_fails_by_its_name(folder):
    write_scan(folder / "scans" / "one.nii")
    (folder / "scans" / "two.nii").symlink_to(folder / "annex" / "two.nii")
    (folder / "scans" / "more").symlink_to(folder / "scans")
    done = run_here("batch", "scans/*", folder / "clean", "--workers", 1)
    assert (done.status, done.err) == (1, "")
    assert "Denoised 1 of 2 scans" in done.out
    assert "are no scans" not in done.out
    assert re.search(r"two\.nii .*Cannot be read \(No such file or directory\)", done.out)


def test_a_sidecar_that_is_damaged_fails_its_own_scan_alone(study):
    (study / "dataset_description.json").write_text('{"Name": "x", "DatasetType": "derivative"}')
    write_scan(study / "sub-02" / "anat" / "sub-02_T1w.nii.gz")
    (study / "sub-02" / "anat" / "sub-02_T1w.json").write_text("{bad")
    done = run_here("batch", study, study / "derivatives", "--workers", 1)
    assert (done.status, done.err) == (1, "")
    assert "Denoised 1 of 2 scans" in done.out
    assert "sub-02_T1w.json cannot be read as JSON: fix it first." in done.out


def test_a_sidecar_that_may_not_be_read_is_named(study, monkeypatch):
    sidecar = study / "sub-01" / "anat" / "sub-01_T1w.json"
    sidecar.write_text("{}")
    monkeypatch.setattr(bids, "read_json", mock.Mock(side_effect=PermissionError(13, "Permission denied")))
    with pytest.raises(CommandError, match=r"sub-01_T1w\.json cannot be read \(Permission denied\): make it readable"):
        bids_fields(study, study / "sub-01" / "anat" / "sub-01_T1w.nii.gz", {"DatasetType": "derivative"})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes on this system")
def test_a_pipe_that_is_named_like_a_scan_fails_alone(study):
    other = study / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
    other.parent.mkdir(parents=True)
    os.mkfifo(other)
    done = run_here("batch", study, study / "derivatives", "--workers", 1)
    assert (done.status, done.err) == (1, "")
    assert "Denoised 1 of 2 scans" in done.out
    assert re.search(r"sub-02_T1w\.nii\.gz .*it is a pipe, a device or a folder, and no file", done.out)
