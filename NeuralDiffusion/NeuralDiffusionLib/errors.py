"""Errors that a caller may want to tell apart; each message is one sentence meant for the user."""

from __future__ import annotations


class InvalidVolumeError(ValueError):
    """The volume cannot be denoised as it is: wrong shape, type or values."""


class DeviceError(ValueError):
    """The device that was asked for is unknown or absent."""


class WeightsError(Exception):
    """The file of weights is missing, damaged or made for another network."""


class DenoiseCancelled(Exception):
    """The run was cancelled; nothing is returned."""
