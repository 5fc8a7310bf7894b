"""What the tests of training share: a folder of generated slices with its split file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from NeuralDiffusionTraining.data.slices import list_slices
from NeuralDiffusionTraining.data.splits import original_split, write_splits


def make_slices(folder: Path, count: int = 20) -> Path:
    """Write generated heads, `count` a class, and their splits; return the path of the split file."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[-1:1:160j, -1:1:160j]
    for label in ("no", "yes"):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            a, b = generator.uniform(0.5, 0.9, 2)
            radius = np.hypot(rows / a, columns / b)
            picture = 200 * (radius < 1) - 90 * (radius < generator.uniform(0.2, 0.5))
            Image.fromarray(picture.astype(np.uint8)).save(folder / label / f"{label}{number}.jpg", quality=95)
    names = list_slices(folder)
    write_splits([original_split(names, {name: number for number, name in enumerate(names)})], folder)
    return folder / "original.json"
