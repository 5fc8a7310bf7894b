"""What was timed, as Markdown."""

from __future__ import annotations

from typing import Any

from ..files.markdown import markdown_table
from .aims import aims, is_finished
from .row_names import Axis, Group

_GROUPS: dict[Group, str] = {
    "ours": "Ours",
    "lever": "Ours with one lever changed",
    "network": "Networks in the same engine",
    "own": "Methods of one's own",
    "classical": "Classical filters",
}
_AXES: dict[Axis, str] = {
    "slices": "Slices",
    "side": "Side of a slice",
    "iterations": "Iterations",
    "threads": "Threads",
    "batch": "Slices in a batch",
}


def to_markdown(content: dict[str, Any]) -> str:
    """The table of the subjects, where the time goes, and the scaling, of what `neural-diffusion bench` writes."""
    parts = [
        f"{_title(content)} Memory is what a run needs beyond its input, its results included"
        f"{'' if content['device'] == 'CPU' else '; on the graphics card, what PyTorch allocates there'}. Levers are "
        "compared with ours on their own slices.",
        *_interrupted(content),
        _subjects(content["rows"], content["shape"][0]),
        *content["skipped"],
        *_aims(content),
    ]
    if content["parts"]:
        parts += ["Where the time of one run goes:", _parts(content["parts"])]
    if content["machine"]:
        parts.append(_machine(content["machine"]))
    parts += [_curve(_AXES[name], curve) for name, curve in content["scaling"].items()]
    if content["large"]:
        parts.append(_large(content["large"]))
    return "\n\n".join(parts) + "\n"


def summary(content: dict[str, Any]) -> str:
    """Ours and its rivals with fewer columns and without the levers, and what of the aims was reached."""
    lines = [
        [row["method"], _seconds_of(row, content["shape"][0]), *_decibels(row), f"{row['ratio']:.2f}"]
        for row in content["rows"]
        if row["group"] != "lever"
    ]
    headings = ["Method", "Seconds", "PSNR dB", "in head dB", "Time / ours"]
    parts = [_title(content), *_interrupted(content), markdown_table(headings, lines), *_aims(content)]
    return "\n\n".join(parts) + "\n"


def _title(content: dict[str, Any]) -> str:
    slices, rows, columns = content["shape"]
    return (
        f"{columns} x {rows} x {slices} voxels ({content['volume']}), {100 * content['sigma']:g} % Rician noise, "
        f"{content['device']} ({content['hardware']}), {content['threads']} threads: median of the runs, and their "
        f"range.{'' if content['device'] == 'CPU' else ' Classical filters compute on the CPU.'}"
    )


def _interrupted(content: dict[str, Any]) -> list[str]:
    whole = is_finished(content)
    return [] if whole else ["Interrupted: not all methods, nor all runs of them, were measured."]


def _aims(content: dict[str, Any]) -> list[str]:
    lines = [f"- {aim}: {found}." for aim, found in aims(content)]
    return ["\n".join(["What was to be reached, and what was found:", "", *lines])] if lines else []


def _seconds_of(row: dict[str, Any], slices: int) -> str:
    low, high = min(row["seconds"]), max(row["seconds"])
    seconds = _seconds(row["median"]) + (f" ({_seconds(low)}-{_seconds(high)})" if len(row["seconds"]) > 1 else "")
    return f"{seconds}, from {row['slices']} slices" if row["slices"] < slices else seconds


def _decibels(row: dict[str, Any]) -> list[str]:
    return ["" if row[name] is None else f"{row[name]:.2f}" for name in ("psnr_db", "psnr_head_db")]


def _subjects(rows: list[dict[str, Any]], slices: int) -> str:
    headings = [
        "Method",
        "Runs",
        "Seconds",
        "Million voxels a second",
        "Memory, MB",
        "PSNR dB",
        "in head dB",
        "above ours dB",
    ]
    lines = []
    group = None
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines.append([f"*{_GROUPS[group]}*", *[""] * len(headings)])
        lines.append(
            [
                row["method"],
                str(len(row["seconds"])),
                _seconds_of(row, slices),
                f"{row['voxels_per_second'] / 1e6:.3g}",
                "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:.0f}",
                *_decibels(row),
                "" if row["above_ours_db"] is None else f"{row['above_ours_db']:+.2f}",
                f"{row['ratio']:.2f}",
            ]
        )
    return markdown_table([*headings, "Time / ours"], lines)


def _parts(parts: dict[str, float]) -> str:
    whole = sum(parts.values())
    lines = [[name, _seconds(seconds), f"{100 * seconds / whole:.0f} %"] for name, seconds in parts.items()]
    return markdown_table(["Part", "Seconds", "Share"], lines)


def _machine(machine: dict[str, float]) -> str:
    return (
        f"Arithmetic: {machine['operations_per_second'] / 1e12:.3g} of {machine['peak_operations'] / 1e12:.3g} TFLOP/s "
        f"({100 * machine['share_of_operations']:.0f} % of what a product of matrices reaches on the same device). "
        f"Memory: the operations read and write {machine['bytes_per_second'] / 1e9:.3g} GB/s, a copy of memory "
        f"{machine['peak_bytes'] / 1e9:.3g} GB/s ({100 * machine['share_of_bytes']:.0f} %; caches are not considered)."
    )


def _curve(heading: str, curve: list[dict[str, float]]) -> str:
    lines = [
        ["Seconds", *(_seconds(point["seconds"]) for point in curve)],
        ["Nanoseconds a voxel", *(f"{1e9 * point['seconds'] / point['voxels']:.0f}" for point in curve)],
    ]
    return markdown_table([heading, *(f"{point['value']:g}" for point in curve)], lines)


def _large(large: dict[str, Any]) -> str:
    slices, rows, columns = large["shape"]
    beyond = large["peak_bytes"] and large["peak_bytes"] - large["input_bytes"] - large["output_bytes"]
    memory = "not told by this system" if beyond is None else f"{beyond / 1e9:.2f} GB"
    return (
        f"{columns} x {rows} x {slices} voxels of 16 bits on the CPU, iterations: {large['iterations']}, went through "
        f"in {_seconds(large['seconds'])} s. Peak of the whole process beyond input ({large['input_bytes'] / 1e9:.2f} "
        f"GB) and output (image and conduction map, {large['output_bytes'] / 1e9:.2f} GB): {memory}."
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"
