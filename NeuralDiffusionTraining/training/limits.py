"""How large options of a training may be: an upper bound is needed, as a lower one alone lets infinity through."""

from __future__ import annotations

LARGEST_EPOCHS = 1_000_000
LARGEST_SEED = 2**32 - 1
LARGEST_RATE = 1.0
