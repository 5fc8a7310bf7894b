"""Names of the variants of the ablation that others look for in its results."""

from __future__ import annotations

DROPOUT = "Dropout"
SINGLE_SCALE = "Single scale"
