"""What each part of the design brings: the same run with one thing changed, and the competitors on the same budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from NeuralDiffusionLib import DenoiseSettings
from NeuralDiffusionLib.network.noise_model import PURE_TYPES

from ..benchmark.evaluation import evaluate, noisy_input
from ..benchmark.learned import trained
from ..benchmark.methods import OUR_GROUP, Method
from ..benchmark.tables import rows as table_rows
from ..data.loaded_part import load_part
from ..files.command_error import CommandError
from .config import TrainingConfig, read_config
from .run import RunSite, run_training
from .variant_names import DROPOUT, SINGLE_SCALE


@dataclass(frozen=True)
class Variant:
    """One run: its name in the table and what differs from the base configuration, by dotted option name."""

    name: str
    changes: dict[str, Any]


FULL = Variant("Full", {})

ABLATED = (
    FULL,
    Variant("No guidance", {"network": "no-guidance"}),
    Variant("No context", {"network": "no-context"}),
    Variant("Detached guidance", {"network": "detached-guidance"}),
    Variant("One noise level for all but the inversion", {"network": "no-noise-level"}),
    Variant("Fixed step sizes", {"network": "fixed-steps"}),
    Variant("No refinement", {"network": "no-refinement"}),
    Variant("4 neighbours", {"sampling.neighbours": 4}),
    Variant("Per-pixel gates", {"network": "per-pixel-gates"}),
    Variant("No shrinkage at the noise floor", {"network": "no-floor"}),
    Variant("No bias treatment", {"network": "no-inversion"}),
    Variant(SINGLE_SCALE, {"network": "single-scale"}),
    Variant(DROPOUT, {"network": "dropout"}),
    Variant("AdamW instead of Muon", {"optimiser.name": "adamw", "optimiser.learning_rate": 2e-3}),
    Variant("Loss without the PSNR", {"loss.psnr": 0}),
    Variant("Loss of the result alone", {"loss.diffused": 0}),
    Variant("No average of the weights", {"optimiser.average": 0}),
    Variant("No flips and turns", {"sampling.orientations": False}),
)

COMPETITORS = (
    FULL,
    Variant("Plain U-Net", {"network": "unet"}),
    Variant("U-Net with our noise level and inversion", {"network": "unet-control"}),
    Variant("DnCNN-class", {"network": "dncnn"}),
    Variant("Original network", {"network": "original"}),
    Variant("Original network, guidance trained", {"network": "original-trained-guidance"}),
)

_OTHERWISE: dict[str, dict[str, Any]] = {
    "": {},
    ", half the learning rates": {"optimiser.learning_rate": 1e-3, "optimiser.kernel_rate": 3e-3},
    ", AdamW": {"optimiser.name": "adamw", "optimiser.learning_rate": 1e-3},
}
OPTIMISERS = tuple(
    Variant(variant.name + words, variant.changes | changes)
    for variant in COMPETITORS[:4]
    for words, changes in _OTHERWISE.items()
)


def train_and_measure(
    variants: Sequence[Variant],
    base: Callable[[dict[str, Any]], TrainingConfig],
    site: RunSite,
    noise: str = "rician",
    limit: int = 0,
    report: Callable[[str], None] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Train every variant and measure them all on the same test pixels.

    Parameters
    ----------
    variants
        The first one is what the others are compared with.
    base
        Gives the configuration with the changes of a variant.
    site
        Its output receives one folder for each variant; runs that are finished there are only measured.
    noise
        What the test slices are corrupted with.
    limit
        Use only the first test slices; 0 means all.
    report
        Called with the name of each variant before it is trained.

    Returns
    -------
    tuple
        Rows as of `tables.rows`, with "variant" and "refined"; each network has one with and, if it has a refinement,
        one without. And the facts that hold for all of them.
    """
    methods: list[Method] = []
    names: dict[str, tuple[str, bool]] = {}
    configs = [base(variant.changes) for variant in variants]
    first = configs[0]
    # What cannot be read of them is said before anything is trained.
    test = load_part(site.data, first.split, "test", limit)
    for variant, config in zip(variants, configs, strict=True):
        if report is not None:
            report(variant.name)
        folder = site.output / _folder_name(variant.name)
        checkpoint = run_training(config, replace(site, output=folder))
        for refine in (True, False):
            method = _method(variant, config, checkpoint, noise, refine, site.device)
            if not refine and method.parameters == methods[-1].parameters:
                continue
            methods.append(replace(method, group=OUR_GROUP) if config is first and refine else method)
            names[method.name] = (variant.name, refine)
    results = evaluate([*methods, noisy_input()], test.clean, noise, groups=test.groups)
    rows = table_rows(results)
    for row in rows:
        variant_name, refined = names.get(row["method"], (row["method"], False))
        row |= {"variant": variant_name, "refined": refined}
    return rows, {**test.facts(), "epochs": first.epochs, "seed": first.seed}


def trained_for(noise: str) -> dict[str, Any]:
    """Options of a run that trains for one noise type, or for "mixed".

    Raises
    ------
    CommandError
        If the type is not known.
    """
    settings = (*PURE_TYPES, "mixed")
    if noise not in settings:
        raise CommandError(f"Noise type '{noise}' is not known: choose one of {', '.join(settings)}.")
    return {"sampling.setting_weights": [int(one == noise) for one in settings]}


def configuration(path: Path | None, overrides: dict[str, Any]) -> Callable[[dict[str, Any]], TrainingConfig]:
    """Configuration of a variant: the file, then the command line, then what the variant changes.

    Raises
    ------
    CommandError
        If the file and the command line make no configuration, or one of another network than ours.
    """
    network = read_config(path, overrides).network
    if network != TrainingConfig().network:
        raise CommandError(
            f"Option 'network' is not possible here, where each variant has its own (given: '{network}'): leave it "
            "out, and choose variants with --of and --only."
        )
    return lambda changes: read_config(path, {**overrides, **changes})


def _method(
    variant: Variant, config: TrainingConfig, checkpoint: Path, noise: str, refine: bool, device: str
) -> Method:
    sampling = config.sampling
    settings = DenoiseSettings(
        noise=noise,
        iterations=sampling.iterations or DenoiseSettings.iterations,
        neighbours=sampling.neighbours or DenoiseSettings.neighbours,
        refine=refine,
    )
    name = variant.name if refine else f"{variant.name}, without refinement"
    return trained(name, checkpoint, settings, device)


def _folder_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())
