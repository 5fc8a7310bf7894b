"""The same volume denoised by classical filters, and how close all come to a reference."""

from __future__ import annotations

from .section import Section


class ComparisonSection(Section):
    """Compares with Slicer's classical filters."""
