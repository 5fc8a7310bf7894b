"""The command-line module as Slicer runs it: a process of its own, described by its XML file."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from shell import ROOT, assert_same_geometry, head, image, write

from NeuralDiffusionLib import MAX_ITERATIONS, NEIGHBOURHOODS, NOISE_TYPES, Denoiser, DenoiseSettings, __version__

FOLDER = ROOT / "NeuralDiffusion" / "CommandLine"
SCRIPT = FOLDER / "NeuralDiffusionCommandLine.py"
DESCRIPTION = ElementTree.parse(FOLDER / "NeuralDiffusionCommandLine.xml").getroot()
PARAMETERS = {
    parameter.findtext("name"): parameter
    for group in DESCRIPTION.iter("parameters")
    for parameter in group
    if parameter.find("name") is not None
}
QUICK = ("--iterations", 2, "--device", "cpu")
QUICK_SETTINGS = DenoiseSettings(iterations=2, refine=False)

# Slicer's Python with a library that cannot be imported.
WITHOUT = """
import runpy, sys
sys.modules[{name!r}] = None
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def command(*arguments):
    return [sys.executable, str(SCRIPT), *map(str, arguments)]


def environment():
    # As Slicer starts it: nothing of this checkout on the path.
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def finished(program, folder):
    return subprocess.run(program, capture_output=True, encoding="utf-8", env=environment(), cwd=folder, check=False)


def run(folder, *arguments):
    """Run the module, which must succeed and, as Slicer expects then, leave standard error empty."""
    done = finished(command(*arguments), folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(folder, *arguments, program=None):
    """Run the module, which must end with status 1 and one sentence, and write nothing; give the sentence."""
    before = sorted(folder.rglob("*"))
    done = finished([*(program or command()), *map(str, arguments)], folder)
    assert done.returncode == 1, done
    assert re.fullmatch(r"[^\n]+\.\n", done.stderr), done.stderr
    assert sorted(folder.rglob("*")) == before
    return done.stderr


def voxels(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.fixture(scope="module")
def expected():
    """What the library makes of the scan of `head`."""
    return Denoiser("cpu")(head(), QUICK_SETTINGS)


class TestDescription:
    def test_the_parameters_have_the_names_of_the_module(self):
        assert list(PARAMETERS) == [
            "inputVolume",
            "outputVolume",
            "conductionVolume",
            "noise",
            "iterations",
            "neighbours",
            "refine",
            "acrossSlices",
            "sigma",
            "device",
        ]

    def test_every_flag_is_read_by_the_script_and_every_option_of_the_script_is_described(self):
        parser = runpy.run_path(str(SCRIPT))["_parser"]()
        options = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
        flags = {
            parameter.findtext("longflag")
            for parameter in PARAMETERS.values()
            if parameter.find("longflag") is not None
        }
        assert flags == options
        indexed = {
            name: int(one.findtext("index")) for name, one in PARAMETERS.items() if one.find("index") is not None
        }
        positional = [action.dest for action in parser._actions if not action.option_strings]
        assert sorted(indexed, key=indexed.get) == positional
        assert list(indexed.values()) == [0, 1]
        for name, parameter in PARAMETERS.items():
            assert parameter.findtext("longflag", f"--{name}") == f"--{name}"

    def test_the_defaults_are_those_of_the_library_and_of_the_script(self):
        parser = runpy.run_path(str(SCRIPT))["_parser"]()
        for name in ("noise", "iterations", "neighbours"):
            default = getattr(DenoiseSettings, name)
            assert PARAMETERS[name].findtext("default") == str(default)
            assert parser.get_default(name) == default
        assert PARAMETERS["refine"].findtext("default") == str(DenoiseSettings.refine).lower()
        assert PARAMETERS["acrossSlices"].findtext("default") == "true"
        assert (PARAMETERS["sigma"].findtext("default"), parser.get_default("sigma")) == ("0", 0)
        assert PARAMETERS["device"].findtext("default") == parser.get_default("device") == "auto"

    def test_what_can_be_chosen_is_what_the_library_takes(self):
        assert [element.text for element in PARAMETERS["noise"].iter("element")] == list(NOISE_TYPES)
        assert [int(element.text) for element in PARAMETERS["neighbours"].iter("element")] == list(NEIGHBOURHOODS)
        bounds = PARAMETERS["iterations"].find("constraints")
        assert (bounds.findtext("minimum"), bounds.findtext("maximum")) == ("1", str(MAX_ITERATIONS))

    def test_it_stands_beside_the_module_and_says_what_it_is_not_for(self):
        assert DESCRIPTION.tag == "executable"
        assert DESCRIPTION.findtext("category") == "Filtering.Denoising"
        assert DESCRIPTION.findtext("version") == __version__
        assert "not for diagnosis" in DESCRIPTION.findtext("description")
        for parameter in PARAMETERS.values():
            assert parameter.findtext("label")
            assert parameter.findtext("description")

    def test_the_script_starts_as_slicer_knows_a_program(self):
        assert SCRIPT.read_text(encoding="utf-8").startswith("#!/usr/bin/env python-real\n")


class TestResult:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float64])
    def test_scalar_type_and_geometry_are_kept(self, tmp_path, dtype):
        source = write(tmp_path / "scan.nrrd", head(dtype))
        run(tmp_path, source, tmp_path / "clean.nrrd", *QUICK)
        before, after = (sitk.ReadImage(str(tmp_path / name)) for name in ("scan.nrrd", "clean.nrrd"))
        assert after.GetPixelID() == before.GetPixelID()
        for part in ("GetSpacing", "GetOrigin", "GetDirection"):
            # NRRD stores spacing and direction multiplied.
            np.testing.assert_allclose(getattr(after, part)(), getattr(before, part)(), rtol=1e-12, atol=1e-12)
        expected = Denoiser("cpu")(head(dtype), QUICK_SETTINGS, scalar_type=np.float64).image
        if np.issubdtype(dtype, np.integer):
            expected = np.rint(expected).clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(after), expected.astype(dtype))

    def test_the_conduction_volume_is_written_when_named(self, tmp_path, expected):
        source = write(tmp_path / "scan.nrrd")
        run(tmp_path, source, "clean.nrrd", "--conductionVolume", "map.nrrd", *QUICK)
        conduction = voxels(tmp_path / "map.nrrd")
        assert conduction.dtype == np.float32
        np.testing.assert_array_equal(conduction, expected.conduction)

    def test_options_reach_the_network(self, tmp_path):
        source = write(tmp_path / "scan.nrrd", head(np.float32))
        options = ("--noise", "gaussian", "--neighbours", 4, "--refine", "--sigma", 25)
        output = run(tmp_path, source, "clean.nrrd", *options, *QUICK)
        settings = DenoiseSettings(noise="gaussian", iterations=2, neighbours=4, refine=True, sigma=25.0)
        expected = Denoiser("cpu")(head(np.float32), settings).image
        np.testing.assert_array_equal(voxels(tmp_path / "clean.nrrd"), expected)
        assert "given noise level 25 in units of the scan" in output

    def test_a_step_across_slices_follows_where_they_are_not_thick(self, tmp_path):
        for name, spacing, across in (("even", (1, 1, 1), True), ("thick", (1, 1, 4), False)):
            image = sitk.GetImageFromArray(head(np.float32))
            image.SetSpacing(spacing)
            sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
            run(tmp_path, f"{name}.nrrd", "clean.nrrd", "--acrossSlices", *QUICK)
            expected = Denoiser("cpu")(head(np.float32), replace(QUICK_SETTINGS, across_slices=across)).image
            np.testing.assert_array_equal(voxels(tmp_path / "clean.nrrd"), expected)

    def test_slices_lie_across_the_coarsest_axis(self, tmp_path):
        array = np.ascontiguousarray(np.moveaxis(head(np.float32), 0, 2))
        source = write(tmp_path / "scan.nrrd", array, spacing=(3.3, 0.8, 0.9))
        run(tmp_path, source, "clean.nrrd", *QUICK)
        settings = DenoiseSettings(iterations=2, refine=False, slice_axis=2)
        np.testing.assert_array_equal(voxels(tmp_path / "clean.nrrd"), Denoiser("cpu")(array, settings).image)

    @pytest.mark.parametrize("name", ["clean.nii.gz", "clean.mhd", "clean.nhdr", "clean.hdr", "clean.img"])
    def test_formats_of_one_and_of_two_files_are_written_whole(self, tmp_path, expected, name):
        folder = tmp_path / "Bilder für Ärzte"
        folder.mkdir()
        run(tmp_path, write(tmp_path / "scan.nrrd"), folder / name, *QUICK)
        np.testing.assert_array_equal(voxels(folder / name), np.rint(expected.image).astype(np.int16))
        assert_same_geometry(folder / name, image(head()), 1e-4)
        assert not list(folder.glob(".unfinished-*"))


class TestProgress:
    def test_it_is_told_in_the_words_of_the_execution_model(self, tmp_path):
        source = write(tmp_path / "scan.nrrd", head(shape=(70, 24, 20)))
        lines = run(tmp_path, source, "clean.nrrd", *QUICK).splitlines()
        told = [
            float(line[len("<filter-progress>") : -len("</filter-progress>")]) for line in lines if "-progress" in line
        ]
        assert len(told) > 1
        assert told == sorted(told)
        assert 0 < told[0] < told[-1] == 1
        assert lines.index("<filter-start>") < lines.index("</filter-start>") < lines.index("<filter-end>")
        # The last line is left for people.
        assert lines[-2] == "</filter-end>"
        assert lines[-1].startswith("Denoised 70 slices in ")
        assert re.search(r"on cpu; estimated noise level [\d.]+ in units of the scan\.$", lines[-1])
        ElementTree.fromstring("<all>" + "".join(lines[:-1]) + "</all>")

    @pytest.mark.skipif(os.name == "nt", reason="Windows ends a program without asking it.")
    def test_a_terminated_run_leaves_nothing_behind(self, tmp_path):
        source = write(tmp_path / "scan.nrrd", head(shape=(320, 64, 64)))
        program = command(source, "clean.nrrd", "--conductionVolume", "map.nrrd", "--iterations", 64, "--device", "cpu")
        process = subprocess.Popen(
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment(), cwd=tmp_path
        )
        while "-progress" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate()
        assert (process.returncode, errors) == (128 + signal.SIGTERM, "")
        assert "filter-end" not in output
        assert list(tmp_path.iterdir()) == [source]


class TestRefusal:
    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            (("--noise", "salt"), "Noise type 'salt' is not known"),
            (("--iterations", 65), "Iteration count 65 is not possible"),
            (("--iterations", "many"), "invalid int value: 'many'"),
            (("--neighbours", 6), "Neighbourhood 6 is not possible"),
            (("--sigma", -1), "Noise level -1.0 is not possible"),
            (("--sigma", "nan"), "Noise level nan is not possible"),
            (("--device", "cuda:99"), "Device 'cuda:99' is not there"),
            (("--device", "tpu"), "Device 'tpu' is not known"),
            (("--colour", "blue"), "unrecognized arguments: --colour blue"),
        ],
    )
    def test_an_option_that_is_wrong_is_named(self, tmp_path, options, complaint):
        source = write(tmp_path / "scan.nrrd")
        assert complaint in refused(tmp_path, source, "clean.nrrd", *options)

    @pytest.mark.parametrize(
        ("make", "complaint"),
        [
            (lambda path: path.write_text("NRRD0004\nrubbish"), "cannot be read as an image"),
            (lambda path: None, "cannot be read as an image"),
            (lambda path: write(path, np.ones((2, 8, 8, 3), np.uint8)), "is no scalar volume"),
            (lambda path: sitk.WriteImage(sitk.GetImageFromArray(np.ones((8, 8))), str(path)), "is no scalar volume"),
            (lambda path: write(path, np.full((2, 8, 8), np.nan, np.float32)), "the volume holds NaN"),
        ],
        ids=["broken", "absent", "colours", "one slice", "NaN"],
    )
    def test_a_scan_that_cannot_be_denoised_is_named(self, tmp_path, make, complaint):
        make(tmp_path / "scan.nrrd")
        sentence = refused(tmp_path, "scan.nrrd", "clean.nrrd", *QUICK)
        assert sentence.startswith("scan.nrrd")
        assert complaint in sentence

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (("scan.nrrd", "scan.nrrd"), "The same file was named twice"),
            (("scan.nrrd", "clean.nrrd", "--conductionVolume", "clean.nrrd"), "The same file was named twice"),
            (("scan.nrrd", "absent/clean.nrrd"), "cannot be written there"),
            (("scan.nrrd",), "outputVolume"),
        ],
    )
    def test_an_output_that_cannot_be_written_is_named(self, tmp_path, arguments, complaint):
        write(tmp_path / "scan.nrrd")
        assert complaint in refused(tmp_path, *arguments, *QUICK)

    @pytest.mark.parametrize("name", ["clean.tif", "clean.vtk", "clean.gipl", "clean.png", "clean.txt", "c.MHA", "c"])
    def test_a_format_that_drops_the_geometry_or_cannot_be_written_is_refused_before_the_run(self, tmp_path, name):
        # No scan is there, so nothing can have run.
        assert f"{name} cannot be written: let its name end in .nii.gz, " in refused(tmp_path, "scan.nrrd", name)
        said = refused(tmp_path, "scan.nrrd", "clean.nrrd", "--conductionVolume", name)
        assert f"{name} cannot be written: let its name end in .nii.gz, " in said

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (("scan.mhd", "scan.nhdr"), "scan.raw"),
            (("scan.mhd", "clean.mhd", "--conductionVolume", "clean.nhdr"), "clean.raw"),
        ],
    )
    def test_voxels_of_one_image_do_not_replace_those_of_another(self, tmp_path, arguments, named):
        sitk.WriteImage(image(head()), str(tmp_path / "scan.mhd"))
        before = (tmp_path / "scan.raw").read_bytes()
        said = refused(tmp_path, *arguments, *QUICK)
        assert f"could not be written ({named}, where voxels would go, is of another image): name another" in said
        assert (tmp_path / "scan.raw").read_bytes() == before

    def test_of_two_outputs_none_is_written_when_one_cannot_be(self, tmp_path):
        write(tmp_path / "scan.nrrd")
        (tmp_path / "clean.nrrd").write_text("mine")
        (tmp_path / "map.raw").write_text("mine, too")
        sentence = refused(tmp_path, "scan.nrrd", "clean.nrrd", "--conductionVolume", "map.nhdr", *QUICK)
        assert "clean.nrrd and map.nhdr could not be written" in sentence
        assert (tmp_path / "clean.nrrd").read_text() == "mine"

    def test_a_label_map_is_refused(self, tmp_path):
        write(tmp_path / "brain_label.nrrd")
        assert "brain_label.nrrd is a label map by its name" in refused(tmp_path, "brain_label.nrrd", "clean.nrrd")
        labels = nib.Nifti1Image(np.ascontiguousarray(head().T), np.eye(4))
        labels.header.set_intent(1002)
        nib.save(labels, tmp_path / "parts.nii.gz")
        nib.save(nib.Nifti1Pair(labels.dataobj, labels.affine, labels.header), tmp_path / "pair.img")
        for name in ("parts.nii.gz", "pair.img"):
            assert f"{name} is a label map by its header" in refused(tmp_path, name, "clean.nrrd")

    @pytest.mark.parametrize("place", [0, 1, 3])
    def test_a_label_map_that_slicers_panel_offers_is_refused(self, tmp_path, place):
        # As Slicer names the files of its nodes: letters stand for digits.
        names = ["BC_vtkMRMLScalarVolumeNodeD.nrrd", "clean.nrrd", "--conductionVolume", "map.nrrd"]
        names[place] = "BC_vtkMRMLLabelMapVolumeNodeB.nrrd"
        write(tmp_path / names[0])
        said = refused(tmp_path, *names, *QUICK)
        assert said == f"{names[place]} is of a label map, which can be neither read nor written: choose a volume.\n"

    @pytest.mark.parametrize("name", ["clean.nii.gz", "clean.img"])
    def test_a_format_that_would_lose_the_shear_of_a_scan_is_refused(self, tmp_path, name):
        scan = image(head())
        scan.SetDirection((1, 0.4, 0, 0, 0.9, 0, 0, 0, 1))
        sitk.WriteImage(scan, str(tmp_path / "scan.nrrd"))
        said = refused(tmp_path, "scan.nrrd", name, *QUICK)
        assert f"{name} cannot hold the sheared axes of scan.nrrd: name a .nrrd file." in said
        run(tmp_path, "scan.nrrd", "clean.nrrd", *QUICK)

    @pytest.mark.parametrize(
        ("name", "complaint"),
        [("torch", "PyTorch does not load"), ("NeuralDiffusionLib", "is not where it was installed")],
    )
    def test_what_is_not_installed_is_named(self, tmp_path, name, complaint):
        source = write(tmp_path / "scan.nrrd")
        program = [sys.executable, "-c", WITHOUT.format(name=name), str(SCRIPT)]
        assert complaint in refused(tmp_path, source, "clean.nrrd", program=program)


def test_a_result_replaces_what_slicer_left_there(tmp_path, expected):
    source = write(tmp_path / "scan.nrrd")
    sitk.WriteImage(image(np.zeros((2, 3, 4), np.int16)), str(tmp_path / "clean.nrrd"))
    run(tmp_path, source, "clean.nrrd", *QUICK)
    assert voxels(tmp_path / "clean.nrrd").shape == head().shape


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Only Linux has a disk that is always full.")
def test_a_result_is_written_though_nothing_can_be_told(tmp_path, expected):
    program = command(write(tmp_path / "scan.nrrd"), "clean.nrrd", *QUICK)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            program, stdout=full, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")
    np.testing.assert_array_equal(voxels(tmp_path / "clean.nrrd"), np.rint(expected.image).astype(np.int16))


def test_what_lies_outside_of_the_training_is_said(tmp_path):
    # The air of CT, which no network for MR has seen.
    write(tmp_path / "ct.nrrd", head(np.int16) - 1000)
    assert "far below zero" in run(tmp_path, "ct.nrrd", "clean.nrrd", *QUICK)
    write(tmp_path / "mr.nrrd")
    assert "far below zero" not in run(tmp_path, "mr.nrrd", "clean.nrrd", *QUICK)
