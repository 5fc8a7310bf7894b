"""The model card, written from the file of weights and from measured results alone."""

from __future__ import annotations

from pathlib import Path

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights

from ..benchmark.methods import OUR_RUNS
from ..files.command_error import CommandError
from .measured_settings import is_default
from .near_copies import what_flatters
from .result_tables import (
    checks_summary,
    evaluation_title,
    first_sweep_table,
    full_table,
    noise_table,
    published,
    volume_tables,
)
from .results import FIGURES, MEASURED_AS, Result, Results, names_of, read_results, refuse_other_weights

_ENTRIES = {
    "data": "Data",
    "split_sha256": "SHA-256 of the split's list of names",
    "command": "Command",
    "started_from": "Started from the weights of",
    "commit": "Commit",
    "precision": "Precision in training",
    "torch": "torch",
    "epochs_done": "Epochs done",
    "steps_done": "Steps done",
    "adapted": "Then adapted by",
    "adapted_from_sha256": "SHA-256 of the weights before that",
    MEASURED_AS: "SHA-256 before the figures were put into the file",
}


def model_card(weights: Path, folder: Path) -> str:
    """Return the card, in Markdown.

    Parameters
    ----------
    weights
        File of weights.
    folder
        Folder of JSON files that were measured with these weights.

    Raises
    ------
    CommandError
        If there are no results, or some were measured with other weights.
    """
    loaded = load_weights(weights)
    results = read_results(folder)
    names = names_of(loaded.sha256, loaded.metadata)
    refuse_other_weights(results, folder, weights, names)
    if not results.of("evaluation"):
        raise CommandError(f"Folder '{folder}' holds no results: run neural-diffusion evaluate with --json first.")
    made = loaded.metadata
    entries = [f"- {title}: {_code(made[key])}" for key, title in _ENTRIES.items() if made.get(key)]
    parts = [
        "# Model card: Neural Diffusion weights",
        "One network for every setting of the panel: Rician, Gaussian, speckle or unknown noise, neighbourhood of 4 or "
        "8, 1 to 64 iterations, with or without refinement.",
        f"**Research use only; not for diagnosis.** {made['limits']}",
        "## How they were made",
        "\n".join([*entries, f"- SHA-256 of `{weights.name}`: `{loaded.sha256}`"]),
        *(made[key] for key in ("note", FIGURES) if made.get(key)),
        "Every figure of Neural Diffusion below is of this one file, blind: the network is told the noise type (or, "
        f"for mixed, nothing) and never the level. Rows that begin with *{OUR_RUNS}* are the same network, trained "
        f"otherwise.{_how_measured(loaded.sha256)}",
        "## Benchmark slices",
        *([flattered] if (flattered := what_flatters(made.get("split_sha256", ""))) else []),
        noise_table(results),
        *_evaluations(results),
        "## Noise levels, PSNR in dB",
        first_sweep_table(results),
        "## Small lesions and new extrema",
        checks_summary(results),
        "## Real volumes, Rician noise",
        *([volume_tables(one) for one in _volumes(results) if one.is_of(names)] or ["Not measured."]),
    ]
    return "\n\n".join(parts) + "\n"


def _how_measured(sha256: str) -> str:
    """Sentences that hold of the bundled weights alone, as the script measures no others."""
    if sha256 != load_weights(BUNDLED_WEIGHTS).sha256:
        return ""
    return (
        " `Resources/Results/measure.sh` measures them all and writes this page. `Resources/Results/quality.md` says "
        "where others are better, and what the figures rest on."
    )


def _volumes(results: Results) -> list[Result]:
    """Those of weights that blind-spot training made among them, as the card may be of these."""
    return [*results.volumes(), *results.volumes(adapted=True)]


def _evaluations(results: Results) -> list[str]:
    """Every table in full: first those at the default settings."""
    found = sorted(results.of("evaluation"), key=lambda one: not is_default(one.content))
    return [
        "\n\n".join([f"### {evaluation_title(one.content)}", full_table(one).strip(), *published(one.content)])
        for one in found
    ]


def _code(text: str) -> str:
    return f"`{text}`" if (len(text.split()) > 3 and text.startswith("neural")) or len(text) >= 40 else text
