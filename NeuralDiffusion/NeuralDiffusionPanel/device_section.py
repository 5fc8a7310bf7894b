"""Where to compute, and PyTorch."""

from __future__ import annotations

from .section import Section


class DeviceSection(Section):
    """Device, memory and PyTorch."""
