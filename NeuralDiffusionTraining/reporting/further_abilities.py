"""What was carried over from the original project, a line each."""

from __future__ import annotations

import math
from collections.abc import Set

from ..benchmark.figure_text import figure_text
from ..benchmark.methods import NOISY_INPUT
from ..benchmark.volumes.methods import OURS
from ..training.variant_names import DROPOUT, SINGLE_SCALE
from .results import Result, Results, noisy_row, our_rows

_NOT_MEASURED = "not measured"
_SAME_NOISE_DB = 1e-3
"""The same draw of the noise, measured on two computers, differs by the rounding: far less than this."""


def further(results: Results, names: Set[str]) -> str:
    """One line each; Markdown.

    Parameters
    ----------
    results
        What was measured.
    names
        The hashes under which one file of weights was measured, as of `names_of`.
    """
    lines = [
        f"**Mixed noise** (each slice one of three types, not told which): {_mixed(results)}.",
        f"**Multi-scale diffusion** (later stages reach over several pixels): {_variant(results, SINGLE_SCALE)}.",
        "**Monte Carlo dropout** (uncertainty maps: `denoise --uncertainty`, with weights trained with dropout): cost "
        f"of the dropout: {_variant(results, DROPOUT)}.",
        f"**Blind-spot training** (`adapt`, for scans without a clean counterpart): {_adapted(results, names)}.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _mixed(results: Results) -> str:
    mixed = [one for one in results.tables() if one.content["noise"] == "mixed"]
    ours = our_rows(mixed[0].content["rows"]) if mixed else []
    noisy = noisy_row(mixed[0].content["rows"]) if mixed else None
    if not (ours and noisy):
        return _NOT_MEASURED
    return (
        f"{figure_text(ours[0]['psnr_db'], 'psnr_db')} dB, noisy {figure_text(noisy['psnr_db'], 'psnr_db')} dB, "
        f"on {mixed[0].content['slices']} {mixed[0].content['split']} slices"
    )


def _variant(results: Results, name: str) -> str:
    for one in results.ablations():
        for row in one.content["rows"]:
            if row["variant"] == name and row["refined"] and row["difference_psnr_db"]:
                difference = row["difference_psnr_db"]["mean"]
                return (
                    f"{name.lower()}, {figure_text(row['psnr_db'], 'psnr_db')} dB, {difference:+.2f} dB "
                    f"against the full network on the same {one.content['epochs']} epochs"
                )
    return _NOT_MEASURED


def _adapted(results: Results, names: Set[str]) -> str:
    for after in results.volumes(adapted=True):
        for before in results.volumes():
            changes = _changes(before, after) if _comparable(before, after, names) else {}
            if changes:
                words = [f"{sum(of) / len(of):+.2f} dB at {100 * sigma:g} %" for sigma, of in sorted(changes.items())]
                return f"{', '.join(words)} of noise, in the head, against the same weights before"
    return _NOT_MEASURED


def _comparable(before: Result, after: Result, names: Set[str]) -> bool:
    """Whether the settings are the same, and one is of the weights that the other's were adapted from."""
    same = all(before.content.get(name) == after.content.get(name) for name in ("slices", "iterations", "neighbours"))
    started, measured = after.content["adapted_from_sha256"], before.content.get("weights_sha256")
    return same and (started == measured or {started, measured} <= names)


def _changes(before: Result, after: Result) -> dict[float, list[float]]:
    """What ours gained on each scan, by noise level, in dB; nothing where the noise was not the same."""

    def of(result: Result, method: str) -> dict[tuple[str, float], float]:
        rows = (row for row in result.content["rows"] if row["method"] == method)
        return {(row["volume"], row["sigma"]): row["psnr_head_db"] for row in rows}

    then, now, noisy_then, noisy_now = (of(one, name) for name in (OURS, NOISY_INPUT) for one in (before, after))
    gains: dict[float, list[float]] = {}
    for place in then.keys() & now.keys():
        noisy = [one.get(place, math.nan) for one in (noisy_then, noisy_now)]
        if not math.isclose(*noisy, abs_tol=_SAME_NOISE_DB):
            return {}
        gains.setdefault(place[1], []).append(now[place] - then[place])
    return gains
