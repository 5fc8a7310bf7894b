"""The settings that something was measured at: whether they are the default ones, and what of them is not."""

from __future__ import annotations

from typing import Any

from NeuralDiffusionLib import DenoiseSettings

from ..files.words import counted

DEFAULTS = {"iterations": DenoiseSettings.iterations, "neighbours": DenoiseSettings.neighbours}
"""Settings that a table has unless its title says otherwise."""

# What a kind of files does not hold, or older ones lack, could not be changed.
_USUAL = {"part": "test", "sigma": None, "precision": "fast", "draw": 0, **DEFAULTS}
_TUNED = {"tuned_sha256": "filters tuned", "peers_tuned_sha256": "parameters of the 3-D filters chosen"}
_DIGITS = 12
"""Of a SHA-256: enough to tell files apart."""


def is_default(content: dict[str, Any]) -> bool:
    """Whether a file of results is of the default settings, as those are that go into the published tables.

    These are test slices, drawn noise levels, the benchmark's own draw, `DEFAULTS`, "fast", and for the competing
    filters the parameters that come with the package.
    """
    usual = all(content.get(name, value) == value for name, value in _USUAL.items())
    return usual and not any(content.get(name) for name in _TUNED)


def other_settings(content: dict[str, Any]) -> list[str]:
    """In words, what differs from the default settings, for a title that names noise level and slices by itself."""
    words = [
        counted(content[name], name.removesuffix("s"))
        for name, usual in DEFAULTS.items()
        if content.get(name, usual) != usual
    ]
    words += ["float32"] if content.get("precision") == "float32" else []
    words += [f"draw {content['draw']} of the noise"] if content.get("draw") else []
    words += [
        f"{what} by a file other than the package's (SHA-256 {content[name][:_DIGITS]})"
        for name, what in _TUNED.items()
        if content.get(name)
    ]
    return words


def is_default_cell(cell: dict[str, Any]) -> bool:
    """Whether a cell of a sweep is of the default neighbourhood and number of iterations."""
    return all(cell[name] == usual for name, usual in DEFAULTS.items())
