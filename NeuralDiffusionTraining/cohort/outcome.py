"""What became of one scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """The scan's name, what became of it, and why if it failed."""

    name: str
    state: Literal["denoised", "already done", "failed"]
    reason: str = ""
