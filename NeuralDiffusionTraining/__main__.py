"""Lets `python -m NeuralDiffusionTraining` stand for the command `neural-diffusion`."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
