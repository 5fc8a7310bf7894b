"""What is denoised, and how noisy it is."""

from __future__ import annotations

from .section import Section


class InputsSection(Section):
    """Volume, frames, mask, noise type and noise level."""
