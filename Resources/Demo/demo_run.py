"""The demo's work: a scan in a MRML scene through the module's logic, to files, pictures and a table."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import slicer
from picture_page import ColourBar, Column, Row, compose
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from scan import (
    HEAD_PSNR,
    TEMPLATE_NAME,
    display_range,
    head_mask,
    keep_middle_slices,
    load_scan,
    quality,
    template_path,
)
from scene_views import arrange_views, save_scene
from slice_pictures import ORIENTATIONS, SliceView

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.mrml.maps.overlay import DEFAULT_OPACITY
from NeuralDiffusionLib.mrml.nodes.volumes import copy_display
from NeuralDiffusionLib.mrml.views.removed import make_removed
from NeuralDiffusionLib.rician_noise import add_rician_noise

SCENE_FILE = "scene.mrml"
README_ORIENTATIONS = ("Axial", "Coronal")
FEWEST_PIXELS = 8  # a slab of few slices shows nothing from the side

OUTSIDE = np.float32(-1)  # below every conduction, hence below the overlay's threshold

console = Console(highlight=False, markup=False)  # a path may hold [brackets]


@dataclass
class Case:
    """The scan to denoise and, where the noise was added here, what is known about it."""

    noisy: slicer.vtkMRMLScalarVolumeNode
    reference: np.ndarray | None = None
    noise_percent: float | None = None
    sigma: float | None = None


@dataclass
class Outcome:
    """What the run made of a case: volumes in the scene, measurements, the mask of the head."""

    denoised: slicer.vtkMRMLScalarVolumeNode
    conduction: slicer.vtkMRMLScalarVolumeNode
    overlay: slicer.vtkMRMLScalarVolumeNode
    removed: slicer.vtkMRMLScalarVolumeNode
    head: np.ndarray
    sigma: float
    device: str
    seconds: float
    notes: tuple[str, ...]
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)


def run(
    input_path: Path | None,
    output: Path,
    noise_percent: float,
    slices: int | None,
    device: str,
    readme_picture: Path | None,
) -> None:
    """Denoise, measure, draw, and move what was written to its place once it is complete."""
    scene = slicer.mrmlScene
    case = prepare(scene, input_path, noise_percent, slices)
    outcome = denoise(scene, case, device)
    arrange_views(scene, case.noisy, outcome.denoised, outcome.overlay, DEFAULT_OPACITY)
    volumes = {
        "noisy.nrrd": case.noisy,
        "denoised.nrrd": outcome.denoised,
        "conduction.nrrd": outcome.conduction,
        "overlay.nrrd": outcome.overlay,
        "removed.nrrd": outcome.removed,
    }
    with tempfile.TemporaryDirectory(prefix=".neural-diffusion-demo-", dir=output.absolute().parent) as unfinished:
        folder = Path(unfinished)
        save_scene(scene, folder / SCENE_FILE, volumes)
        columns, rows = draw(scene, case, outcome)
        for orientation, row in rows.items():
            compose(columns, (row,)).save(folder / picture_name(orientation))
        if readme_picture:
            chosen = tuple(rows[orientation] for orientation in README_ORIENTATIONS if orientation in rows)
            compose(columns, chosen).save(folder / readme_picture.name, format="PNG", optimize=True)
            shutil.move(folder / readme_picture.name, readme_picture)
        output.mkdir(exist_ok=True)
        for file in folder.iterdir():
            file.replace(output / file.name)
        for orientation in set(ORIENTATIONS) - set(rows):
            (output / picture_name(orientation)).unlink(missing_ok=True)  # of an earlier run
    report(case, outcome, output)


def prepare(scene: slicer.vtkMRMLScene, input_path: Path | None, noise_percent: float, slices: int | None) -> Case:
    """Load the user's scan, or the template with noise added, into the scene."""
    path = input_path or template_path()
    loaded = load_scan(scene, path, path.name.split(".")[0] if input_path else TEMPLATE_NAME)
    brightest = float(slicer.util.arrayFromVolume(loaded).max())
    if slices is not None:
        keep_middle_slices(loaded, slices)
    if input_path:
        return Case(loaded)
    reference = slicer.util.arrayFromVolume(loaded).copy()
    sigma = noise_percent / 100 * brightest
    loaded.SetName(f"{TEMPLATE_NAME} with noise")
    noisy = np.rint(add_rician_noise(reference, sigma)).astype(np.int16)
    slicer.util.updateVolumeFromArray(loaded, noisy)
    return Case(loaded, reference, noise_percent, sigma)


def denoise(scene: slicer.vtkMRMLScene, case: Case, device: str) -> Outcome:
    """Run the module's logic on the scan and measure what it did."""
    case.noisy.CreateDefaultDisplayNodes()
    denoised, conduction, overlay, removed = (
        scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{case.noisy.GetName()}, {what}")
        for what in ("denoised", "conduction", "conduction in the head", "removed")
    )
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} of {task.total} slices"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    started = time.perf_counter()
    with bar:
        task = bar.add_task("Denoising", total=slicer.util.arrayFromVolume(case.noisy).shape[0])
        result = NeuralDiffusionLogic().process(
            case.noisy,
            denoised,
            conduction,
            settings=DenoiseSettings(noise="rician"),
            progress=lambda done, total: bar.update(task, completed=done),
            device=device,
        )
    seconds = time.perf_counter() - started

    noisy_voxels, denoised_voxels = (slicer.util.arrayFromVolume(volume) for volume in (case.noisy, denoised))
    make_removed(case.noisy, denoised, removed)
    head = head_mask(denoised_voxels) if case.reference is None else case.reference > 0
    write_overlay(overlay, conduction, head)
    window = display_range(denoised_voxels, head)
    for volume in (case.noisy, denoised):
        volume.GetDisplayNode().AutoWindowLevelOff()
        volume.GetDisplayNode().SetWindowLevelMinMax(*window)
    outcome = Outcome(denoised, conduction, overlay, removed, head, result.sigma, result.device, seconds, result.notes)
    if case.reference is not None:
        outcome.before = quality(case.reference, noisy_voxels, head)
        outcome.after = quality(case.reference, denoised_voxels, head)
    return outcome


def write_overlay(
    overlay: slicer.vtkMRMLScalarVolumeNode, conduction: slicer.vtkMRMLScalarVolumeNode, head: np.ndarray
) -> None:
    """Put the conduction map into a volume that is transparent outside the head: air would be a field of colour."""
    gates = slicer.util.arrayFromVolume(conduction)
    copy_display(overlay, conduction)
    overlay.CopyOrientation(conduction)
    slicer.util.updateVolumeFromArray(overlay, np.where(head, gates, OUTSIDE))
    display = overlay.GetDisplayNode()
    display.AutoThresholdOff()
    display.SetThreshold(0, 1)
    display.ApplyThresholdOn()
    display.SetInterpolate(False)  # between head and air there is no conduction to interpolate


def picture_name(orientation: str) -> str:
    """File name of an orientation's picture."""
    return f"{orientation.lower()}.png"


def draw(scene: slicer.vtkMRMLScene, case: Case, outcome: Outcome) -> tuple[tuple[Column, ...], dict[str, Row]]:
    """Captions, and a row of panels for each orientation that the scan has enough slices for."""
    if case.reference is None:
        before, noisy_note, denoised_note = "Scan", f"noise level {outcome.sigma:.3g}, estimated", ""
    else:
        psnr_before, psnr_after = (f"PSNR {figures[HEAD_PSNR]:.1f} dB" for figures in (outcome.before, outcome.after))
        before, noisy_note = "Noisy", f"{case.noise_percent:g} % Rician noise, {psnr_before} in the head"
        denoised_note = f"{psnr_after} in the head"
    span = f"{outcome.removed.GetDisplayNode().GetWindowLevelMax():.2g}"
    columns = (
        Column(before, noisy_note),
        Column("Denoised", denoised_note),
        Column("Conduction", "over the denoised scan", colour_bar(outcome.overlay, "0 held", "1 smoothed")),
        Column("Removed", f"{before.lower()} minus denoised", colour_bar(outcome.removed, f"-{span}", f"+{span}")),
    )
    rows = {}
    for orientation in ORIENTATIONS:
        with SliceView(scene, case.noisy, outcome.head, orientation) as view:
            panels = (
                view.render(case.noisy),
                view.render(outcome.denoised),
                view.render(outcome.denoised, outcome.overlay, DEFAULT_OPACITY),
                view.render(outcome.removed),
            )
            if min(panels[0].size) >= FEWEST_PIXELS:
                rows[orientation] = Row(panels, f"{orientation}, {view.position}", view.edge_letters)
    return columns, rows


def colour_bar(volume: slicer.vtkMRMLScalarVolumeNode, low: str, high: str) -> ColourBar:
    """The colours that Slicer shows a volume in."""
    table = volume.GetDisplayNode().GetColorNode().GetLookupTable()
    colours = [table.GetTableValue(index)[:3] for index in range(table.GetNumberOfTableValues())]
    return ColourBar(np.rint(255 * np.array(colours)).astype(np.uint8), low, high)


def report(case: Case, outcome: Outcome, output: Path) -> None:
    """Print what was measured, and where to look."""
    table = Table(title=case.noisy.GetName(), title_justify="left")
    table.add_column()
    table.add_column("noisy", justify="right")
    table.add_column("denoised", justify="right")
    for measure, before in outcome.before.items():
        digits = 2 if "PSNR" in measure else 3
        table.add_row(measure, f"{before:.{digits}f}", f"{outcome.after[measure]:.{digits}f}")
    size = " x ".join(str(count) for count in case.noisy.GetImageData().GetDimensions())
    if outcome.before:
        console.print(table)
        console.print(f"Noise level: {case.sigma:.3g} added, {outcome.sigma:.3g} estimated (in the scan's units)")
    else:
        console.print(f"Noise level: {outcome.sigma:.3g} estimated (in the scan's units)")
    console.print(f"Time: {outcome.seconds:.1f} s for {size} voxels on {outcome.device}")
    for note in outcome.notes:
        console.print(note)
    console.print(f"Pictures, volumes and scene are in {output}{os.sep}", soft_wrap=True)
    console.print(f"To see them in 3D Slicer: File > Add Data, choose {output / SCENE_FILE}", soft_wrap=True)
    console.print("(above the noisy scan, below the denoised one under its conduction map).")
