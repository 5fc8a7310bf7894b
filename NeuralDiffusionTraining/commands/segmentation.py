"""`neural-diffusion segmentation`: what denoising does for a segmentation of lesions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError
from ..files.result_files import check_outputs, write_json, write_text
from .benchmark_options import (
    AddedSigma,
    Device,
    Iterations,
    JsonFile,
    MarkdownFile,
    Neighbours,
    Noise,
    Own,
    OwnTold,
    Rows,
    Trained,
    Tuned,
    Weights,
)
from .chosen import chosen_denoiser, settings_of
from .table_rows import AskedRows

if TYPE_CHECKING:
    from ..data.splits import Split


def segmentation(
    data: Annotated[Path, typer.Option(help="Folder of slices, as pictures, at any depth.")],
    masks: Annotated[
        Path, typer.Option(help="Folder of masks with the same relative names; what is not zero is lesion.")
    ],
    split: Annotated[
        str | None,
        typer.Option(help="original, grouped or a split file; 70 % to train and 30 % to test, by chance, if left out."),
    ] = None,
    noise: Noise = "rician",
    sigma: AddedSigma = None,
    iterations: Iterations = DenoiseSettings.iterations,
    neighbours: Neighbours = DenoiseSettings.neighbours,
    methods: Rows = "ours",
    tuned: Tuned = None,
    trained: Trained = None,
    own: Own = None,
    own_told: OwnTold = None,
    weights: Weights = None,
    device: Device = "auto",
    json_file: JsonFile = None,
    markdown_file: MarkdownFile = None,
) -> None:
    """Segment lesions in clean, noisy and denoised slices and print Dice and IoU.

    A random forest learns from the clean training slices and is then applied, as it is, to the test slices: clean,
    noisy, and as each method restores them. Dice and IoU are means over the slices with a lesion; in the others, those
    where a lesion is found all the same are counted. Slices without a mask are left out. A split by chance puts
    neighbouring slices of one patient on both sides; give a split file to prevent that.
    """
    import numpy as np

    from ..benchmark.checks.segmentation import compare, summarise, train_segmenter
    from ..benchmark.checks.segmentation_tables import to_markdown, to_terminal
    from ..benchmark.run_facts import run_facts
    from ..data.corruption import level_in_words
    from ..data.masks import load_masks, pair_masks
    from ..data.slices import load_slices
    from ..data.splits import load_split
    from ..files.terminal import passing_bar, then_shown

    asked = AskedRows(methods, trained, own, own_told, tuned)
    check_outputs(json_file, markdown_file, inputs=[weights, Path(split) if split else None, *asked.files])
    settings = settings_of(noise=noise, iterations=iterations, neighbours=neighbours)
    asked.read(noise)
    denoiser = chosen_denoiser(device, weights)
    paired, without = pair_masks(data, masks)
    chosen = None if split is None else load_split(split, data)
    train, test = _by_chance(list(paired)) if chosen is None else _of_split(chosen, list(paired))
    groups = None if chosen is None else np.array([chosen.groups[name] for name in test])
    rows, skipped = asked.build(denoiser, settings, (neighbours,), "fast")
    if without:
        skipped = [f"{without} of {without + len(paired)} slices have no mask and are left out.", *skipped]
    lesions = {part: load_masks(data, paired, names) for part, names in (("train", train), ("test", test))}
    clean = {
        part: load_slices(data, names).astype(np.float32) / 255 for part, names in (("train", train), ("test", test))
    }

    with passing_bar() as bar:
        task = bar.add_task("Training the segmenter", total=len(test) * len(rows))
        forest = train_segmenter(clean["train"], lesions["train"])
        overlaps = compare(
            rows,
            forest,
            clean["test"],
            lesions["test"],
            noise,
            sigma,
            lambda name, done: bar.update(task, advance=done, description=name),
        )
    table = summarise(overlaps, groups)
    parts = f"{len(train)} training and {len(test)} test slices"
    title = f"Segmentation of lesions, {noise}, {level_in_words(sigma)}, {parts}{asked.tuned_words}"
    with then_shown(to_terminal(table, title)):
        if json_file is not None:
            content: dict[str, Any] = {
                "kind": "segmentation",
                "rows": table,
                "training_slices": len(train),
                "test_slices": len(test),
                "split": "by chance" if chosen is None else chosen.name,
                "noise": noise,
                "sigma": sigma,
                "iterations": iterations,
                "neighbours": neighbours,
                "device": denoiser.device,
                "weights_sha256": denoiser.weights_sha256,
                **asked.facts(),
                "skipped": skipped,
                **run_facts(),
            }
            write_json(json_file, content)
        if markdown_file is not None:
            write_text(markdown_file, to_markdown(table, title))
    for sentence in skipped:
        typer.echo(sentence, err=True)


def _by_chance(names: list[str]) -> tuple[list[str], list[str]]:
    """Slices to train and to test with."""
    from sklearn.model_selection import train_test_split

    if len(names) < 2:
        raise CommandError(f"Only {len(names)} slice has a mask: one is needed to train and another to test.")
    train, test = train_test_split(names, test_size=0.3, random_state=42)
    return train, test


def _of_split(split: Split, names: list[str]) -> tuple[list[str], list[str]]:
    """Slices to train and to test with, of those that have masks."""
    train, test = ([name for name in split.part(part) if name in set(names)] for part in ("train", "test"))
    for part, found in (("training", train), ("test", test)):
        if not found:
            raise CommandError(
                f"No {part} slice of split '{split.name}' has a mask: give more masks, or another split."
            )
    return train, test
