"""Lets `python -m NeuralDiffusionTraining` stand for the command `neural-diffusion`."""

from __future__ import annotations

import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    # Slicer's own Python comes without the packages of a command line.
    sys.exit(f"The command line needs the Python package '{error.name}': {sys.executable} -m pip install {error.name}")

if __name__ == "__main__":
    main()
