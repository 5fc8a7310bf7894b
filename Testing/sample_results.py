"""A folder of results as the measuring commands write them, from generated slices and stand-ins for the network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy.ndimage import gaussian_filter

from NeuralDiffusionTraining.benchmark.checks.fidelity import check_fidelity
from NeuralDiffusionTraining.benchmark.evaluation import evaluate, noisy_input
from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.benchmark.sweep import sweep
from NeuralDiffusionTraining.benchmark.tables import rows
from NeuralDiffusionTraining.benchmark.volumes.evaluation import VolumeRow
from NeuralDiffusionTraining.files.result_files import write_json

ITERATIONS = (1, 16)
SIGMAS = (0.0, 0.05)


def clean_slices(count: int = 4) -> np.ndarray:
    """Heads, (count, 64, 64), float32 in [0, 1]."""
    down, right = np.mgrid[-1:1:64j, -1:1:64j]
    radius = np.hypot(down, right)
    heads = [0.8 * (radius < 0.9) - 0.3 * (radius < 0.2 + 0.1 * number) for number in range(count)]
    return np.stack(heads).astype(np.float32)


def smooth(noisy: np.ndarray, width: float) -> np.ndarray:
    return gaussian_filter(noisy, (0, width, width))


def ours(name: str, width: float) -> Method:
    return Method(name, "ours", "estimated", lambda noisy, _: smooth(noisy, width), 1000, 50.0)


METHODS = [
    noisy_input(),
    Method("Median (as published)", "as published", "none", lambda noisy, _: smooth(noisy, 3)),
    Method("BM3D, true sigma", "peer", "true", lambda noisy, _: smooth(noisy, 1.5)),
    ours("Neural Diffusion, 8 neighbours", 1),
    ours("Neural Diffusion, 8 neighbours, no refinement", 0.8),
]


def write_results(folder: Path, weights: str) -> Path:
    """Write evaluations of three tables, a sweep, an ablation, checks, volumes and learning curves."""
    clean = clean_slices()
    groups = np.arange(len(clean))
    common = {
        "slices": len(clean),
        "groups": len(clean),
        "split": "original",
        "part": "test",
        "split_sha256": "0" * 64,
        "iterations": 16,
        "neighbours": 8,
        "precision": "fast",
        "device": "cpu",
        "weights_sha256": weights,
        "skipped": [],
        "hardware": "x86_64",
    }
    for name, noise, split, sigma in (
        ("rician", "rician", "original", None),
        ("rician_grouped", "rician", "grouped", None),
        ("mixed", "mixed", "original", None),
        ("noise_free", "rician", "original", 0.0),
    ):
        table = rows(evaluate(METHODS, clean, noise, sigma, groups), resamples=50)
        content = {"kind": "evaluation", "rows": table, **common, "noise": noise, "sigma": sigma, "split": split}
        write_json(folder / f"{name}.json", content | {"command": f"neural-diffusion evaluate --json {name}.json"})
    network = lambda noisy, settings: SimpleNamespace(diffused=smooth(noisy, 0.8), image=smooth(noisy, 1))  # noqa: E731
    cells = sweep(network, clean, groups, ["rician", "mixed"], SIGMAS, [8], ITERATIONS)
    swept = {"kind": "sweep", "cells": cells, **common, "command": "neural-diffusion sweep"}
    write_json(folder / "sweep.json", swept)
    checks = check_fidelity(METHODS, clean, "rician", None, groups)
    write_json(
        folder / "checks.json",
        {
            "kind": "checks",
            **checks,
            **common,
            "noise": "rician",
            "sigma": None,
            "command": "neural-diffusion fidelity",
        },
    )
    variants = [("Full", True, METHODS[3]), ("Full", False, METHODS[4]), ("Dropout", True, ours("Dropout", 2))]
    measured = rows(evaluate([method for *_, method in variants], clean, "rician", groups=groups), resamples=50)
    for row, (variant, refined, _) in zip(measured, variants, strict=True):
        row |= {"variant": variant, "refined": refined}
    ablation = {"kind": "ablation", "of": "design", "rows": measured, "slices": 4, "split": "original", "epochs": 2}
    write_json(folder / "ablation.json", ablation | {"command": "neural-diffusion ablate"})
    volumes = [
        VolumeRow("head.nii.gz", sigma, method, level, psnr, 0.9, 1.0, psnr < 30)
        for sigma in (0.01, 0.09)
        for method, level, psnr in (("Noisy input", "none", 30.0), ("Neural Diffusion", "estimated", 33.25))
    ]
    content = {"kind": "volumes", "rows": [asdict(row) for row in volumes], **common}
    write_json(folder / "volumes.json", content | {"command": "neural-diffusion evaluate-volumes"})
    (folder / "curves.csv").write_text("epoch,step,loss,psnr_rician\n0,9,0.5,\n0,19,0.4,20\n1,29,0.3,\n1,39,0.2,22\n")
    return folder
