"""How large options of a training may be: infinity would pass a lower bound alone."""

from __future__ import annotations

LARGEST_SEED = 2**32 - 1
LARGEST_RATE = 1.0
