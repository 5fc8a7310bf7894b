"""Words of sentences."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A number and what is counted, such as "1 slice" or "1,200 slices"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
