"""What the speed was to reach, beside what was measured."""

from __future__ import annotations

from typing import Any

from .row_names import FORMS, has_one_changed

_NEAR_DB = 3.0
_FORM_RATIO = 5.0
_LEVER_DB = 0.05

_REGIONS = {"psnr_db": ("above_ours_db", "whole volume"), "psnr_head_db": ("above_ours_head_db", "in head")}

Row = dict[str, Any]


def is_finished(content: dict[str, Any]) -> bool:
    """Whether a run came to its end; files of older versions do not say, and are taken as they are."""
    return content.get("finished", True)


def aims(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Aim and finding, in words, as far as `neural-diffusion bench` measured it in one run; none if interrupted."""
    if not is_finished(content):
        return []
    rows = content["rows"]
    ours = next((row for row in rows if row["group"] == "ours"), None)
    classical = [row for row in rows if row["group"] == "classical" and row["psnr_db"] is not None]
    found = []
    if ours and classical:
        found += [
            ("Better PSNR than every classical filter", _best(ours, classical)),
            (f"Faster than every classical filter within {_NEAR_DB:g} dB of ours", _near(ours, classical)),
        ]
    forms = [row["ratio"] for row in rows if row["method"] in FORMS]
    if forms:
        words = f"{forms[0]:.2f} times"
        if forms[1:]:
            words += f", {forms[1]:.2f} times if its guidance has full resolution"
        found.append((f"{_FORM_RATIO:g} times as fast as the straightforward form", words))
    levers = [row for row in rows if row["group"] == "lever" and row["above_ours_db"] is not None]
    if levers:
        found.append((f"No lever costs more than {_LEVER_DB:g} dB", _costly(levers)))
    curves = content["scaling"]
    if "slices" in curves:
        each = [1e9 * point["seconds"] / point["voxels"] for point in curves["slices"]]
        counts = [point["value"] for point in curves["slices"]]
        words = f"{min(each):.0f} to {max(each):.0f} ns a voxel from {min(counts):g} to {max(counts):g} slices"
        found.append(("Cost of a voxel the same for any number of slices", words))
    if "iterations" in curves:
        first, last = curves["iterations"][0], curves["iterations"][-1]
        words = (
            f"{last['value']:g} steps take {last['seconds'] / first['seconds']:.2f} times as long as {first['value']:g}"
        )
        found.append(("A further step costs little", words))
    return found


def _best(ours: Row, classical: list[Row]) -> str:
    words = []
    for name, (above, where) in _REGIONS.items():
        gain, best = max((_gain(row, ours, name, above), row["method"]) for row in classical)
        words.append(f"{where} {ours[name]:.2f} dB, the best of them {_difference(gain)} ({best})")
    return "; ".join(words)


def _difference(gain: float) -> str:
    return f"{abs(gain):.2f} dB {'more' if gain > 0 else 'less'}"


def _gain(row: Row, ours: Row, name: str, above: str) -> float:
    """Decibels above ours on the slices that the row is of, which may be few; older files lack those of the head."""
    return row[name] - ours[name] if row.get(above) is None else row[above]


def _near(ours: Row, classical: list[Row]) -> str:
    words = []
    for name, (above, where) in _REGIONS.items():
        near = [row for row in classical if _gain(row, ours, name, above) > -_NEAR_DB]
        faster = [f"{row['method']} ({row['ratio']:.2f} of our time)" for row in near if row["ratio"] < 1]
        if not near:
            words.append(f"{where}: none is that near")
        else:
            words.append(f"{where}: {len(near) - len(faster)} of {len(near)} are slower")
            words += [f"faster: {', '.join(faster)}"] if faster else []
    return "; ".join(words)


def _costly(levers: list[Row]) -> str:
    alone = [row for row in levers if has_one_changed(row["method"]) and row["above_ours_db"] > _LEVER_DB]
    return "; ".join(f"{row['method']}, {row['above_ours_db']:+.2f} dB" for row in alone) or "none does"
