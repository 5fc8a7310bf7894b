"""The model card, written from the file of weights and from measured results alone."""

from __future__ import annotations

import json
from pathlib import Path

from NeuralDiffusionLib.weights import load_weights

from ..files.command_error import CommandError

ORIGINAL_SWEEP = {
    "gaussian": {0.05: 26.376, 0.10: 24.567, 0.15: 22.655, 0.20: 21.063},
    "rician": {0.05: 26.669, 0.10: 25.536, 0.15: 24.513, 0.20: 22.094},
    "speckle": {0.05: 27.026, 0.10: 26.627, 0.15: 26.002, 0.20: 25.190},
}
"""PSNR in dB of the original student project's network, by noise type and level."""

_ENTRIES = {
    "data": "Data",
    "split_sha256": "SHA-256 of the split's list of names",
    "command": "Command",
    "commit": "Commit",
    "torch": "torch",
    "epochs_done": "Epochs done",
    "steps_done": "Steps done",
}


def model_card(weights: Path, results: Path) -> str:
    """Return the card, in Markdown.

    Parameters
    ----------
    weights
        File of weights.
    results
        Folder of JSON files written by `evaluate` and `evaluate-volumes` with these weights.

    Raises
    ------
    CommandError
        If there are no results, or some were measured with other weights.
    """
    loaded = load_weights(weights)
    slices, volumes = [], []
    for path in sorted(results.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["weights_sha256"] != loaded.sha256:
            raise CommandError(f"Result '{path}' was measured with other weights than '{weights}': measure it again.")
        (slices if "noise" in content else volumes).append(content)
    if not slices:
        raise CommandError(f"Folder '{results}' holds no results: run neural-diffusion evaluate with --json first.")
    parts = [
        "# Model card: Neural Diffusion weights",
        "One network for every setting of the panel: Rician, Gaussian, speckle or unknown noise, neighbourhood of 4 or "
        "8, 1 to 64 iterations, with or without refinement.",
        f"**Research use only; not for diagnosis.** {loaded.metadata['limits']}",
        "## How they were made",
        "\n".join(f"- {title}: {_code(loaded.metadata[key])}" for key, title in _ENTRIES.items()),
        f"- SHA-256 of `{weights.name}`: `{loaded.sha256}`",
        *([loaded.metadata["note"]] if loaded.metadata["note"] else []),
        "Every figure below is of this one file, blind: the network is told the noise type (or, for mixed, nothing) "
        "and never the level. `Resources/Results/measure.sh` measures them all and writes this page.",
        "## Benchmark slices",
        _slice_table(slices),
        "## Real volumes, Rician noise, PSNR in dB inside the head",
        *(_volume_table(content) for content in volumes),
    ]
    return "\n\n".join(parts) + "\n"


def _code(text: str) -> str:
    return f"`{text}`" if (len(text.split()) > 3 and text.startswith("neural")) or len(text) >= 40 else text


def _slice_table(results: list[dict]) -> str:
    lines = [
        "| Noise | Sigma | Neighbours | Iterations | Slices | Noisy dB | Full dB / SSIM / edge MSE "
        "| No refinement dB / SSIM / edge MSE | Original project dB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for content in sorted(results, key=_order):
        full, diffused, noisy = content["rows"]
        sigma = content["sigma"]
        noise = content["noise"] + (", float32" if content["precision"] == "float32" else "")
        level = "0.05-0.20" if sigma is None else f"{sigma:g}"
        original = ORIGINAL_SWEEP.get(content["noise"], {}).get(sigma)
        lines.append(
            f"| {noise} | {level} | {content['neighbours']} | {content['iterations']} | {content['slices']} "
            f"| {_decibels(noisy)} | {_figures(full)} | {_figures(diffused)} "
            f"| {'' if original is None else f'{original:.2f}'} |"
        )
    return "\n".join(lines)


def _order(content: dict) -> tuple:
    drawn = content["sigma"] is None
    noise = ("rician", "gaussian", "speckle", "mixed").index(content["noise"])
    return not drawn, noise, content["sigma"] or 0, -content["neighbours"], content["iterations"]


def _decibels(row: dict) -> str:
    return "unchanged" if row["psnr_db"] is None else f"{row['psnr_db']:.2f}"


def _figures(row: dict) -> str:
    return f"{_decibels(row)} / {row['ssim']:.3f} / {row['edge_mse']:.4f}"


def _volume_table(content: dict) -> str:
    lines = [
        f"{content['slices'] or 'All'} middle slices, {content['iterations']} iterations, "
        f"{content['neighbours']} neighbours.",
        "",
        "| Volume | Sigma | Noisy | Neural Diffusion | No refinement | Estimated sigma |",
        "|---|---|---|---|---|---|",
    ]
    for row in content["rows"]:
        lines.append(
            f"| {row['volume']} | {row['sigma']:g} | {row['noisy_psnr_db']:.2f} | {row['denoised_psnr_db']:.2f} "
            f"| {row['diffused_psnr_db']:.2f} | {row['estimated_sigma']:.4f} |"
        )
    return "\n".join(lines)
