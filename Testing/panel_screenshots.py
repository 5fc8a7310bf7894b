"""Pictures of the panel in its states, and of the slices that it is about: `make screenshots`.

The panel is the real one on the stand-in for the application, the slices are drawn by Slicer's own slice logic. The
scan is the T1 template of `make demo`, with Rician noise of 9 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "Resources" / "Demo")]

import panel_host  # noqa: E402 - found through the path above
import slicer  # noqa: E402
from PIL import Image  # noqa: E402

SCALES = {"": 1, "@2x": 2}
SLICES = 60
PERCENT = 0.09
PATIENCE_S = 300


def main() -> None:
    """Write the pictures into the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "Resources" / "Screenshots")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    reason = panel_host.why_qt_does_not_load()
    if reason:
        sys.exit(reason)
    with panel_host.application():
        for state, widget in states():
            for suffix, scale in SCALES.items():
                panel_host.screenshot(widget.parent, folder / f"panel-{state}{suffix}.png", scale)
            print(f"panel-{state}: {widget.ui.statusLabel.text}")
            if state == "done":
                slice_pictures(widget).save(folder / "slices.png", optimize=True)
                beside(folder / "panel-done@2x.png", folder / "slices.png").save(folder / "panel.png", optimize=True)
    (folder / "slices.png").unlink()


def states() -> Iterator[tuple[str, Any]]:
    """Each state of the panel by its name, once it is reached."""
    widget = panel_host.open_module("NeuralDiffusion")
    yield "empty", widget
    scan = noisy_scan()
    parameters = widget.parameterNode
    parameters.inputVolume = scan
    widget.ui.conductionSelector.addNode().SetName("Conduction")
    yield "ready", widget
    widget.ui.applyButton.click()
    panel_host.wait_until(lambda: "left" in widget.ui.statusLabel.text, PATIENCE_S)
    yield "running", widget
    panel_host.wait_until(lambda: widget.ui.applyButton.text == "Apply", PATIENCE_S)
    widget.ui.showConductionCheckBox.click()
    panel_host.wait_until(lambda: "SNR" in widget.ui.sigmaNoteLabel.text, PATIENCE_S)
    yield "done", widget
    # A graphics card that is not there.
    parameters.device = "cuda:7"
    widget.ui.applyButton.click()
    panel_host.wait_until(lambda: panel_host.popups.shown, PATIENCE_S)
    panel_host.console_errors.clear()
    yield "error", widget


def noisy_scan() -> slicer.vtkMRMLScalarVolumeNode:
    """The middle slices of the template with noise, in the scene."""
    from scan import TEMPLATE_NAME, keep_middle_slices, load_scan, template_path

    from NeuralDiffusionLib.mrml.nodes.noisy_copy import add_noisy_copy

    clean = load_scan(slicer.mrmlScene, template_path(), TEMPLATE_NAME)
    keep_middle_slices(clean, SLICES)
    return add_noisy_copy(clean, PERCENT)


def slice_pictures(widget: Any) -> Image.Image:
    """The noisy scan, the denoised one and the conduction over it, as the slice views show them."""
    from demo_run import colour_bar
    from picture_page import Column, Row, compose
    from scan import head_mask
    from slice_pictures import SliceView

    node = widget.parameterNode
    output, conduction = node.outputVolume, node.conductionVolume
    columns = (Column("Before"), Column("After", bar=colour_bar(conduction, "0 held", "1 smoothed")))
    rows = []
    with SliceView(slicer.mrmlScene, node.inputVolume, head_mask(slicer.util.arrayFromVolume(output)), "Axial") as view:
        after = view.render(output)
        rows.append(Row((view.render(node.inputVolume), after), f"Axial, {view.position}", view.edge_letters))
        over, alone = view.render(output, conduction, node.conductionOpacity), view.render(conduction)
        rows.append(Row((over, alone), "Conduction, over the scan and alone", ("", "", "", "")))
    return compose(columns, tuple(rows))


def beside(panel: Path, slices: Path) -> Image.Image:
    """The panel with the slices at its right, equally high."""
    left, right = Image.open(panel), Image.open(slices)
    right = right.resize((round(right.width * left.height / right.height), left.height), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (left.width + right.width, left.height))
    page.paste(left, (0, 0))
    page.paste(right, (left.width, 0))
    return page.resize((page.width // 2, page.height // 2), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
