"""Fuzz of everything that reads what others made: image files, weights and settings. Run it with `make fuzz`.

Sound files are damaged at random (bytes, numbers of the header, text fields, length) and read as the command line and
the module read them. Whatever a file holds, it is a scan that can be denoised and written, or one sentence; a crash of
the process, another error or a reader that hangs is a finding, and its file is kept. The damage follows from the
number of the round alone, so that a finding can be repeated: `fuzz_readers.py --first NUMBER --rounds 1`.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "NeuralDiffusion"), str(ROOT), str(ROOT / "Testing")]

import numpy as np  # noqa: E402 - found through the paths above
import torch  # noqa: E402
from shell import head, write  # noqa: E402

from NeuralDiffusionLib import Denoiser, DenoiseSettings, InvalidVolumeError, WeightsError  # noqa: E402
from NeuralDiffusionLib.weights import BUNDLED_WEIGHTS, load_weights  # noqa: E402
from NeuralDiffusionTraining.files.command_error import CommandError  # noqa: E402
from NeuralDiffusionTraining.files.image_files import read_scan, write_denoised  # noqa: E402

SECONDS_PER_ROUND = 30
TOGETHER = 200
FINDINGS = Path("fuzz-findings")
NUMBERS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, -32768, 65535, 2**31 - 1, -(2**31))
REALS = (0.0, -0.0, 1e-45, -1.0, 1e38, 1e300, float("inf"), float("-inf"), float("nan"))
WORDS = (b"0", b"-1", b"99999999999", b"nan", b"inf", b"1e400", b"", b"\0", b"\xff\xfe", b"LOCAL", b"gzip", b"raw")
REPORT = "finding: round {number}, {kind}, {what}\n{more}"


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with one to four random changes, most of them near its begin, where headers are."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not changed:
            break
        span = chance.choice((min(len(changed), 64), min(len(changed), 400), len(changed)))
        place = chance.randrange(span)
        kind = chance.randrange(7)
        if kind == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            packed = struct.pack(chance.choice("<>") + "q", chance.choice(NUMBERS))
            changed[place : place + chance.choice((1, 2, 4))] = packed[: chance.choice((1, 2, 4))]
        elif kind == 2:
            real = chance.choice(REALS)
            packed = struct.pack("<f", real) if abs(real) < 3e38 or real != real else struct.pack("<d", real)
            changed[place : place + len(packed)] = packed
        elif kind == 3:
            del changed[chance.randrange(len(changed)) :]
        elif kind == 4:
            changed[place : place + chance.randrange(9)] = chance.choice(WORDS)
        elif kind == 5:
            changed[place:place] = bytes(changed[place : place + chance.randrange(64)])
        else:
            changed[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(changed)


class Readers:
    """Sound files, and what may become of each after damage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.denoiser = Denoiser("cpu", precision="float32")
        self.expected = self.denoiser.network.state_dict()
        voxels = head(np.int16, (3, 9, 8))
        self.scans = {suffix: write(folder / f"scan{suffix}", voxels).read_bytes() for suffix in (".nii.gz", ".nii")}
        for suffix in (".nrrd", ".mha"):
            self.scans[suffix] = write(folder / f"scan{suffix}", voxels.astype(np.float32)).read_bytes()
        self.weights = BUNDLED_WEIGHTS.read_bytes()

    def round(self, number: int) -> None:
        """Damage one file, or draw settings, and see what becomes of it."""
        chance = random.Random(number)
        kind = self.kind(number)
        if kind == "settings":
            self.choose(chance)
        elif kind == "weights":
            self.load(damaged(self.weights, chance))
        else:
            self.read(kind, damaged(self.scans[kind], chance), chance)

    def kind(self, number: int) -> str:
        """What a round is about."""
        kinds = (*self.scans, "weights", "settings")
        return kinds[number % len(kinds)]

    def keep(self, number: int, folder: Path) -> None:
        """Copy the file of a round."""
        suffix = {"weights": ".pt"}.get(self.kind(number), self.kind(number))
        path = self.folder / f"damaged{suffix}"
        if path.exists():
            folder.mkdir(exist_ok=True)
            (folder / f"{number}{suffix}").write_bytes(path.read_bytes())

    def read(self, suffix: str, content: bytes, chance: random.Random) -> None:
        path = self.folder / f"damaged{suffix}"
        path.write_bytes(content)
        try:
            scan = read_scan(path)
            if scan.voxels.size > 10**6:
                return
            image = self.denoiser(scan.voxels, DenoiseSettings(iterations=1)).image
        except (CommandError, InvalidVolumeError) as error:
            check_sentence(error)
            return
        if not np.isfinite(image).all():
            raise AssertionError("The result holds NaN or infinity.")
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            output = Path(place) / f"clean{chance.choice(list(self.scans))}"
            write_denoised(output, scan, image, as_float=False)
            read_scan(output)

    def load(self, content: bytes) -> None:
        path = self.folder / "damaged.pt"
        path.write_bytes(content)
        try:
            found = load_weights(path).network.state_dict()
        except WeightsError as error:
            check_sentence(error)
            return
        if not all(torch.equal(found[name], tensor) for name, tensor in self.expected.items()):
            raise AssertionError("Changed weights were taken.")

    def choose(self, chance: random.Random) -> None:
        values = [
            *NUMBERS,
            *REALS,
            None,
            True,
            "",
            "rician",
            "mixed",
            (),
            (0, 1),
            (0.0, 1e-30),
            [1, 2],
            {},
            10**400,
            1j,
        ]
        values += [
            np.float32(3),
            np.int64(8),
            np.array([1, 2]),
            (float("nan"), 1.0),
            (-1e38, 1e38),
            4,
            8,
            16,
            64,
            10**400,
            1j,
        ]
        names = ("noise", "iterations", "neighbours", "refine", "slice_axis", "intensity_range", "sigma")
        chosen = {name: chance.choice(values) for name in chance.sample(names, chance.randrange(1, 4))}
        volume = chance.choice((1.0, 1e-6, 1e12)) * head(np.float32, (2, 9, 8))
        try:
            image = self.denoiser(volume, DenoiseSettings(**chosen)).image
        except ValueError as error:
            check_sentence(error)
            return
        if not np.isfinite(image).all():
            raise AssertionError(f"The result of {chosen} holds NaN or infinity.")


def check_sentence(error: Exception) -> None:
    """An error for the user is one sentence."""
    text = str(error)
    if not text.endswith(".") or "\n" in text or len(text) > 2000:
        raise AssertionError(f"No sentence: {text[:300]!r}") from error


def survive(readers: Readers, number: int, rounds: int) -> int:
    """Do some rounds in a child process and return the number of the first round that is a finding, or -1."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for one in range(number, number + rounds):
            os.write(tell, struct.pack("q", one))
            signal.alarm(SECONDS_PER_ROUND)
            try:
                readers.round(one)
            except BaseException:
                more = traceback.format_exc(limit=-6)
                sys.stdout.write(REPORT.format(number=one, kind=readers.kind(one), what="an error", more=more))
                sys.stdout.flush()
                os._exit(1)
        os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        begun = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0:
        return -1
    (last,) = struct.unpack("q", begun[-8:])
    if status < 0:
        what = f"ended by signal {-status}" + (", too slow" if -status == signal.SIGALRM else "")
        print(REPORT.format(number=last, kind=readers.kind(last), what=what, more=""), flush=True)
    return last


def main() -> int:
    """Fuzz for some minutes, or some rounds; the exit status is 1 if there was a finding."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--minutes", type=float, default=5.0)
    options.add_argument("--rounds", type=int, default=None, help="this many rounds, however long they take")
    options.add_argument("--first", type=int, default=0, help="number of the first round")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    number, last = chosen.first, None if chosen.rounds is None else chosen.first + chosen.rounds
    end = time.monotonic() + 60 * chosen.minutes
    findings = []
    with tempfile.TemporaryDirectory() as folder:
        readers = Readers(Path(folder))
        while time.monotonic() < end if last is None else number < last:
            together = TOGETHER if last is None else min(TOGETHER, last - number)
            failed = survive(readers, number, together)
            number = number + together if failed < 0 else failed + 1
            if failed >= 0:
                findings.append(failed)
                readers.keep(failed, FINDINGS)
    print(f"{number - chosen.first} rounds, {len(findings)} findings.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
