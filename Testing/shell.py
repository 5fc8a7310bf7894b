"""What the tests of the command line share: a small scan, the command as a real process, and how it must fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (6, 24, 20)
OBLIQUE = (0.9362933635841992, -0.2896294776255156, 0.19866933079506122,
           0.31299182, 0.94470249, -0.09784340,
           -0.15934507, 0.15379189, 0.97517033)  # fmt: skip


def environment() -> dict[str, str]:
    paths = [str(ROOT), str(ROOT / "NeuralDiffusion")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "NeuralDiffusionTraining", *map(str, arguments)]


def without_privileges() -> list[str]:
    """What to put before a command so that it may not read and write everything, even as root."""
    override = "-dac_override,-dac_read_search"
    return ["setpriv", "--inh-caps", override, "--bounding-set", override] if os.geteuid() == 0 else []


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, encoding="utf-8", env=environment(), check=False, **options
    )


def denoise(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `denoise`, which must succeed."""
    done = run("denoise", *arguments, **options)
    assert done.returncode == 0, done.stderr
    return done


def refused(*arguments: object, **options: object) -> str:
    """Run `denoise`, which must end with status 2 and one sentence; give the sentence."""
    done = run("denoise", *arguments, **options)
    assert done.returncode == 2, done
    assert done.stdout == ""
    sentence = done.stderr.removesuffix("\n")
    assert sentence, "no sentence"
    assert "\n" not in sentence, sentence
    assert sentence.endswith((".", "?")), sentence
    assert "Traceback" not in sentence
    return sentence


def head(dtype: type = np.int16, shape: tuple[int, int, int] = SHAPE, level: float = 30.0) -> np.ndarray:
    """A bright ellipsoid with Rician noise, (slices, rows, columns)."""
    grid = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    clean = 400.0 * (sum(axis**2 for axis in grid) < 1.2) + 300.0 * (grid[1] ** 2 + grid[2] ** 2 < 0.3)
    random = np.random.default_rng(0)
    noisy = np.hypot(clean + random.normal(0, level, shape), random.normal(0, level, shape))
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else None
    return (noisy if limits is None else np.clip(np.rint(noisy), limits.min, limits.max)).astype(dtype)


def image(voxels: np.ndarray, spacing: tuple[float, float, float] = (0.9, 0.8, 3.3)) -> sitk.Image:
    """The voxels as an oblique, anisotropic image."""
    scan = sitk.GetImageFromArray(voxels)
    # The nearest rotation, to full precision.
    left, _, right = np.linalg.svd(np.reshape(OBLIQUE, (3, 3)))
    scan.SetDirection((left @ right).ravel().tolist())
    scan.SetSpacing(spacing)
    scan.SetOrigin((-91.5, 12.25, 40.125))
    return scan


def write(path: Path, voxels: np.ndarray | None = None, **options: object) -> Path:
    sitk.WriteImage(image(head() if voxels is None else voxels, **options), str(path))
    return path


def raw_file(suffix: str, voxels: np.ndarray, order: str) -> bytes:
    """The header of a MetaImage or NRRD file of 16-bit integers, after which come the voxels in this byte order."""
    size = " ".join(map(str, voxels.shape[::-1]))
    if suffix == ".mha":
        return (
            f"ObjectType = Image\nNDims = 3\nDimSize = {size}\nElementType = MET_SHORT\n"
            f"BinaryDataByteOrderMSB = {order == 'big'}\nElementDataFile = LOCAL\n"
        ).encode()
    return f"NRRD0004\ntype: short\ndimension: 3\nsizes: {size}\nencoding: raw\nendian: {order}\n\n".encode()


def voxels_of(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def files_in(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, by its path within it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_same_geometry(path: Path, reference: sitk.Image, tolerance: float) -> None:
    found = sitk.ReadImage(str(path))
    assert found.GetSize() == reference.GetSize()
    for measure in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(found, measure)(), getattr(reference, measure)(), atol=tolerance, rtol=0)


def rest(terminal: int) -> bytes:
    """What is still shown on a terminal until its other side is closed."""
    shown = b""
    try:
        while part := os.read(terminal, 1000):
            shown += part
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(terminal)
    return shown
