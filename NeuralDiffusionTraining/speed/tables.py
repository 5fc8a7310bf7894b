"""What was timed, as Markdown."""

from __future__ import annotations

from typing import Any

_GROUPS = {
    "ours": "Ours",
    "lever": "Ours without",
    "network": "Networks in the same engine",
    "classical": "Classical filters",
}


def to_markdown(content: dict[str, Any]) -> str:
    """The table of the subjects, where the time goes, and the scaling, of what `neural-diffusion bench` writes."""
    slices, rows, columns = content["shape"]
    parts = [
        f"{columns} x {rows} x {slices} voxels ({content['volume']}), {100 * content['sigma']:g} % Rician noise, "
        f"{content['device']}, {content['threads']} threads: median of the runs, and their range.",
        _subjects(content["rows"]),
        "Where the time of one run goes:",
        _parts(content["parts"]),
    ]
    for name, heading in (("slices", "Slices"), ("side", "Side of a slice"), ("iterations", "Iterations"),
                          ("threads", "Threads")):  # fmt: skip
        if name in content["scaling"]:
            parts.append(_curve(heading, content["scaling"][name]))
    return "\n\n".join(parts) + "\n"


def _subjects(rows: list[dict[str, Any]]) -> str:
    headings = ["Method", "Runs", "Seconds", "Million voxels a second", "Memory, MB", "PSNR dB", "in head dB"]
    lines = []
    group = None
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines.append([f"*{_GROUPS[group]}*", *[""] * len(headings)])
        low, high = min(row["seconds"]), max(row["seconds"])
        seconds = _seconds(row["median"]) + (f" ({_seconds(low)}-{_seconds(high)})" if len(row["seconds"]) > 1 else "")
        extrapolated = row["psnr_db"] is None and row["group"] == "classical"
        lines.append(
            [
                row["method"],
                str(len(row["seconds"])),
                f"{seconds}, from {row['slices']} slices" if extrapolated else seconds,
                f"{row['voxels_per_second'] / 1e6:.3g}",
                "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:.0f}",
                *("" if row[name] is None else f"{row[name]:.2f}" for name in ("psnr_db", "psnr_head_db")),
                f"{row['ratio']:.2f}",
            ]
        )
    return _table([*headings, "Time / ours"], lines)


def _parts(parts: dict[str, float]) -> str:
    whole = sum(parts.values())
    lines = [[name, _seconds(seconds), f"{100 * seconds / whole:.0f} %"] for name, seconds in parts.items()]
    return _table(["Part", "Seconds", "Share"], lines)


def _curve(heading: str, curve: list[dict[str, float]]) -> str:
    lines = [
        [f"{point['value']:g}", _seconds(point["seconds"]), f"{1e9 * point['seconds'] / point['voxels']:.0f}"]
        for point in curve
    ]
    return _table([heading, "Seconds", "Nanoseconds a voxel"], lines)


def _table(headings: list[str], lines: list[list[str]]) -> str:
    rule = "|---|" + "---:|" * (len(headings) - 1)
    return "\n".join([f"| {' | '.join(headings)} |", rule, *(f"| {' | '.join(line)} |" for line in lines)])


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"
