"""Errors that a caller may want to tell apart; each message is one sentence meant for the user."""

from __future__ import annotations


class InvalidVolumeError(ValueError):
    """What a run or a view was given does not serve as it is: a volume, its file or folder, an output, or a mask."""


class DeviceError(ValueError):
    """The device that was asked for is unknown or absent, or does not work."""


class WeightsError(Exception):
    """The file of weights is missing, damaged or made for another network."""


class DenoiseCancelled(Exception):
    """The run was cancelled; nothing is returned."""
