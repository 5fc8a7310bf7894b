"""`NeuralDiffusionLogic.denoiseAll` on real MRML and real files: every volume gets a row, a bad one stops no other."""

from __future__ import annotations

import math
import os
import types

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from mrml_geometries import GEOMETRIES
from shell import ROOT

from NeuralDiffusionLib import DenoiseSettings, DeviceError, InvalidVolumeError
from NeuralDiffusionLib.mrml.runs import batch as mrml_batch

QUICK = DenoiseSettings(iterations=2)
FORMATS = (".nrrd", ".nii", ".nii.gz", ".mha")
COLUMNS = ["Name", "Slices", "Noise level", "Device", "Seconds", "Status"]


@pytest.fixture
def run(logic, scene):
    """Run a batch on the CPU and return its rows, as dictionaries."""

    def run(volumes, *arguments, settings=QUICK, **options):
        return rows(logic.denoiseAll(volumes, *arguments, settings=settings, device="cpu", **options))

    return run


def rows(table):
    content = table.GetTable()
    names = [content.GetColumnName(column) for column in range(content.GetNumberOfColumns())]
    assert names == COLUMNS
    return [
        {name: content.GetValueByName(row, name).ToString() for name in names}
        for row in range(content.GetNumberOfRows())
    ]


def statuses(table_rows):
    return {row["Name"]: row["Status"] for row in table_rows}


def voxels(dtype=np.int16, slices=6):
    return np.random.default_rng(3).normal(100, 8, (slices, 20, 24)).clip(0, 127).astype(dtype)


def write(path, array=None, direction=None):
    image = sitk.GetImageFromArray(voxels() if array is None else array)
    image.SetSpacing((0.7, 0.9, 3.5))
    image.SetOrigin((-91.25, 40.5, 7.75))
    image.SetDirection((np.eye(3) if direction is None else direction).ravel())
    sitk.WriteImage(image, str(path))
    return path


def on_the_grid_of(image, reference):
    """Return an image's voxels where those of another lie in the patient, however its slices are stacked."""
    return sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkNearestNeighbor, -1))


class TestNodes:
    def test_every_volume_gets_an_output_and_a_row(self, logic, run, scene, add_volume):
        volumes = [add_volume(name="First"), add_volume(name="Second")]
        table_rows = run(volumes)
        assert [row["Name"] for row in table_rows] == ["First", "Second"]
        for volume, row in zip(volumes, table_rows, strict=True):
            output = scene.GetFirstNodeByName(f"{volume.GetName()} denoised")
            alone = logic.addOutputVolume(volume)
            result = logic.process(volume, alone, None, QUICK, device="cpu")
            np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), slicer.util.arrayFromVolume(alone))
            assert (row["Slices"], row["Device"], row["Status"]) == ("3", "cpu", "Denoised.")
            assert float(row["Noise level"]) == pytest.approx(result.sigma)
            assert float(row["Seconds"]) > 0

    def test_a_bad_volume_is_named_and_stops_no_other(self, run, scene, add_volume):
        labels = add_volume(np.ones((2, 8, 8), np.int16), "Labels", node_class="vtkMRMLLabelMapVolumeNode")
        holes = add_volume(np.full((2, 8, 8), np.nan, np.float32), "Holes")
        empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
        table_rows = run([labels, holes, None, empty, add_volume(name="Good")])
        found = statuses(table_rows)
        assert "is a label map" in found["Labels"]
        assert "'Holes' is NaN" in found["Holes"]
        assert "No input volume" in found[""]
        assert "no image data" in found["Empty"]
        assert found["Good"] == "Denoised."
        assert [row["Slices"] for row in table_rows] == ["0", "0", "0", "0", "3"]
        assert math.isnan(float(table_rows[0]["Noise level"]))
        added = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", scene)]
        assert [name for name in added if "denoised" in name] == ["Good denoised"]

    def test_a_volume_that_leaves_the_scene_meanwhile_stops_no_other(self, run, scene, add_volume):
        first, second, third = (add_volume(name=name) for name in ("First", "Second", "Third"))

        def progress(done, total):
            if second.GetScene() is not None:
                scene.RemoveNode(second)

        found = statuses(run([first, second, third], progress=progress))
        assert found == {
            "First": "Denoised.",
            "Second": "'Second' is not in the scene: add it to the scene first.",
            "Third": "Denoised.",
        }

    def test_the_table_stands_in_the_scene_of_the_volumes(self, logic, scene):
        other = slicer.vtkMRMLScene()
        volume = other.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Scan")
        slicer.util.updateVolumeFromArray(volume, voxels())
        # Whatever can be gone through, once.
        table = logic.denoiseAll(iter([volume]), settings=QUICK, device="cpu")
        assert table.GetScene() is other
        assert scene.GetFirstNodeByClass("vtkMRMLTableNode") is None

    def test_settings_reach_every_volume(self, run, scene, add_volume):
        run([add_volume(name="Scan")], settings=DenoiseSettings(iterations=3, neighbours=4))
        output = scene.GetFirstNodeByName("Scan denoised")
        assert output.GetAttribute("NeuralDiffusion.Iterations") == "3"
        assert output.GetAttribute("NeuralDiffusion.Neighbours") == "4"

    @pytest.mark.parametrize("volumes", [[], [None]])
    def test_nothing_to_denoise_is_refused(self, run, volumes):
        with pytest.raises(InvalidVolumeError, match="No volume of a scene was given"):
            run(volumes)

    def test_an_absent_device_is_refused_before_any_volume_is_touched(self, logic, scene, add_volume, state):
        volume = add_volume()
        before = state()
        with pytest.raises(DeviceError):
            logic.denoiseAll([volume], settings=QUICK, device="cuda:99")
        assert state() == before


class TestFolder:
    @pytest.mark.parametrize("suffix", FORMATS)
    @pytest.mark.parametrize("turn", [np.eye(3), np.diag([1.0, 1.0, -1.0])], ids=["right-handed", "left-handed"])
    def test_geometry_and_scalar_type_of_a_file_are_kept(self, logic, run, tmp_path, suffix, turn):
        source = write(tmp_path / f"Kopf Schädel{suffix}", direction=GEOMETRIES["oblique"] @ turn)
        (row,) = run(tmp_path, tmp_path / "clean")
        assert row["Status"] == "Denoised."
        before, after = sitk.ReadImage(str(source)), sitk.ReadImage(str(tmp_path / "clean" / source.name))
        assert after.GetPixelID() == before.GetPixelID()
        assert after.GetSize() == before.GetSize()
        np.testing.assert_allclose(after.GetSpacing(), before.GetSpacing(), rtol=1e-5)
        expected = logic.denoiser("cpu")(sitk.GetArrayFromImage(before), QUICK).image
        # Slicer may hand over the slices in reverse, in which bfloat16 rounds otherwise.
        np.testing.assert_allclose(on_the_grid_of(after, before), np.rint(expected), atol=1)

    def test_a_bad_file_is_named_and_stops_no_other(self, run, scene, tmp_path):
        source, target = tmp_path / "scans", tmp_path / "clean"
        source.mkdir()
        (source / "broken.nrrd").write_text("NRRD0004\nrubbish")
        (source / "cut.nrrd").write_bytes(write(tmp_path / "whole.nrrd").read_bytes()[:2000])
        write(source / "colours.nrrd", np.ones((2, 8, 8, 3), np.uint8))
        write(source / "scan-label.nrrd", np.ones((2, 8, 8), np.uint8))
        write(source / "scan.nrrd")
        (source / "notes.txt").write_text("no scan")
        labels = nib.Nifti1Image(np.ones((8, 8, 2), np.uint8), np.eye(4))
        labels.header.set_intent("label")
        nib.save(labels, source / "parcellation.nii.gz")
        found = statuses(run(source, target))
        names = ["broken.nrrd", "colours.nrrd", "cut.nrrd", "parcellation.nii.gz", "scan-label.nrrd", "scan.nrrd"]
        assert list(found) == names
        for name in ("broken.nrrd", "colours.nrrd", "cut.nrrd"):
            assert found[name].startswith(f"'{name}' cannot be read as one scalar volume")
        assert "is a label map by its name" in found["scan-label.nrrd"]
        assert "is a label map by its header" in found["parcellation.nii.gz"]
        assert found["scan.nrrd"] == "Denoised."
        assert [path.name for path in target.iterdir()] == ["scan.nrrd"]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders.")
    def test_a_pipe_in_the_folder_is_named(self, run, tmp_path):
        os.mkfifo(tmp_path / "pipe.nii")
        write(tmp_path / "scan.nrrd")
        found = statuses(run(tmp_path, tmp_path / "clean"))
        assert found == {
            "pipe.nii": "'pipe.nii' is no file but a pipe or a device: name a file.",
            "scan.nrrd": "Denoised.",
        }

    def test_the_scene_gets_nothing_but_the_table(self, run, scene, tmp_path):
        write(tmp_path / "scan.nrrd")
        before = scene.GetNumberOfNodes()
        run(str(tmp_path), str(tmp_path / "clean"))
        assert scene.GetNumberOfNodes() == before + 1
        assert scene.GetFirstNodeByClass("vtkMRMLTableNode").GetName().startswith("Neural Diffusion batch")

    def test_a_file_that_is_there_is_replaced_only_when_asked(self, run, tmp_path):
        write(tmp_path / "scan.nrrd")
        target = tmp_path / "clean"
        target.mkdir()
        (target / "scan.nrrd").write_text("mine")
        (row,) = run(tmp_path, target)
        assert "'scan.nrrd' is there already" in row["Status"]
        assert (target / "scan.nrrd").read_text() == "mine"
        (row,) = run(tmp_path, target, overwrite=True)
        assert row["Status"] == "Denoised."
        assert sitk.ReadImage(str(target / "scan.nrrd")).GetSize() == (24, 20, 6)

    def test_a_file_that_appears_during_the_run_is_kept(self, run, tmp_path, monkeypatch):
        write(tmp_path / "scan.nrrd")
        theirs = tmp_path / "clean" / "scan.nrrd"
        read = mrml_batch.read_volume_file

        def meanwhile(path, scene):
            theirs.write_text("theirs")
            return read(path, scene)

        monkeypatch.setattr(mrml_batch, "read_volume_file", meanwhile)
        (row,) = run(tmp_path, tmp_path / "clean")
        assert "'scan.nrrd' is there already" in row["Status"]
        assert theirs.read_text() == "theirs"
        assert list(theirs.parent.iterdir()) == [theirs]

    def test_two_files_never_share_one_result(self, run, tmp_path):
        write(tmp_path / "scan.nhdr")
        write(tmp_path / "scan.nrrd", voxels(slices=2))
        found = statuses(run(tmp_path, tmp_path / "clean", overwrite=True))
        assert found["scan.nhdr"] == "Denoised."
        assert "is there already" in found["scan.nrrd"]
        assert sitk.ReadImage(str(tmp_path / "clean" / "scan.nrrd")).GetSize() == (24, 20, 6)

    def test_a_file_that_cannot_be_written_leaves_nothing_and_is_named(self, run, tmp_path):
        write(tmp_path / "scan.nrrd")
        (tmp_path / "clean" / "scan.nrrd").mkdir(parents=True)
        (row,) = run(tmp_path, tmp_path / "clean", overwrite=True)
        assert "scan.nrrd' could not be written" in row["Status"]
        assert [path.name for path in (tmp_path / "clean").iterdir()] == ["scan.nrrd"]

    @pytest.mark.parametrize(
        ("folders", "complaint"),
        [
            (lambda path: (path, path / "." / "clean" / ".."), "is both input and output"),
            (lambda path: (path, None), "No output folder was given"),
            (lambda path: (path / "absent", path / "clean"), "is not a folder"),
            (lambda path: (path / "empty", path / "clean"), "holds no NRRD, NIfTI or MetaImage file"),
            (lambda path: (path, path / "scan.nrrd"), "cannot be made a folder"),
        ],
        ids=["same folder", "no output folder", "absent", "empty", "a file as output folder"],
    )
    def test_folders_that_cannot_be_used_are_refused_in_one_sentence(self, run, scene, tmp_path, folders, complaint):
        write(tmp_path / "scan.nrrd")
        (tmp_path / "empty").mkdir()
        before = sorted(tmp_path.rglob("*"))
        nodes = scene.GetNumberOfNodes()
        with pytest.raises(InvalidVolumeError, match=complaint):
            run(*folders(tmp_path))
        assert sorted(tmp_path.rglob("*")) == before
        assert scene.GetNumberOfNodes() == nodes


class TestCancel:
    def test_what_is_done_is_kept_and_the_table_says_what_is_not(self, run, tmp_path):
        for name in "abc":
            write(tmp_path / f"{name}.nrrd")
        done = []
        found = statuses(
            run(
                tmp_path,
                tmp_path / "clean",
                progress=lambda volumes, total: done.append(volumes),
                cancelled=lambda: bool(done) and done[-1] >= 1,
            )
        )
        assert found == {
            "a.nrrd": "Denoised.",
            "b.nrrd": "Not started: the batch was cancelled.",
            "c.nrrd": "Not started: the batch was cancelled.",
        }
        assert [path.name for path in (tmp_path / "clean").iterdir()] == ["a.nrrd"]

    def test_a_volume_is_given_up_between_two_batches_of_slices(self, run, scene, add_volume, monkeypatch):
        monkeypatch.setattr("NeuralDiffusionLib.engine.denoiser.batch_size", lambda *_: 1)
        done = []
        table_rows = run(
            [add_volume(name="First"), add_volume(name="Second")],
            progress=lambda volumes, total: done.append(volumes),
            cancelled=lambda: bool(done),
        )
        assert statuses(table_rows) == {
            "First": "Cancelled: nothing was written.",
            "Second": "Not started: the batch was cancelled.",
        }
        assert done == [pytest.approx(1 / 3)]
        assert scene.GetFirstNodeByName("First denoised") is None


def test_progress_counts_volumes_to_the_end_without_a_step_back(run, add_volume):
    calls = []
    bad = add_volume(np.full((2, 8, 8), np.nan, np.float32), "Holes")
    run([add_volume(), bad, add_volume()], progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert calls[-1] == (3, 3)


def test_the_three_lines_of_the_readme_denoise_a_volume(logic, scene, add_volume, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = text.split("From the Python console:\n\n")[1].split("\n\n")[0]
    lines = [line.removeprefix("    ") for line in block.splitlines()]
    assert len(lines) == 3
    # What `getModuleLogic` finds in the application: the module by its name, and the logic of its widget.
    module = types.SimpleNamespace(name="NeuralDiffusion", logic=lambda: logic)
    manager = types.SimpleNamespace(module={"NeuralDiffusion": module}.get)
    monkeypatch.setattr(slicer, "app", types.SimpleNamespace(moduleManager=lambda: manager), raising=False)
    monkeypatch.setattr(slicer, "qSlicerScriptedLoadableModule", type("Absent", (), {}), raising=False)
    names = {"slicer": slicer, "inputVolume": add_volume(name="Scan")}
    exec("\n".join(lines), names)
    assert names["output"].GetName() == "Scan denoised"
    assert names["output"].GetImageData() is not None
