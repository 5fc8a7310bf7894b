"""How the volume is denoised."""

from __future__ import annotations

from .section import Section


class DiffusionSection(Section):
    """Iterations, neighbourhood, refinement and slices."""
