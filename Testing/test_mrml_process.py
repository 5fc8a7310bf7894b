"""`NeuralDiffusionLogic.process` on real MRML with the real network: what a result keeps of its input, and when."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import slicer
import vtk
from held_nodes import held_nodes
from mrml_geometries import GEOMETRIES, ijk_to_ras
from panel_scenes import load, save

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError, __version__
from NeuralDiffusionLib.engine import denoiser
from NeuralDiffusionLib.mrml.comparison.comparison import Comparison
from NeuralDiffusionLib.mrml.maps.overlay import DEFAULT_COLOUR_TABLE
from NeuralDiffusionLib.mrml.nodes.provenance import input_of, read_provenance
from NeuralDiffusionLib.mrml.nodes.volumes import check_input
from NeuralDiffusionLib.mrml.runs.run import VolumeRun
from NeuralDiffusionLib.mrml.runs.sequence_run import SequenceRun

pytest_plugins = ["sequence_scenes"]

QUICK = DenoiseSettings(iterations=2)


def set_geometry(volume, columns, spacing, origin):
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(columns).T * spacing
    matrix[:3, 3] = origin
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))


def test_the_thread_of_a_run_is_given_no_node(scene, add_volume, output, conduction, proxy):
    settings, network = DenoiseSettings(), Denoiser("cpu")
    scan = add_volume()
    assert held_nodes(VolumeRun(network, settings, scan, output, conduction)) != []
    assert held_nodes(VolumeRun(network, settings, scan, output, conduction).work) == []
    assert held_nodes(SequenceRun(network, settings, proxy).work) == []
    assert held_nodes(Comparison(scan, None, add_volume(name="Truth")).work) == []


class TestPlace:
    @pytest.mark.parametrize("geometry", GEOMETRIES)
    def test_the_results_lie_voxel_on_voxel_over_the_input(self, logic, add_volume, output, conduction, geometry):
        volume = add_volume()
        set_geometry(volume, GEOMETRIES[geometry], spacing=[0.7, 0.9, 3.5], origin=[-91.25, 40.5, 7.75])
        logic.process(volume, output, conduction, QUICK)
        volumes_logic = slicer.vtkSlicerVolumesLogic()
        for result in (output, conduction):
            assert volumes_logic.CompareVolumeGeometry(volume, result) == ""
            np.testing.assert_array_equal(ijk_to_ras(result), ijk_to_ras(volume))

    def test_the_parent_transform_is_kept(self, logic, scene, add_volume, output, conduction):
        volume = add_volume()
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([-1.0, 2.0, 1.0, 1.0])))
        volume.SetAndObserveTransformNodeID(transform.GetID())
        logic.process(volume, output, conduction, QUICK)
        bounds = [np.zeros(6) for _ in range(3)]
        for node, box in zip((volume, output, conduction), bounds, strict=True):
            assert node.GetParentTransformNode() is transform
            node.GetRASBounds(box)
        np.testing.assert_allclose(bounds[1], bounds[0])
        np.testing.assert_allclose(bounds[2], bounds[0])

    def test_the_results_know_their_input_also_in_a_scene_that_was_loaded(
        self, logic, scene, add_volume, output, conduction, tmp_path
    ):
        logic.process(add_volume(), output, conduction, QUICK)
        assert [input_of(result).GetName() for result in (output, conduction)] == ["Scan", "Scan"]
        save(scene, tmp_path / "saved")
        load(scene, tmp_path / "saved")
        assert input_of(scene.GetFirstNodeByName("Output")).GetName() == "Scan"

    def test_an_output_loses_the_transform_that_the_input_does_not_have(self, logic, scene, add_volume, output):
        output.SetAndObserveTransformNodeID(scene.AddNewNodeByClass("vtkMRMLLinearTransformNode").GetID())
        logic.process(add_volume(), output, None, QUICK)
        assert output.GetParentTransformNode() is None


class TestSubjectHierarchy:
    @pytest.fixture
    def hierarchy(self, scene):
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)

    def test_the_results_stand_beside_the_input(self, logic, hierarchy, add_volume, output, conduction):
        volume = add_volume()
        study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient"), "Study")
        hierarchy.CreateItem(study, volume)
        # Slicer gives a new node an item at the top; a plain scene gives it none.
        hierarchy.CreateItem(hierarchy.GetSceneItemID(), output)
        logic.process(volume, output, conduction, QUICK)
        for result in (output, conduction):
            assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result)) == study

    def test_a_place_that_the_user_chose_is_left(self, logic, hierarchy, add_volume, output):
        volume = add_volume()
        hierarchy.CreateItem(hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Scans"), volume)
        results = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Results")
        hierarchy.CreateItem(results, output)
        logic.process(volume, output, None, QUICK)
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(output)) == results

    def test_a_scene_without_hierarchy_gets_none(self, logic, scene, add_volume, output):
        logic.process(add_volume(), output, None, QUICK)
        assert scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is None


class TestVoxels:
    @pytest.mark.parametrize(
        "dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64]
    )
    def test_the_scalar_type_of_the_input_is_kept(self, logic, add_volume, output, dtype):
        volume = add_volume(dtype=dtype)
        result = logic.process(volume, output, None, QUICK)
        assert output.GetImageData().GetScalarType() == volume.GetImageData().GetScalarType()
        expected = result.image
        if np.issubdtype(dtype, np.integer):
            expected = np.clip(np.rint(expected), np.iinfo(dtype).min, np.iinfo(dtype).max)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(output), expected)

    @pytest.mark.parametrize("scalar_type", [vtk.VTK_LONG, vtk.VTK_LONG_LONG, vtk.VTK_UNSIGNED_LONG_LONG, vtk.VTK_CHAR])
    def test_scalar_types_that_numpy_does_not_tell_apart_are_kept_too(
        self, logic, scene, add_volume, output, scalar_type
    ):
        volume = add_volume()
        cast = vtk.vtkImageCast()
        cast.SetInputData(volume.GetImageData())
        cast.SetOutputScalarType(scalar_type)
        cast.Update()
        volume.SetAndObserveImageData(cast.GetOutput())
        logic.process(volume, output, None, QUICK)
        assert output.GetImageData().GetScalarType() == scalar_type

    def test_float_is_stored_on_request(self, logic, add_volume, output):
        result = logic.process(add_volume(), output, None, QUICK, floatOutput=True)
        stored = slicer.util.arrayFromVolume(output)
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, result.image)

    def test_units_of_the_input_are_kept_and_a_map_has_none(self, logic, add_volume, output, conduction):
        def entry(text):
            made = slicer.vtkCodedEntry()
            made.SetValueSchemeMeaning(text, "UCUM", text)
            return made

        volume = add_volume()
        volume.SetVoxelValueUnits(entry("hounsfield"))
        volume.SetVoxelValueQuantity(entry("attenuation"))
        for result in (output, conduction):
            result.SetVoxelValueUnits(entry("of before"))
        logic.process(volume, output, conduction, QUICK)
        assert output.GetVoxelValueUnits().GetCodeMeaning() == "hounsfield"
        assert output.GetVoxelValueQuantity().GetCodeMeaning() == "attenuation"
        assert conduction.GetVoxelValueUnits() is None
        logic.process(add_volume(), output, settings=QUICK)
        assert output.GetVoxelValueUnits() is None

    def test_noise_goes(self, logic, add_volume, output):
        random = np.random.default_rng(3)
        rows, columns = np.mgrid[:96, :96]
        clean = np.where((rows - 48) ** 2 + (columns - 48) ** 2 < 1200, 800.0, 200.0) * np.ones((2, 1, 1))
        volume = add_volume(np.rint(clean + random.normal(0, 60, clean.shape)).astype(np.int16))
        logic.process(volume, output, None, DenoiseSettings(noise="gaussian"))
        error = {node.GetName(): (slicer.util.arrayFromVolume(node) - clean).std() for node in (volume, output)}
        assert error["Output"] < 0.6 * error["Scan"]

    def test_the_settings_are_used(self, logic, add_volume, output):
        volume = add_volume()
        results = []
        for settings in (QUICK, DenoiseSettings(iterations=2, slice_axis=2), DenoiseSettings(iterations=2, sigma=0.0)):
            logic.process(volume, output, None, settings)
            results.append(slicer.util.arrayFromVolume(output).copy())
        assert not np.array_equal(results[0], results[1])
        # No noise to remove: the scan comes back as it was.
        np.testing.assert_allclose(results[2], slicer.util.arrayFromVolume(volume), atol=1)

    def test_the_conduction_map_is_float_from_0_to_1(self, logic, add_volume, output, conduction):
        result = logic.process(add_volume(), output, conduction, QUICK)
        stored = slicer.util.arrayFromVolume(conduction)
        assert stored.dtype == np.float32
        assert stored.min() >= 0
        assert stored.max() <= 1
        np.testing.assert_array_equal(stored, result.conduction)

    def test_the_input_is_never_touched(self, logic, scene, add_volume, output, conduction, state):
        volume = add_volume()
        before, voxels = state(), slicer.util.arrayFromVolume(volume).copy()
        logic.process(volume, output, conduction, QUICK)
        after = state()
        for node in (volume, volume.GetDisplayNode()):
            assert after["nodes"][node.GetID()] == before["nodes"][node.GetID()]
        assert after["images"][volume.GetID()] == before["images"][volume.GetID()]
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), voxels)


class TestDisplay:
    def test_before_and_after_compare_under_one_window(self, logic, add_volume, output):
        volume = add_volume()
        volume.GetDisplayNode().AutoWindowLevelOff()
        volume.GetDisplayNode().SetWindowLevel(90, 55)
        logic.process(volume, output, None, QUICK)
        display = output.GetDisplayNode()
        assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (90, 55, 0)

    def test_conduction_maps_compare_in_colour_over_a_fixed_window(self, logic, add_volume, output, conduction):
        logic.process(add_volume(), output, conduction, QUICK)
        display = conduction.GetDisplayNode()
        assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 1)
        assert not display.GetAutoWindowLevel()
        assert display.GetColorNode().GetName() == DEFAULT_COLOUR_TABLE


class TestProvenance:
    def test_both_results_say_how_they_were_made(self, logic, add_volume, output, conduction):
        settings = DenoiseSettings(noise="mixed", iterations=3, neighbours=4, refine=False, slice_axis=1)
        volume = add_volume(name="T1 head")
        result = logic.process(volume, output, conduction, settings, device="cpu")
        for node in (output, conduction):
            assert read_provenance(node) == {
                "InputVolume": "T1 head",
                "InputChecksum": f"{zlib.crc32(slicer.util.arrayFromVolume(volume)):08x}",
                "Noise": "mixed",
                "Iterations": "3",
                "Neighbours": "4",
                "Refinement": "off",
                "StepAcrossSlices": "on",
                "SliceAxis": "1",
                "Notes": " ".join(result.notes),
                "IntensityRange": " ".join(f"{bound:.7g}" for bound in result.intensity_range),
                "IntensityRangeSource": "estimated",
                "Sigma": f"{result.sigma:.7g}",
                "SigmaSource": "estimated",
                "Device": "cpu",
                "SoftwareVersion": __version__,
                "WeightsSHA256": denoiser.Denoiser("cpu").weights_sha256,
            }
            assert node.GetAttribute("NeuralDiffusion.Noise") == "mixed"

    def test_a_step_across_slices_is_off_where_it_was_not_taken(self, logic, add_volume, output):
        thick = add_volume(name="thick")
        thick.SetSpacing(1.0, 1.0, 4.0)
        logic.process(thick, output, None, QUICK)
        assert read_provenance(output)["StepAcrossSlices"] == "off"
        logic.process(add_volume(), output, None, QUICK, threePlanes=True)
        assert read_provenance(output)["StepAcrossSlices"] == "off"

    def test_what_was_given_is_told_from_what_was_estimated(self, logic, add_volume, output):
        logic.process(
            add_volume(), output, None, DenoiseSettings(iterations=2, sigma=5.0, intensity_range=(0.0, 127.0))
        )
        written = read_provenance(output)
        assert (written["Sigma"], written["SigmaSource"]) == ("5", "given")
        assert (written["IntensityRange"], written["IntensityRangeSource"]) == ("0 127", "given")

    def test_a_second_run_replaces_the_record_of_the_first(self, logic, add_volume, output):
        output.SetAttribute("NeuralDiffusion.Notes", "The memory of cuda:0 ran out.")
        output.SetAttribute("Mine", "kept")
        logic.process(add_volume(), output, None, QUICK)
        assert "Notes" not in read_provenance(output)
        assert output.GetAttribute("Mine") == "kept"


class TestNumbers:
    @pytest.mark.parametrize("options", [{}, {"threePlanes": True}], ids=["one plane", "three planes"])
    @pytest.mark.parametrize("dtype", [np.int32, np.float64])
    def test_large_ones_are_not_rounded_to_what_32_bit_floats_tell_apart(
        self, logic, add_volume, output, dtype, options
    ):
        small = np.random.default_rng(0).integers(300, 700, (6, 24, 24)).astype(dtype)
        far = add_volume(small + dtype(10**9))
        logic.process(far, output, None, DenoiseSettings(intensity_range=(1e9, 1e9 + 1000)), **options)
        found = np.array(slicer.util.arrayFromVolume(output), np.float64) - 1e9
        near = logic.denoiser("auto")
        run = logic.process(add_volume(small), output, None, DenoiseSettings(intensity_range=(0, 1000)), **options)
        assert near.device == run.device
        np.testing.assert_allclose(found, slicer.util.arrayFromVolume(output), atol=1.5)
        assert len(np.unique(found)) > 50

    def test_voxels_that_are_not_numbered_from_0_keep_their_place(self, logic, add_volume, output, conduction):
        volume = add_volume()
        columns, rows, slices = volume.GetImageData().GetDimensions()
        extent = (5, 4 + columns, -3, rows - 4, 2, slices + 1)
        volume.GetImageData().SetExtent(extent)
        logic.process(volume, output, conduction, QUICK)
        for node in (output, conduction):
            assert node.GetImageData().GetExtent() == extent
            np.testing.assert_array_equal(ijk_to_ras(node), ijk_to_ras(volume))

    def test_a_half_updated_image_is_no_image(self, add_volume):
        volume = add_volume()
        volume.GetImageData().SetDimensions(10, 10, 3)
        with pytest.raises(InvalidVolumeError, match="'Scan' has no image data"):
            check_input(volume)


class TestRun:
    def test_progress_counts_slices_to_the_end(self, logic, add_volume, output):
        calls = []
        logic.process(add_volume(), output, None, QUICK, progress=lambda done, total: calls.append((done, total)))
        assert calls[-1] == (3, 3)
        assert calls == sorted(calls)

    def test_the_weights_are_read_once(self, add_volume, output, monkeypatch):
        reads = []

        def counting(path):
            reads.append(path)
            return load_weights(path)

        load_weights = denoiser.load_weights
        monkeypatch.setattr(denoiser, "load_weights", counting)
        logic, volume = NeuralDiffusionLogic(), add_volume()
        for _ in range(3):
            logic.process(volume, output, None, QUICK)
        assert len(reads) == 1

    def test_a_new_output_is_named_after_its_input(self, logic, add_volume):
        volume = add_volume(name="T1 head")
        names = [logic.addOutputVolume(volume).GetName() for _ in range(2)]
        assert names[0] == "T1 head denoised"
        assert names[1].startswith("T1 head denoised")
        assert names[1] != names[0]

    def test_nothing_in_the_slice_views_changes(self, logic, scene, add_volume, output, conduction, state):
        view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        volume = add_volume()
        view.SetBackgroundVolumeID(volume.GetID())
        before = view.GetMTime()
        logic.process(volume, output, conduction, QUICK)
        assert view.GetMTime() == before
