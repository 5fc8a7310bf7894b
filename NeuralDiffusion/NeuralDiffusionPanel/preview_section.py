"""The active slice view, denoised while settings change."""

from __future__ import annotations

from .section import Section


class PreviewSection(Section):
    """Denoises the slice of the active view only and leaves the scene alone."""
