"""The demo, run as `make demo` runs it: what it leaves behind must open in Slicer and show what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import slicer_host
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "Resources" / "Demo"))
from slice_pictures import SliceView

slicer_host.install()

DEMO = Path(__file__).resolve().parent.parent / "Resources" / "Demo" / "denoise_in_scene.py"

VOLUMES = ("noisy.nrrd", "denoised.nrrd", "conduction.nrrd", "overlay.nrrd", "removed.nrrd")


def run_demo(*arguments: object, folder: Path) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    return subprocess.run(
        [sys.executable, str(DEMO), *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def read(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(np.float64)


def open_scene(path: Path) -> slicer.vtkMRMLScene:
    scene = slicer_host.new_scene()
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    scene.SetURL(str(path))
    assert scene.Connect()
    return scene


def nodes(scene: slicer.vtkMRMLScene, class_name: str) -> list[slicer.vtkMRMLNode]:
    # slicer.util.getNodesByClass looks in slicer.mrmlScene, whichever scene it is given
    return [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]


def coloured(picture: np.ndarray) -> np.ndarray:
    """Pixels that are plainly not grey."""
    return np.ptp(picture.astype(int), axis=-1) > 30


@pytest.fixture(scope="module")
def template_run(tmp_path_factory):
    """A few slices of the template: what the demo printed, and its folder, which held a file of the user's before."""
    folder = tmp_path_factory.mktemp("template")
    output = folder / "demo-output"
    output.mkdir()
    (output / "my notes.txt").write_text("keep me")
    done = run_demo("--slices", 8, "--readme-picture", folder / "readme.png", folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout, output


def test_writes_volumes_scene_and_pictures_and_keeps_what_was_there(template_run):
    _, output = template_run
    pictures = {"axial.png", "coronal.png", "sagittal.png"}
    assert {path.name for path in output.iterdir()} == {*VOLUMES, *pictures, "scene.mrml", "my notes.txt"}
    assert {path.name for path in output.parent.iterdir()} == {"demo-output", "readme.png"}
    assert Image.open(output.parent / "readme.png").format == "PNG"


def test_denoised_template_is_nearer_to_the_truth_and_the_removed_part_is_the_rest(template_run):
    printed, output = template_run
    noisy, denoised, removed = (read(output / name) for name in ("noisy.nrrd", "denoised.nrrd", "removed.nrrd"))
    assert noisy.shape == (8, 233, 197)
    np.testing.assert_array_equal(noisy - denoised, removed)
    row = next(line for line in printed.splitlines() if "PSNR in the head" in line)
    before, after = (float(word) for word in row.split() if word.replace(".", "").isdigit())
    assert after > before + 1
    assert "demo-output" in printed
    assert "scene.mrml" in printed


def test_scene_opens_with_the_conduction_map_over_the_denoised_scan(template_run):
    _, output = template_run
    scene = open_scene(output / "scene.mrml")
    volumes = {Path(node.GetStorageNode().GetFileName()).name: node for node in nodes(scene, "vtkMRMLScalarVolumeNode")}
    assert set(volumes) == set(VOLUMES)
    assert all(node.GetImageData().GetDimensions() == (197, 233, 8) for node in volumes.values())
    assert volumes["denoised.nrrd"].GetAttribute("NeuralDiffusion.Sigma")

    layers = {node.GetLayoutName(): node for node in nodes(scene, "vtkMRMLSliceCompositeNode")}
    for view in ("Red", "Green", "Yellow"):
        assert layers[view].GetBackgroundVolumeID() == volumes["noisy.nrrd"].GetID()
        assert layers[f"{view}+"].GetBackgroundVolumeID() == volumes["denoised.nrrd"].GetID()
        assert layers[f"{view}+"].GetForegroundVolumeID() == volumes["overlay.nrrd"].GetID()
        assert 0.3 <= layers[f"{view}+"].GetForegroundOpacity() <= 0.5
    orientations = {node.GetLayoutName(): node.GetOrientation() for node in nodes(scene, "vtkMRMLSliceNode")}
    assert (orientations["Red+"], orientations["Green+"], orientations["Yellow+"]) == ("Axial", "Coronal", "Sagittal")


def test_scene_shows_both_scans_alike_and_the_map_in_colour_from_0_to_1(template_run):
    _, output = template_run
    scene = open_scene(output / "scene.mrml")
    volumes = {Path(node.GetStorageNode().GetFileName()).name: node for node in nodes(scene, "vtkMRMLScalarVolumeNode")}
    display = {name: node.GetDisplayNode() for name, node in volumes.items()}
    noisy, denoised, overlay = (display[name] for name in ("noisy.nrrd", "denoised.nrrd", "overlay.nrrd"))
    assert (noisy.GetWindow(), noisy.GetLevel()) == (denoised.GetWindow(), denoised.GetLevel())
    for map_display in (overlay, display["conduction.nrrd"]):
        assert (map_display.GetWindowLevelMin(), map_display.GetWindowLevelMax()) == (0, 1)
    assert overlay.GetColorNode().GetName() == "Viridis"
    assert display["removed.nrrd"].GetLevel() == 0
    (legend,) = nodes(scene, "vtkMRMLColorLegendDisplayNode")
    assert legend.GetPrimaryDisplayNode() is overlay


def test_only_the_overlay_is_in_colour_and_only_in_the_head(template_run):
    _, output = template_run
    picture = np.array(Image.open(output / "axial.png").convert("RGB"))
    below_captions = picture[picture.shape[0] // 5 : -picture.shape[0] // 5]
    noisy, denoised, overlay, removed = np.array_split(below_captions, 4, axis=1)
    assert coloured(overlay).mean() > 0.3
    assert not coloured(overlay[:, :20]).any()
    assert not any(coloured(grey).any() for grey in (noisy, denoised, removed))


def test_own_scan_gets_no_noise_and_no_figures_that_need_the_truth(tmp_path):
    generator = np.random.default_rng(1)
    planes, rows, columns = np.mgrid[-0.2:0.2:6j, -1:1:40j, -1:1:36j]
    head = 900.0 * (planes**2 + rows**2 + columns**2 < 0.8)
    voxels = np.hypot(head + generator.normal(0, 40, head.shape), generator.normal(0, 40, head.shape)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.9, 0.9, 0.9))
    image.SetOrigin((12.0, -30.0, 5.0))
    sitk.WriteImage(image, str(tmp_path / "my scan é.nii.gz"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "coronal.png").write_text("of an earlier run; six slices show nothing from the side")
    done = run_demo("--input", "my scan é.nii.gz", "--output", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "PSNR" not in done.stdout
    assert "estimated" in done.stdout
    noisy = sitk.ReadImage(str(tmp_path / "out" / "noisy.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(noisy), voxels)
    denoised = sitk.ReadImage(str(tmp_path / "out" / "denoised.nrrd"))
    assert denoised.GetPixelID() == image.GetPixelID()
    for kept in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(denoised, kept)(), getattr(image, kept)(), atol=1e-6)
    assert (tmp_path / "out" / "axial.png").is_file()
    assert not (tmp_path / "out" / "coronal.png").exists()


def test_thick_slices_are_not_squeezed():
    volume = slicer.util.addVolumeFromArray(np.ones((10, 40, 36), np.float32), np.diag([1.0, 1.0, 4.0, 1.0]))
    mask = np.ones((10, 40, 36), dtype=bool)
    try:
        with SliceView(slicer.mrmlScene, volume, mask, "Coronal") as view:
            assert view.render(volume).size == (36, 37)  # mm from the middle of the first voxel to that of the last
    finally:
        slicer.mrmlScene.RemoveNode(volume)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--input", "nothing.nii.gz"), "'nothing.nii.gz' does not exist"),
        (("--input", "series.nii.gz"), "'series.nii.gz' has several values in a voxel"),
        (("--noise-percent", "-3"), "Noise of -3 % is not possible"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(tmp_path, arguments, said):
    series = sitk.JoinSeries([sitk.Image(8, 8, 8, sitk.sitkInt16)] * 3)
    sitk.WriteImage(series, str(tmp_path / "series.nii.gz"))
    done = run_demo(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {said}")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["series.nii.gz"]


# Directions of the voxel axes I, J, K in RAS: as scanners store axial, coronal and sagittal series.
STORED = {
    "axial, RAS": np.diag([1.0, 1.0, 1.0]),
    "axial, LPS": np.diag([-1.0, -1.0, 1.0]),
    "coronal": np.array([[-1.0, 0, 0], [0, 0, -1.0], [0, -1.0, 0]]).T,
    "sagittal": np.array([[0, -1.0, 0], [0, 0, -1.0], [-1.0, 0, 0]]).T,
    "oblique": np.array([[0.96, 0.28, 0], [-0.28, 0.96, 0], [0, 0, 1.0]]),
}


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize(
    ("orientation", "letters", "left", "top"),
    [
        ("Axial", ("R", "L", "A", "P"), (1, 0, 0), (0, 1, 0)),
        ("Coronal", ("R", "L", "S", "I"), (1, 0, 0), (0, 0, 1)),
        ("Sagittal", ("A", "P", "S", "I"), (0, 1, 0), (0, 0, 1)),
    ],
)
def test_pictures_follow_the_radiological_convention(stored, orientation, letters, left, top):
    to_ras = np.eye(4)
    to_ras[:3, :3] = STORED[stored]
    indices = np.stack(np.meshgrid(*[np.arange(20) - 9.5] * 3, indexing="ij"), axis=-1)
    ras = indices[..., ::-1] @ STORED[stored].T  # arrays count K, J, I
    # dark at the left and bottom of the picture, bright at the right and top, if it is the right way round
    brightness = -(ras @ np.array(left)) + 3 * (ras @ np.array(top))
    volume = slicer.util.addVolumeFromArray(brightness.astype(np.float32), to_ras)
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevelMinMax(-50, 50)
    volume.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    mask = np.zeros(brightness.shape, dtype=bool)
    mask[5:15, 5:15, 5:15] = True
    try:
        with SliceView(slicer.mrmlScene, volume, mask, orientation) as view:
            picture = np.array(view.render(volume)).astype(float)[..., 0]
            assert view.edge_letters == letters
    finally:
        slicer.mrmlScene.RemoveNode(volume)
    down, across = np.gradient(picture)
    assert across.mean() > 1
    assert down.mean() < -3
