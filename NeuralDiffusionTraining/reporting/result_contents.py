"""What every kind of file of results must hold for the tables and plots that are made of it."""

from __future__ import annotations

from typing import Any

from NeuralDiffusionLib import NOISE_TYPES

_MISSING = object()
_NUMBER = (int, float)
_PERHAPS = (int, float, type(None))
_NOISE = frozenset(NOISE_TYPES)
_FIGURE = dict.fromkeys(("mean", "low", "high"), _PERHAPS)
_MEAN = {"mean": _PERHAPS}
_SLICES = {"slices": _NUMBER, "split": str}
_TABLE_ROW = {
    **dict.fromkeys(("method", "group", "sigma"), str),
    **dict.fromkeys(("psnr_db", "psnr_head_db", "ssim", "edge_mse"), _FIGURE),
    "difference_psnr_db": (dict, type(None)),
    **dict.fromkeys(("parameters", "macs_per_pixel", "seconds_per_slice"), _PERHAPS),
}
_CELL = {
    "noise": _NOISE,
    **dict.fromkeys(("sigma", "neighbours", "iterations"), _NUMBER),
    **dict.fromkeys(("noisy", "diffused", "full"), dict.fromkeys(("psnr_db", "ssim", "edge_mse"), _MEAN)),
}
_AT_RADIUS = {"method": str, "radius_px": _NUMBER, "cnr": _NUMBER}
_TIMED = {
    "group": frozenset(("ours", "lever", "network", "classical")),
    "method": str,
    "seconds": [_NUMBER],
    **dict.fromkeys(("median", "slices", "voxels_per_second", "ratio"), _NUMBER),
    **dict.fromkeys(("peak_bytes", "psnr_db", "psnr_head_db", "above_ours_db"), _PERHAPS),
}
_NEEDED: dict[str, dict[str, Any]] = {
    "evaluation": {
        "rows": [_TABLE_ROW],
        **_SLICES,
        **dict.fromkeys(("part", "precision", "device"), str),
        "noise": _NOISE,
        "sigma": _PERHAPS,
        **dict.fromkeys(("iterations", "neighbours"), _NUMBER),
    },
    "sweep": {"cells": [_CELL], **_SLICES, "part": str},
    "ablation": {"rows": [{**_TABLE_ROW, "variant": str, "refined": bool}], **_SLICES, "epochs": _NUMBER},
    "checks": {
        "lesions": [{**_AT_RADIUS, "recovered": _MEAN}],
        "false_lesions": [{**_AT_RADIUS, "per_slice": _MEAN}],
        "envelope": [
            {"method": str, "window_px": _PERHAPS, **dict.fromkeys(("above", "below", "outside"), _MEAN)},
        ],
        **_SLICES,
        "part": str,
        "noise": _NOISE,
    },
    "volumes": {
        "rows": [
            {
                **dict.fromkeys(("volume", "method", "noise_level"), str),
                **dict.fromkeys(("sigma", "psnr_head_db", "ssim_head", "seconds"), _NUMBER),
                "below_noisy": bool,
            }
        ],
        "slices": _NUMBER,
    },
    "segmentation": {
        "rows": [
            {
                **dict.fromkeys(("method", "sigma"), str),
                **dict.fromkeys(("dice", "iou"), _FIGURE),
                **dict.fromkeys(("lesion_slices", "empty_slices", "false_lesion_slices"), _NUMBER),
            }
        ],
        "noise": _NOISE,
        "test_slices": _NUMBER,
    },
    "bench": {
        "shape": [_NUMBER],
        **dict.fromkeys(("volume", "device", "hardware"), str),
        **dict.fromkeys(("sigma", "threads"), _NUMBER),
        "rows": [_TIMED],
        "skipped": [str],
        "scaling": dict,
        **dict.fromkeys(("parts", "machine", "large"), (dict, type(None))),
    },
}
KINDS = tuple(_NEEDED)
"""What the key "kind" of a file of results may say."""


def fault_of(kind: str, content: dict[str, Any]) -> str | None:
    """Where a file of results lacks what its kind needs, such as ``"rows.0.psnr_db"``; ``None`` if it lacks nothing.

    Parameters
    ----------
    kind
        One of `KINDS`.
    content
        What the file holds.
    """
    return _fault(content, _NEEDED[kind], ())


def _fault(value: Any, needed: Any, place: tuple[str, ...]) -> str | None:
    """The first place that is missing or of another form than what is needed.

    That is a dictionary of needs by key, a list with the need of each entry, a set of choices, or types.
    """
    if isinstance(needed, dict) and isinstance(value, dict):
        parts = [(value.get(name, _MISSING), one, name) for name, one in needed.items()]
    elif isinstance(needed, list) and isinstance(value, list):
        parts = [(entry, needed[0], str(number)) for number, entry in enumerate(value)]
    elif isinstance(needed, frozenset):
        return None if isinstance(value, str) and value in needed else ".".join(place)
    else:
        fits = not isinstance(needed, (dict, list)) and isinstance(value, needed)
        return None if fits else ".".join(place)
    faults = (_fault(part, one, (*place, name)) for part, one, name in parts)
    return next((fault for fault in faults if fault is not None), None)
