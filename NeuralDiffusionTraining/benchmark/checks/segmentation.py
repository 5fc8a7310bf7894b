"""Does denoising help what comes after it? Lesions segmented in clean, noisy and denoised slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from skimage.feature import multiscale_basic_features
from skimage.future import fit_segmenter, predict_segmenter
from sklearn.ensemble import RandomForestClassifier

from ...files.command_error import CommandError
from ..bootstrap import GroupBootstrap
from ..evaluation import corrupt_all, run_method
from ..methods import Method

CLEAN = "Clean slices"
_TREES = 50
_DEPTH = 14
_TRAINING_PIXELS = 100_000
_LARGEST_SCALE = 8
_SEED = 0
"""Of the forest, and of the draw of its pixels where there are more than it needs."""

# For scikit-image, label 0 is a pixel that nobody labelled.
_BACKGROUND, _LESION = 1, 2


@dataclass(frozen=True)
class Overlap:
    """How well the lesions of each slice were found.

    Attributes
    ----------
    method, told
        What made the slices, and the noise level that it was told, as in `Method`.
    dice, iou
        (slices,), in [0, 1]; NaN for slices without a lesion, where neither says anything.
    false_lesion
        (slices,), boolean: a lesion was found in a slice that has none.
    """

    method: str
    told: str
    dice: np.ndarray
    iou: np.ndarray
    false_lesion: np.ndarray


def train_segmenter(clean: np.ndarray, lesions: np.ndarray) -> RandomForestClassifier:
    """A random forest on intensity, edges and texture at scales of 1 to 8 pixels; it sees clean slices only.

    Parameters
    ----------
    clean
        (slices, rows, columns), float32 in [0, 1].
    lesions
        Boolean, same shape.

    Raises
    ------
    CommandError
        If the masks show no lesion, or nothing else.
    """
    labels = np.where(lesions, _LESION, _BACKGROUND).astype(np.uint8)
    chosen = np.random.default_rng(_SEED).random(labels.shape) < _TRAINING_PIXELS / labels.size
    if len(np.unique(labels[chosen])) < 2:
        raise CommandError(
            f"The masks of the {len(clean)} training slices show {'no' if not lesions.any() else 'too few or only'} "
            "lesion pixels: give more masks, or another split."
        )
    features = np.concatenate([_features(picture)[here] for picture, here in zip(clean, chosen, strict=True)])
    forest = RandomForestClassifier(_TREES, max_depth=_DEPTH, random_state=_SEED)
    return fit_segmenter(labels[chosen], features, forest)


def segment(forest: RandomForestClassifier, pictures: np.ndarray) -> np.ndarray:
    """Lesions that the forest finds in (slices, rows, columns) pictures; boolean, same shape."""
    return np.stack([predict_segmenter(_features(picture), forest) == _LESION for picture in pictures])


def compare(
    methods: Sequence[Method],
    forest: RandomForestClassifier,
    clean: np.ndarray,
    lesions: np.ndarray,
    noise: str = "rician",
    sigma: float | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> list[Overlap]:
    """Segment clean slices and what each method makes of their noisy versions.

    Parameters
    ----------
    methods
        The rows after that of the clean slices, which is the best that can be hoped for.
    forest
        What `train_segmenter` returned, trained on other slices.
    clean, lesions
        (slices, rows, columns), float32 in [0, 1] and boolean; the noise of each slice is fixed by its place.
    noise, sigma
        As in `evaluation.evaluate`.
    progress
        Called with a method's name and the number of slices it has just denoised.

    Raises
    ------
    CommandError
        If no mask shows a lesion, or a method gives no finite pictures.
    """
    if not lesions.any():
        raise CommandError(f"The masks of the {len(clean)} test slices show no lesion: give more masks.")
    noisy, levels = corrupt_all(clean, noise, sigma)
    rows = [_overlap(CLEAN, "none", segment(forest, clean), lesions)]
    for method in methods:
        pictures = np.clip(run_method(method, noisy, levels, progress), 0, 1)
        rows.append(_overlap(method.name, method.told, segment(forest, pictures), lesions))
    return rows


def summarise(rows: Sequence[Overlap], groups: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Means for the table and for JSON.

    "dice" and "iou" are {"mean", "low", "high"} over the slices with a lesion ("lesion_slices"), with the 95 % interval
    of a bootstrap over groups; a slice whose lesion is missed counts as 0. Slices without a lesion ("empty_slices")
    have no overlap to measure: "false_lesion_slices" counts those where one was found all the same.

    Parameters
    ----------
    groups
        Group of each slice, (slices,), such as its patient or its near-duplicates; each its own if left out.
    """
    shown = ~np.isnan(rows[0].dice)
    groups = np.arange(len(shown)) if groups is None else np.asarray(groups)
    bootstrap = GroupBootstrap(groups[shown])
    table = []
    for row in rows:
        table.append(
            {
                "method": row.method,
                "sigma": row.told,
                "dice": bootstrap.interval(row.dice[shown]).as_dict(),
                "iou": bootstrap.interval(row.iou[shown]).as_dict(),
                "lesion_slices": int(shown.sum()),
                "empty_slices": int((~shown).sum()),
                "false_lesion_slices": int(row.false_lesion.sum()),
            }
        )
    return table


def _features(picture: np.ndarray) -> np.ndarray:
    """(rows, columns, features), float32."""
    return multiscale_basic_features(picture.astype(np.float32), sigma_min=1, sigma_max=_LARGEST_SCALE)


def _overlap(method: str, told: str, found: np.ndarray, lesions: np.ndarray) -> Overlap:
    both = (found & lesions).sum(axis=(1, 2))
    either = (found | lesions).sum(axis=(1, 2))
    shown = lesions.any(axis=(1, 2))
    iou = np.where(shown, both / np.maximum(either, 1), np.nan)
    dice = np.where(shown, 2 * both / np.maximum(both + either, 1), np.nan)
    return Overlap(method, told, dice, iou, found.any(axis=(1, 2)) & ~shown)
