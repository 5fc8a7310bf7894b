"""Fuzz of all that comes from others: image files, weights, settings and arrays. Run it with `make fuzz`.

Hypothesis damages sound files (bytes, numbers of the header, text fields, length), which are then read as the command
line and as the module read them, and draws settings and arrays of any kind. Whatever comes, it is a scan that can be
denoised and written, or one sentence; a crash of the process, another error or a reader that hangs is a finding, and
its file is kept, the smallest that Hypothesis finds. Everything follows from the number of the round, so that a finding
can be repeated: `fuzz_readers.py --first NUMBER --rounds 1`.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "NeuralDiffusion"), str(ROOT), str(ROOT / "Testing")]

import hypothesis  # noqa: E402 - found through the paths above
import numpy as np  # noqa: E402
import slicer  # noqa: E402
import slicer_host  # noqa: E402
import torch  # noqa: E402
from file_damage import REALS, damaged  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as arrays  # noqa: E402
from shell import head, write  # noqa: E402

slicer_host.install()

from fuzzed_files import FuzzedFile, fuzzed_files  # noqa: E402

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError, WeightsError  # noqa: E402
from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights  # noqa: E402
from NeuralDiffusionLib.mrml.nodes.volume_files import read_volume_file  # noqa: E402
from NeuralDiffusionLib.mrml.nodes.volumes import read_volume  # noqa: E402
from NeuralDiffusionTraining.files.command_error import CommandError  # noqa: E402
from NeuralDiffusionTraining.files.image_files import read_scan, write_denoised  # noqa: E402

SECONDS_PER_CASE = 30
MEMORY = 16 * 2**30
FINDINGS = Path("fuzz-findings")
FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha")

REAL = st.one_of(st.floats(), st.integers(), st.sampled_from([*REALS, 10**400, np.float32(3), np.int64(8)]))
ANYTHING = st.one_of(
    st.none(), st.booleans(), REAL, st.text(max_size=9), st.tuples(REAL, REAL), st.lists(REAL), st.just(1j)
)
LIKELY = {
    "noise": st.sampled_from(["rician", "gaussian", "speckle", "mixed"]),
    "iterations": st.integers(1, 64),
    "neighbours": st.sampled_from([4, 8]),
    "refine": st.booleans(),
    "across_slices": st.booleans(),
    "slice_axis": st.integers(0, 2),
    "intensity_range": st.tuples(REAL, REAL),
    "sigma": REAL,
}
SETTINGS = st.fixed_dictionaries({}, optional={name: likely | ANYTHING for name, likely in LIKELY.items()})
VOLUMES = arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


class Fuzz:
    """Sound files, what rounds are about, and what may become of each case."""

    def __init__(self, folder: Path, examples: int) -> None:
        self.folder, self.examples = folder, examples
        self.denoiser = Denoiser("cpu", precision="float32")
        self.expected = self.denoiser.network.state_dict()
        voxels = head(np.int16, (3, 9, 8))
        self.scans = {
            suffix: write(folder / f"scan{suffix}", voxels.astype(kind)).read_bytes()
            for suffix, kind in zip(FORMATS, (np.int16, np.int16, np.float32, np.float32), strict=True)
        }
        self.weights = BUNDLED_WEIGHTS.read_bytes()
        self.cases: dict[str, Callable[[st.DataObject], None]] = {
            "settings": self.settings,
            "volumes": self.volume,
            "weights.pt": self.load,
        }
        for suffix in FORMATS:
            self.cases[f"command line{suffix}"] = lambda data, suffix=suffix: self.read(suffix, data)
            self.cases[f"module{suffix}"] = lambda data, suffix=suffix: self.read_in_scene(suffix, data)
        self.others = fuzzed_files(folder)
        for name, file in self.others.items():
            self.cases[name] = partial(self.read_other, file, file.path.read_bytes())

    def kind(self, number: int) -> str:
        """What a round is about."""
        return list(self.cases)[number % len(self.cases)]

    def round(self, number: int) -> None:
        """Go through the cases of a round."""

        @hypothesis.seed(number)
        @hypothesis.settings(
            max_examples=self.examples,
            database=None,
            deadline=None,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(st.data())
        def go(data: st.DataObject) -> None:
            signal.alarm(SECONDS_PER_CASE)
            self.cases[self.kind(number)](data)

        go()

    def keep(self, number: int, folder: Path) -> None:
        """Copy the file of a round, if it is about files."""
        kind = self.kind(number)
        path = self.others[kind].path if kind in self.others else self.folder / f"damaged{kind[kind.find('.') :]}"
        if path.exists():
            folder.mkdir(exist_ok=True)
            (folder / f"{number}{path.suffix}").write_bytes(path.read_bytes())

    def damage(self, suffix: str, content: bytes, data: st.DataObject) -> Path:
        """Write a damaged file."""
        path = self.folder / f"damaged{suffix}"
        path.write_bytes(damaged(content, data.draw(st.randoms(use_true_random=False))))
        return path

    def read(self, suffix: str, data: st.DataObject) -> None:
        """From file to file, as the command line does it."""
        try:
            scan = read_scan(self.damage(suffix, self.scans[suffix], data))
            image = self.denoise(scan.voxels)
        except (CommandError, InvalidVolumeError) as error:
            check_sentence(error)
            return
        if image is not None:
            with tempfile.TemporaryDirectory(dir=self.folder) as place:
                output = Path(place) / f"clean{data.draw(st.sampled_from(FORMATS))}"
                write_denoised(output, scan, image, as_float=False)
                read_scan(output)

    def read_in_scene(self, suffix: str, data: st.DataObject) -> None:
        """Into a scene, as the module does it."""
        try:
            volume = read_volume_file(self.damage(suffix, self.scans[suffix], data), slicer.vtkMRMLScene())
            self.denoise(read_volume(volume))
        except InvalidVolumeError as error:
            check_sentence(error)

    def load(self, data: st.DataObject) -> None:
        """Weights: as they were, or refused."""
        try:
            found = load_weights(self.damage(".pt", self.weights, data)).network.state_dict()
        except WeightsError as error:
            check_sentence(error)
            return
        if not all(torch.equal(found[name], tensor) for name, tensor in self.expected.items()):
            raise AssertionError("Changed weights were taken.")

    def read_other(self, file: FuzzedFile, sound: bytes, data: st.DataObject) -> None:
        """Any other file that a command reads."""
        file.path.write_bytes(damaged(sound, data.draw(st.randoms(use_true_random=False))))
        try:
            file.read(file.path)
        except (CommandError, InvalidVolumeError) as error:
            check_sentence(error)

    def settings(self, data: st.DataObject) -> None:
        """Settings of any kind, on a sound scan in several units."""
        chosen = data.draw(SETTINGS)
        volume = data.draw(st.sampled_from([1.0, 1e-6, 1e12])) * head(np.float32, (2, 9, 8))
        try:
            self.denoise(volume, DenoiseSettings(**chosen))
        except ValueError as error:
            check_sentence(error)

    def volume(self, data: st.DataObject) -> None:
        """Arrays of any type, shape and content."""
        try:
            self.denoise(data.draw(VOLUMES))
        except InvalidVolumeError as error:
            check_sentence(error)

    def denoise(self, voxels: np.ndarray, settings: DenoiseSettings | None = None) -> np.ndarray | None:
        """What a volume becomes, in numbers; None if it is too large to try."""
        if voxels.size > 10**6:
            return None
        result = self.denoiser(voxels, settings or DenoiseSettings(iterations=1))
        if not (np.isfinite(result.image).all() and np.isfinite(result.conduction).all()):
            raise AssertionError("The result holds NaN or infinity.")
        return result.image


def check_sentence(error: Exception) -> None:
    """An error for the user is one sentence."""
    text = str(error)
    if not text.endswith(".") or "\n" in text or len(text) > 2000:
        raise AssertionError(f"No sentence: {text[:300]!r}") from error


def survives(fuzz: Fuzz, number: int) -> bool:
    """Do a round in a process of its own, and tell a finding."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        # What native readers say of each file.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            fuzz.round(number)
        except BaseException:
            print(f"finding: round {number}, {fuzz.kind(number)}\n{traceback.format_exc(limit=-6)}", flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        slow = ", too slow" if -status == signal.SIGALRM else ""
        print(f"finding: round {number}, {fuzz.kind(number)}, ended by signal {-status}{slow}", flush=True)
    return status == 0


def main() -> int:
    """Fuzz for some minutes, or some rounds; the exit status is 1 if there was a finding."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--rounds", type=int, default=None, help="this many rounds, however long they take")
    options.add_argument("--first", type=int, default=0, help="number of the first round")
    options.add_argument("--cases", type=int, default=100, help="examples in a round")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    number, findings, end = chosen.first, 0, time.monotonic() + 60 * chosen.minutes
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(Path(folder), chosen.cases)
        while time.monotonic() < end if chosen.rounds is None else number < chosen.first + chosen.rounds:
            if not survives(fuzz, number):
                findings += 1
                fuzz.keep(number, FINDINGS)
            number += 1
    print(f"{number - chosen.first} rounds of up to {chosen.cases} cases, {findings} findings.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
