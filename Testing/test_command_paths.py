"""No command writes over what it reads, one file twice, or a folder where a file is, and it says so before any work."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from batch_runs import run_here
from shell import write
from training_slices import make_slices

from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.files.result_files import check_folder_to_make, check_outputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("data", "masks", "results"):
        (tmp_path / name).mkdir()
    for name in ("c.ckpt", "w.pt", "page.html"):
        (tmp_path / name).write_text("as it was")
    return tmp_path


def refused(*arguments):
    done = run_here(*arguments)
    assert (done.status, done.out) == (2, ""), done.err
    assert done.err.endswith(".\n")
    assert done.err.count("\n") == 1
    return done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "c.ckpt", "b", "--onnx", "./b"),
        ("evaluate", "--data", "data", "--json", "e", "--csv", "e"),
        ("segmentation", "--data", "data", "--masks", "masks", "--json", "x", "--markdown", "x"),
        ("fidelity", "--data", "data", "--json", "x", "--markdown", "x"),
        ("sweep", "--data", "data", "--json", "x", "--csv", "x"),
        ("sweep", "--data", "data", "--json", "x", "--plots", "x"),
        ("evaluate-volumes", "--template", "--csv", "x", "--markdown", "x"),
        ("ablate", "--data", "data", "--output", "runs", "--json", "x", "--markdown", "x"),
        ("bench", "--json", "x", "--plot", "x"),
        ("data", "check", "data", "--splits", "masks", "--json", "masks/grouped.json"),
        ("report", "results", "page.html", "--readme", "page.html"),
    ],
    ids=" ".join,
)
def test_two_outputs_of_one_name_are_refused(folder, arguments):
    before = sorted(folder.rglob("*"))
    assert "is given for two outputs: choose different names" in refused(*arguments)
    assert sorted(folder.rglob("*")) == before
    assert (folder / "page.html").read_text() == "as it was"


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (("adapt", "w.pt", "--output", "w.pt"), "w.pt"),
        (("adapt", "data", "--weights", "w.pt", "--output", "w.pt"), "w.pt"),
        (("export", "c.ckpt", "c.ckpt"), "c.ckpt"),
        (("export", "c.ckpt", "b", "--onnx", "c.ckpt"), "c.ckpt"),
        (("evaluate", "--data", "data", "--weights", "w.pt", "--json", "w.pt"), "w.pt"),
        (("evaluate", "--data", "data", "--split", "w.pt", "--csv", "w.pt"), "w.pt"),
        (("fidelity", "--data", "data", "--trained", "Net=c.ckpt", "--json", "c.ckpt"), "c.ckpt"),
        (("tune", "--data", "data", "--split", "w.pt", "--output", "w.pt"), "w.pt"),
        (("tune-volumes", "w.pt", "--json", "w.pt"), "w.pt"),
        (("card", "results", "w.pt", "--weights", "w.pt"), "w.pt"),
        (("report", "results", "w.pt", "--example", "w.pt"), "w.pt"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else one,
)
def test_an_output_over_an_input_is_refused(folder, arguments, kept):
    assert "would be written over what is read" in refused(*arguments)
    assert (folder / kept).read_text() == "as it was"


def test_a_table_of_scaling_is_not_written_over_what_it_is_worked_out_from(folder):
    (folder / "clean" / "sub").mkdir(parents=True)
    (folder / "clean" / "sub" / "scan.json").write_text("as it was")
    assert "would be written over" in refused("scale", "clean", "--markdown", "clean/sub/scan.json")
    assert (folder / "clean" / "sub" / "scan.json").read_text() == "as it was"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders.")
@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "--data", "data", "--json"),
        ("sweep", "--data", "data", "--csv"),
        ("tune", "--data", "data", "--output"),
        ("scale", "results", "--markdown"),
        ("card", "results"),
    ],
    ids=" ".join,
)
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(folder, arguments):
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/dev")
    for place in ("pipe", "/dev/null", "/dev/stdout", "link/stdout", "/dev/none", "/proc/self/fd/1"):
        said = refused(*arguments, place)
        assert said == f"'{place}' is no file but a pipe or a device: name a file.\n"
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


def test_adapt_leaves_the_scan_alone_that_a_link_leads_to(folder):
    scan = write(folder / "victim.nrrd")
    before = scan.read_bytes()
    (folder / "link.pt").symlink_to(scan)
    assert "would be written over what is read" in refused("adapt", "victim.nrrd", "--output", "link.pt")
    assert scan.read_bytes() == before


def test_a_report_is_not_written_over_a_result(folder):
    (folder / "results" / "rician.json").write_text("{}")
    for command in ("report", "card"):
        assert "would be written over" in refused(command, "results", "results/rician.json")
    assert (folder / "results" / "rician.json").read_text() == "{}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("adapt", "scan.nrrd", "--output"),
        ("export", "c.ckpt"),
        ("evaluate", "--data", "data", "--json"),
        ("ablate", "--data", "data", "--output", "runs", "--markdown"),
        ("data", "check", "data", "--json"),
        ("tune", "--data", "data", "--output"),
        ("card", "results"),
    ],
    ids=" ".join,
)
def test_a_folder_in_the_place_of_a_file_to_write_is_refused_before_any_work(folder, arguments):
    assert refused(*arguments, "masks") == "'masks' is a folder: name a file.\n"
    assert not list((folder / "masks").iterdir())


@pytest.mark.parametrize("arguments", [("adapt", "page.html", "--output"), ("export", "c.ckpt")], ids=" ".join)
def test_weights_are_not_written_over_what_is_none_by_its_name(folder, arguments):
    said = refused(*arguments, "page.html" if arguments[0] == "export" else "w.txt")
    assert said.endswith("is no name for a file of weights: let it end in .pt.\n")
    assert (folder / "page.html").read_text() == "as it was"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("export", "data", "m.pt"), "Checkpoint 'data' is a folder: give the best.ckpt of a training run.\n"),
        (("export", "no.ckpt", "m.pt"), "Checkpoint 'no.ckpt' does not exist: give the best.ckpt of a training run.\n"),
        (("evaluate-volumes", "data"), "Scan 'data' is a folder: name a NIfTI, NRRD or MetaImage file.\n"),
        (("report", "results", "--readme", "no.md"), "File 'no.md' does not exist: name another.\n"),
        (("data", "check", "nowhere"), "Data folder 'nowhere' does not exist: give the folder that holds 'no' and"),
        (("report", "results", "w.pt/x.html"), "w.pt' is a file, in which nothing can be written: name a folder.\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_missing_and_what_is_a_folder_are_told_apart(folder, arguments, sentence):
    assert sentence in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("denoize",), "No such command 'denoize'. Did you mean 'denoise'? See neural-diffusion --help.\n"),
        (("denoise", "a.nii", "b.nii", "--intensity-range", "5"), ": see neural-diffusion denoise --help.\n"),
        (("data", "check", "data", "--splits"), ": see neural-diffusion data check --help.\n"),
        (("export", "c.ckpt", "m.pt", "--no-refine"), "Option '--refine/--no-refine' is of the ONNX file only"),
        (("denoise", "a.nii", "b.nii", "--samples", "8"), "Option '--samples' is of the uncertainty map only: add"),
        (("train", "--data", "data", "--output", "x", "--precision", "half"), "'half' is not one of"),
        (("train", "--data", "data", "--output", "x", "--set", "foo=1"), "Option 'foo' does not exist: choose one of"),
        (("train", "--data", "data", "--output", "x", "--config", "nope"), "one of the bundled comparison, finish, "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_slip_on_the_command_line_is_said_in_plain_words(folder, arguments, sentence):
    done = run_here(*arguments)
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err
    assert "Value error" not in done.err


def test_a_folder_that_may_not_be_written_into_is_refused_before_any_work(folder, monkeypatch):
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(CommandError, match=r"masks' may not be written into: choose another\."):
        check_outputs(folder / "masks" / "a.json")


def test_a_folder_that_is_there_need_not_be_made(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name == "masks")
    check_folder_to_make(folder / "masks")
    with pytest.raises(CommandError, match=r"results' may not be written into: choose another\."):
        check_folder_to_make(folder / "results")
    with pytest.raises(CommandError, match="may not be written into"):
        check_folder_to_make(folder / "new")


def test_links_and_other_spellings_are_the_same_file(folder):
    (folder / "other").symlink_to(folder / "results")
    with pytest.raises(CommandError, match="two outputs"):
        check_outputs(folder / "results" / "a", folder / "other" / "a")
    with pytest.raises(CommandError, match="over what is read"):
        check_outputs(folder / "masks" / ".." / "w.pt", inputs=[None, folder / "w.pt"])
    check_outputs(None, folder / "a", None, folder / "b", inputs=[folder / "w.pt", None])


@pytest.mark.parametrize(
    "arguments", [("data", "check", "slices", "--splits"), ("sweep", "--data", "slices", "--plots")]
)
def test_a_file_in_the_place_of_a_folder_to_write_is_refused(folder, arguments):
    make_slices(folder / "slices", count=8)
    assert refused(*arguments, "w.pt") == "'w.pt' is a file: name a folder.\n"
    assert (folder / "w.pt").read_text() == "as it was"
