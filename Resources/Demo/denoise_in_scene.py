"""Denoise a real T1 scan in a MRML scene, as the module does in Slicer, and show what happened.

    python Resources/Demo/denoise_in_scene.py [--input scan.nii.gz] [--output demo-output]

Without --input it takes the MNI ICBM152 T1 template, which the package nilearn carries, and adds Rician noise.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

TESTING_FOLDER = Path(__file__).resolve().parents[2] / "Testing"
DEFAULT_NOISE_PERCENT = 9.0


def main(
    input_path: Annotated[
        Path | None, typer.Option("--input", help="Your own scan (NIfTI, NRRD or MHA). No noise is added to it.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for volumes, scene and pictures.")] = Path("demo-output"),
    noise_percent: Annotated[
        float | None,
        typer.Option(
            "--noise-percent",
            help="Rician noise added to the template, in percent of its brightest voxel.",
            show_default=f"{DEFAULT_NOISE_PERCENT:g}",
        ),
    ] = None,
    slices: Annotated[int | None, typer.Option(help="Only so many slices from the middle, for a quick look.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    readme_picture: Annotated[Path | None, typer.Option(help="Also write the picture of the README here.")] = None,
) -> None:
    """Denoise a T1 scan in a MRML scene; write volumes, a scene for Slicer, and pictures of what happened."""
    refusal = why_not(input_path, output, noise_percent, slices, readme_picture)
    if refusal:
        stop(refusal)
    sys.path.insert(0, str(TESTING_FOLDER))
    import slicer_host

    slicer_host.install()
    from demo_run import run  # needs the host: it imports the module
    from scan import DemoInputError

    from NeuralDiffusionLib import DeviceError, InvalidVolumeError, WeightsError

    try:
        run(input_path, output, noise_percent or DEFAULT_NOISE_PERCENT, slices, device, readme_picture)
    except (DemoInputError, DeviceError, InvalidVolumeError, WeightsError, OSError) as error:
        stop(str(error))


def stop(sentence: str) -> NoReturn:
    """Leave with exit status 2 and one sentence."""
    Console(stderr=True).print(f"Error: {sentence}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def why_not(
    input_path: Path | None,
    output: Path,
    noise_percent: float | None,
    slices: int | None,
    readme_picture: Path | None,
) -> str:
    """Return what is wrong with the options, seen before any work is done, or nothing."""
    if input_path is not None and not input_path.exists():
        return f"'{input_path}' does not exist: give an image file (NIfTI, NRRD or MHA)."
    if output.exists() and not output.is_dir():
        return f"'{output}' is a file: name a folder with --output."
    for parent in {path.absolute().parent for path in (output, readme_picture) if path}:
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            return f"'{parent}' is not a folder that can be written to: name another place."
    if noise_percent is not None and input_path is not None:
        return "--noise-percent is for the template: leave it out with --input, since a scan of yours gets no noise."
    if noise_percent is not None and not 0 < noise_percent <= 50:
        return f"Noise of {noise_percent:g} % is not possible: give a number above 0, up to 50."
    if slices is not None and slices < 1:
        return f"{slices} slices are not possible: give a whole number, 1 or more."
    return ""


if __name__ == "__main__":
    typer.run(main)
