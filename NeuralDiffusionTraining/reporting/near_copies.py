"""How far the figures of weights flatter them: what they learned from comes back in the test slices."""

from __future__ import annotations

from ..data.splits import COMMITTED, NAMES, read_split


def what_flatters(split_sha256: str) -> str:
    """A sentence on weights that were trained on the split of this hash; empty if it is no committed one."""
    splits = [read_split(COMMITTED / f"{name}.json") for name in NAMES]
    learned = next((split for split in splits if split.sha256 == split_sha256), None)
    if learned is None:
        return ""
    shares = [
        f"{split.related(split.test, learned.train)} of the {len(split.test)} test slices of `{split.name}`"
        for split in splits
    ]
    return (
        f"The weights were trained on the training part of the split `{learned.name}`. {' and '.join(shares)} are "
        "among those slices or have a near-duplicate there: figures on them show how well the weights know what they "
        "learned, rather than what they would do with a new head."
    )
