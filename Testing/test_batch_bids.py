"""`neural-diffusion batch` on BIDS datasets: which images it takes, and the derivatives that it makes of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest import mock

import pytest
from batch_runs import run_here, write_scan

from NeuralDiffusionLib import __version__
from NeuralDiffusionTraining.cohort import bids_metadata
from NeuralDiffusionTraining.cohort.bids import bids_output, write_derivative_description
from NeuralDiffusionTraining.cohort.bids_metadata import kept_metadata
from NeuralDiffusionTraining.cohort.scans import find_cohort, sidecar_of
from NeuralDiffusionTraining.files.command_error import CommandError

pytest_plugins = ("batch_fixtures",)


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


def metadata(study, **contents):
    """What the sidecar of the one denoised scan of a study takes over from JSON files, given by their contents."""
    for path, content in contents.items():
        (study / path).write_text(json.dumps(content))
    (scan,) = find_cohort(str(study), Path("clean")).scans
    return {**scan.fields, **kept_metadata(scan.metadata)}


def test_what_a_dataset_says_of_a_scan_is_said_of_the_denoised_one_too(study):
    found = metadata(
        study,
        **{
            "T1w.json": {"RepetitionTime": 2.3, "EchoTime": 1, "MagneticFieldStrength": 3},
            "acq-hi_T1w.json": {"RepetitionTime": 7},
            "T2w.json": {"RepetitionTime": 8},
            "sub-01/sub-01_T1w.json": {"EchoTime": 0.003, "FlipAngle": 8},
            "sub-01/anat/sub-01_T1w.json": {
                "FlipAngle": 9,
                "Description": "Raw",
                "RawSources": ["x"],
                "Sources": ["y"],
            },
        },
    )
    assert found == {
        "Sources": ["bids:source:sub-01/anat/sub-01_T1w.nii.gz"],
        "SkullStripped": False,
        "RepetitionTime": 2.3,
        "MagneticFieldStrength": 3,
        "EchoTime": 0.003,
        "FlipAngle": 9,
    }


def test_a_stripped_scan_stays_described_as_stripped_wherever_that_is_said(study):
    assert metadata(study, **{"T1w.json": {"SkullStripped": True}})["SkullStripped"] is True
    assert metadata(study, **{"sub-01/anat/sub-01_T1w.json": {"SkullStripped": False}})["SkullStripped"] is False


def test_files_that_the_metadata_name_in_their_own_dataset_are_named_in_it_from_the_derivatives(study):
    reference = {"SpatialReference": {"VolumeReference": "bids::sub-01/anat/sub-01_T2w.nii.gz", "Other": "bids:x:y"}}
    found = metadata(study, **{"T1w.json": reference})
    expected = {"VolumeReference": "bids:source:sub-01/anat/sub-01_T2w.nii.gz", "Other": "bids:x:y"}
    assert found["SpatialReference"] == expected


def test_other_derivatives_are_not_written_into(study, folder):
    other = {"Name": "x", "GeneratedBy": [{"Name": "fMRIPrep"}]}
    (folder / "other").mkdir()
    (folder / "other" / "dataset_description.json").write_text(json.dumps(other))

    with pytest.raises(CommandError, match="holds another BIDS dataset"):
        write_derivative_description(study, folder / "other")

    assert json.loads((folder / "other" / "dataset_description.json").read_text()) == other


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


def test_what_was_denoised_of_another_dataset_is_not_mixed_with_this_ones(study, folder):
    (folder / "other").mkdir()
    (folder / "other" / "dataset_description.json").write_text('{"Name": "Other"}')
    (folder / "clean").mkdir()
    write_derivative_description(folder / "other", folder / "clean")
    before = (folder / "clean" / "dataset_description.json").read_bytes()

    with pytest.raises(CommandError, match=f"scans of another dataset, {folder / 'other'}, .* such as clean-study"):
        write_derivative_description(study, folder / "clean")
    assert (folder / "clean" / "dataset_description.json").read_bytes() == before

    # One that was moved meanwhile is no other.
    (folder / "other").rename(folder / "moved")
    write_derivative_description(folder / "moved", folder / "clean")
    content = json.loads((folder / "clean" / "dataset_description.json").read_text())
    assert content["DatasetLinks"] == {"source": "../moved"}


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


def test_a_sidecar_that_is_damaged_fails_its_own_scan_alone(study):
    write_scan(study / "sub-02" / "anat" / "sub-02_T1w.nii.gz")
    (study / "sub-02" / "anat" / "sub-02_T1w.json").write_text("{bad")
    done = run_here("batch", study, study / "derivatives", "--workers", 1)
    assert (done.status, done.err) == (1, "")
    assert "Denoised 1 of 2 scans" in done.out
    assert "sub-02_T1w.json cannot be read as JSON: fix it first." in done.out


@pytest.mark.parametrize("content", ["[1]", "3", '"text"', "{"])
def test_a_sidecar_without_fields_is_named(tmp_path, content):
    (tmp_path / "T1w.json").write_text(content)
    with pytest.raises(CommandError, match=r"T1w\.json cannot be read as JSON: fix it first"):
        kept_metadata([tmp_path / "T1w.json"])


def test_a_sidecar_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(bids_metadata, "read_json", mock.Mock(side_effect=PermissionError(13, "Permission denied")))
    with pytest.raises(CommandError, match=r"T1w\.json cannot be read \(Permission denied\): make it readable"):
        kept_metadata([tmp_path / "T1w.json"])


def test_a_bids_dataset_becomes_bids_derivatives(tmp_path, address):
    study = tmp_path / "study"
    study.mkdir()
    (study / "dataset_description.json").write_text('{"Name": "Study", "BIDSVersion": "1.8.0"}')
    (study / "FLAIR.json").write_text('{"RepetitionTime": 9}')
    write_scan(study / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    write_scan(study / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_acq-2d_FLAIR.nii", 1)
    write_scan(study / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a_T1map.nii", 2)
    write_scan(study / "sub-02" / "func" / "sub-02_task-rest_bold.nii.gz", 3)

    done = run_here("batch", study, study, "--scheduler", address)

    derivatives = study / "derivatives" / "neural-diffusion"
    assert done.status == 0, done
    assert str(derivatives) in done.out
    description = json.loads((derivatives / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "neural-diffusion"
    assert description["GeneratedBy"][0]["Version"] == __version__
    assert description["DatasetLinks"] == {"source": "../.."}
    flair = "sub-02/ses-a/anat/sub-02_ses-a_acq-2d_desc-denoised_FLAIR"
    assert {path.relative_to(derivatives).as_posix() for path in derivatives.rglob("*.*")} == {
        "dataset_description.json",
        *(f"sub-01/anat/sub-01_desc-denoised_T1w{end}" for end in (".nii.gz", ".json")),
        *(f"{flair}{end}" for end in (".nii", ".json")),
    }
    sidecar = json.loads((derivatives / f"{flair}.json").read_text())
    assert sidecar["Sources"] == ["bids:source:sub-02/ses-a/anat/sub-02_ses-a_acq-2d_FLAIR.nii"]
    assert sidecar["SkullStripped"] is False
    assert sidecar["RepetitionTime"] == 9
    assert "2 were done already" in run_here("batch", study, derivatives, "--scheduler", address).out
