#!/usr/bin/env python-real
"""Neural Diffusion as a command-line module of 3D Slicer: one volume file in, the denoised one out.

Parameters are those of NeuralDiffusionCommandLine.xml. Progress goes to standard output in the words of the Slicer
execution model. An error is one sentence on standard error, with exit status 1. Outputs replace what is there, together
and whole: they are written under other names and renamed at the end. SIGTERM leaves nothing behind; Slicer's own Cancel
kills the program at once, so that in the short time of writing it can leave a folder `.unfinished-*` behind.

Research use only; not for diagnosis.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import SimpleITK as sitk

    from NeuralDiffusionLib import DenoiseResult, DenoiseSettings

LIBRARY = "NeuralDiffusionLib"
NAME = "Neural Diffusion"
_PAIR = (".hdr", ".img")
_WITHOUT_SHEAR = (".nii", ".nii.gz", *_PAIR)
_FAULTS = {
    "pipe": "{path} is no file but a pipe or a device: name a file.",
    "named pipe": ("{path} names '{other}' for its voxels, which is no file but a pipe or a device: put a file there."),
    "label name": "{path} is a label map by its name, whose labels would be blended: rename it if it is a scan.",
    "label header": "{path} is a label map by its header, whose labels would be blended: name a scan.",
    "taken for": "{path} would be read from {other} beside it: move one of the two into another folder.",
    "damaged": "{path} cannot be read as an image: it is absent, damaged or of an unknown format.",
}


class RunError(Exception):
    """One sentence for the user; the program ends with status 1 and prints nothing else on standard error."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence, as every other error of the program is."""

    def error(self, message: str) -> NoReturn:
        """Refuse arguments that cannot be understood."""
        raise RunError(f"The arguments cannot be understood ({message}): run {self.prog} --help.")


def main(arguments: list[str]) -> int:
    """Run the program and return its exit status."""
    signal.signal(signal.SIGTERM, _stop)
    started = time.monotonic()
    try:
        _check_folder()
        chosen = _parser().parse_args(arguments)
        _add_library_path()
        result = _denoise(chosen)
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    _report(result, chosen, time.monotonic() - started)
    return 0


def _check_folder() -> None:
    """Refuse a current folder that was deleted: a library that PyTorch loads would end the process over it."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise RunError("The current folder is gone: change into another.") from error


def _parser() -> Parser:
    parser = Parser(description="Removes noise from an MR volume with a learned Perona-Malik diffusion.")
    parser.add_argument("inputVolume", type=Path, help="the scan; not changed")
    parser.add_argument("outputVolume", type=Path, help="the denoised scan")
    parser.add_argument(
        "--conductionVolume", type=Path, help="map: 1 where it smoothed freely, 0 where it held an edge"
    )
    parser.add_argument("--noise", default="rician", help="rician (default), gaussian, speckle or mixed")
    parser.add_argument("--iterations", type=int, default=16, help="diffusion steps, 1 to 64 (default 16)")
    parser.add_argument("--neighbours", type=int, default=8, help="4 or 8 (default 8)")
    # In the execution model a true value is a flag and a false value is no flag.
    parser.add_argument("--refine", action="store_true", help="correct the result after the diffusion; off if left out")
    parser.add_argument(
        "--acrossSlices", action="store_true", help="a last step across slices that are not thick; off if left out"
    )
    parser.add_argument("--sigma", type=float, default=0.0, help="noise level in units of the scan; 0 estimates it")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 or mps")
    return parser


def _stop(*_: object) -> NoReturn:
    """End on a signal through the clean-up of every `with`, with the status that a shell expects."""
    raise SystemExit(128 + signal.SIGTERM)


def _add_library_path() -> None:
    """Let the library of this very extension be imported.

    Slicer installs programs in ``cli-modules`` and the library in ``qt-scripted-modules`` beside it. A build tree of
    Visual Studio has one more folder, named after the configuration; in the source tree the library lies one folder up.
    Where it is in neither, PYTHONPATH may know it: Slicer puts the folders of installed extensions there.
    """
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "qt-scripted-modules", here.parent.parent / "qt-scripted-modules", here.parent):
        if (folder / LIBRARY).is_dir():
            sys.path.insert(0, str(folder))
            return


def _denoise(chosen: argparse.Namespace) -> DenoiseResult:
    try:
        from NeuralDiffusionLib import DenoiseSettings
        from NeuralDiffusionLib.engine.slice_planes import for_scan
    except ImportError as error:
        raise RunError(f"{LIBRARY} is not where it was installed ({error}): install the extension again.") from error
    try:
        settings = DenoiseSettings(
            noise=chosen.noise,
            iterations=chosen.iterations,
            neighbours=chosen.neighbours,
            refine=chosen.refine,
            across_slices=None if chosen.acrossSlices else False,
            sigma=chosen.sigma or None,
        )
    except ValueError as error:
        raise RunError(str(error)) from error
    _check_paths(chosen)
    image = _read(chosen.inputVolume)
    _check_axes(image, chosen)
    result = _run(image, for_scan(settings, image.GetSpacing()[::-1], image.GetSize()[::-1]), chosen)
    _write(image, result, chosen)
    return result


def _check_paths(chosen: argparse.Namespace) -> None:
    from itertools import combinations

    from NeuralDiffusionLib.file_names import WRITTEN_AS, are_same, is_text, shown

    targets = [chosen.outputVolume, *([chosen.conductionVolume] if chosen.conductionVolume else [])]
    for path in (chosen.inputVolume, *targets):
        # ITK would end the process over it.
        if not is_text(path):
            raise RunError(f"{shown(path)} has characters that are not valid UTF-8: give it another name.")
        # Slicer's panel offers label maps, too, and calls the file after the kind of node.
        if "LabelMapVolumeNode" in path.name:
            raise RunError(f"{path.name} is of a label map, which can be neither read nor written: choose a volume.")
    if any(are_same(*pair) for pair in combinations((chosen.inputVolume, *targets), 2)):
        raise RunError("The same file was named twice: name another one for each output, the input is never replaced.")
    for path in targets:
        # Other formats drop the geometry, and ITK knows most in small letters only.
        ends = (*WRITTEN_AS, *_PAIR)
        if not path.name.endswith(ends):
            raise RunError(
                f"{path} cannot be written: let its name end in {', '.join(ends[:-1])} or {ends[-1]}, in small letters."
            )
        try:
            unusable = path.is_dir() or not path.parent.is_dir()
        except OSError as error:
            raise RunError(f"{path} cannot be used ({error.strerror}): choose another name.") from error
        if unusable:
            raise RunError(f"{path} cannot be written there: name a file in a folder that exists.")


def _check_axes(image: sitk.Image, chosen: argparse.Namespace) -> None:
    """Refuse outputs that would lose the shear of a scan, as ITK writes it into no NIfTI file."""
    import numpy as np

    from NeuralDiffusionLib.image_headers import are_sheared

    if not are_sheared(np.reshape(image.GetDirection(), (3, 3))):
        return
    for path in (chosen.outputVolume, chosen.conductionVolume):
        if path is not None and path.name.lower().endswith(_WITHOUT_SHEAR):
            raise RunError(f"{path} cannot hold the sheared axes of {chosen.inputVolume}: name a .nrrd file.")


def _read(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    from NeuralDiffusionLib.file_names import shown
    from NeuralDiffusionLib.image_headers import Fault, fault_of

    def refused(fault: Fault) -> RunError:
        other = "" if fault.other is None else shown(Path(fault.other.name))
        return RunError(_FAULTS[fault.kind].format(path=path, other=other))

    # What ITK would print about an odd header counts as an error in Slicer.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        if (fault := fault_of(path)) is not None:
            raise refused(fault)
        image = sitk.ReadImage(str(path))
    except (OSError, RuntimeError) as error:
        raise refused(Fault("damaged")) from error
    components = image.GetNumberOfComponentsPerPixel()
    if image.GetDimension() != 3 or components > 1 or "complex" in image.GetPixelIDTypeAsString():
        raise RunError(
            f"{path} is no scalar volume ({image.GetDimension()} dimensions, {components} values per voxel, "
            f"{image.GetPixelIDTypeAsString()}): choose a volume with one intensity in each voxel."
        )
    return image


def _run(image: sitk.Image, settings: DenoiseSettings, chosen: argparse.Namespace) -> DenoiseResult:
    from dataclasses import replace

    import SimpleITK as sitk

    _tell("filter-start", f"<filter-name>{NAME}</filter-name>", "<filter-comment>Denoising</filter-comment>")
    try:
        from NeuralDiffusionLib import Denoiser, DeviceError, InvalidVolumeError, WeightsError
        from NeuralDiffusionLib.engine.domain_checks import result_warnings
    except (ImportError, OSError) as error:
        raise RunError(
            f"PyTorch does not load ({error}): install it with Apply in the module Neural Diffusion of Slicer."
        ) from error
    try:
        voxels = sitk.GetArrayViewFromImage(image)
        result = Denoiser(chosen.device)(
            voxels,
            settings,
            lambda done, total: _show(f"<filter-progress>{done / total:.4f}</filter-progress>"),
            scalar_type=voxels.dtype,
            conduction=chosen.conductionVolume is not None,
        )
        outside = result_warnings(voxels, image.GetSpacing()[::-1], settings.slice_axis, result, settings)
        return replace(result, notes=(*result.notes, *outside))
    except InvalidVolumeError as error:
        sentence = str(error)
        raise RunError(f"{chosen.inputVolume}: {sentence[0].lower()}{sentence[1:]}") from error
    except (DeviceError, WeightsError) as error:
        raise RunError(str(error)) from error
    except (MemoryError, RuntimeError) as error:
        reason = str(error).partition("\n")[0] or "no memory"
        raise RunError(f"The run failed on {chosen.device} ({reason}): close other programs or choose cpu.") from error


def _write(image: sitk.Image, result: DenoiseResult, chosen: argparse.Namespace) -> None:
    import SimpleITK as sitk

    from NeuralDiffusionLib.image_headers import is_sound
    from NeuralDiffusionLib.whole_files import write_whole

    def write(output: sitk.Image, path: Path) -> None:
        sitk.WriteImage(output, str(path))
        # Of a full disk the writer of NIfTI says nothing.
        if not is_sound(path):
            raise OSError(None, "no space")

    outputs = [(chosen.outputVolume, sitk.GetImageFromArray(result.image))]
    if chosen.conductionVolume is not None:
        outputs.append((chosen.conductionVolume, sitk.GetImageFromArray(result.conduction)))
    for _, output in outputs:
        output.CopyInformation(image)
    try:
        write_whole(
            [(path, partial(write, output)) for path, output in outputs],
            on_written=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
        )
    except (OSError, RuntimeError) as error:
        names = " and ".join(str(path) for path, _ in outputs)
        reason = getattr(error, "strerror", None) or "no writer for this kind of file, or no space"
        if isinstance(error, FileExistsError):
            reason = f"{Path(error.filename).name}, where voxels would go, is of another image"
        raise RunError(f"{names} could not be written ({reason}): name another file or folder.") from error


def _report(result: DenoiseResult, chosen: argparse.Namespace, seconds: float) -> None:
    _tell("filter-end", f"<filter-name>{NAME}</filter-name>", f"<filter-time>{seconds:.2f}</filter-time>")
    level = f"{result.sigma:.3g}" + (" of the signal" if chosen.noise == "speckle" else " in units of the scan")
    source = "given" if chosen.sigma else "estimated"
    done = f"Denoised {len(result.slice_sigma)} slices in {seconds:.1f} s on {result.device}"
    _show(" ".join([f"{done}; {source} noise level {level}.", *result.notes]))


def _tell(tag: str, *content: str) -> None:
    """Print an element of the execution model's progress protocol."""
    _show("\n".join([f"<{tag}>", *content, f"</{tag}>"]))


def _show(text: str) -> None:
    """Print a text; one that cannot be shown, as nobody listens or the disk is full, does not cost the result."""
    try:
        print(text, flush=True)
    except OSError:
        # What is left of it would be tried again at the end, and change the status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
