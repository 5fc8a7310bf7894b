"""The sidecar of a denoised scan: how it was made, and so whether it must be made again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from NeuralDiffusionLib import DenoiseResult, DenoiseSettings, __version__
from NeuralDiffusionLib.image_headers import files_of

from ..files.checksum import sha256_of
from ..files.result_files import read_json
from .scans import CohortScan

RECORD = "NeuralDiffusion"
# By axis of an array (slices, rows, columns).
_VOXEL_AXES = "kji"


@dataclass(frozen=True)
class Order:
    """How the scans of a run are to be denoised.

    Attributes
    ----------
    settings
        The settings; what they leave open is decided for each scan.
    as_float
        Whether the output is 32-bit floats.
    device
        Where to compute, as a worker finds it.
    weights, weights_sha256
        Path of the file of weights, None for those that a worker has bundled, and what the file must be.
    run
        Name of the run, unlike that of any other.
    """

    settings: DenoiseSettings
    as_float: bool
    device: str
    weights: Path | None
    weights_sha256: str
    run: str

    def settings_record(self) -> dict[str, Any]:
        """The settings as a sidecar holds them."""
        content = {**asdict(self.settings), "float": self.as_float}
        axis = self.settings.slice_axis
        content["slice_axis"] = "auto" if axis is None else _VOXEL_AXES[axis]
        # As they come back from a file: lists for tuples.
        return json.loads(json.dumps(content))


def read_record(sidecar: Path) -> dict[str, Any] | None:
    """What a sidecar tells of the run; None if there is none, or if it is not of a run of ours."""
    try:
        content = read_json(sidecar)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    record = content.get(RECORD) if isinstance(content, dict) else None
    return record if isinstance(record, dict) else None


def is_done(record: dict[str, Any] | None, input_sha256: str, output_sha256: str | None, order: Order) -> bool:
    """Whether an output (None: there is none) is what the order would make of the input again, and whole."""
    return (
        record is not None
        and record.get("InputSha256") == input_sha256
        and record.get("WeightsSha256") == order.weights_sha256
        and record.get("Settings") == order.settings_record()
        and record.get("OutputSha256") == output_sha256 is not None
    )


def is_of_a_run(record: dict[str, Any], output_sha256: str) -> bool:
    """Whether an output is as a run has left it."""
    # A run that is killed at its very end leaves its sidecar beside the output that it was to replace.
    return output_sha256 in (record.get("OutputSha256"), record.get("ReplacedSha256"))


def sidecar_text(
    scan: CohortScan,
    order: Order,
    input_sha256: str,
    replaced_sha256: str | None,
    written: Path,
    result: DenoiseResult,
    settings: DenoiseSettings,
    seconds: dict[str, float],
) -> str:
    """The text of the sidecar of a scan that was written, and that may replace one of a former run.

    `settings` are those of the order `for_scan`.
    """
    record = {
        "Version": __version__,
        "Run": order.run,
        "InputSha256": input_sha256,
        "OutputSha256": sha256_of(written),
        "ReplacedSha256": replaced_sha256,
        "WeightsSha256": order.weights_sha256,
        "Settings": order.settings_record(),
        "SliceAxis": _VOXEL_AXES[settings.slice_axis],
        "StepAcrossSlices": settings.across_slices,
        "NoiseLevel": float(result.sigma),
        "IntensityRange": [float(value) for value in result.intensity_range],
        "Device": result.device,
        "Voxels": int(result.image.size),
        "Notes": list(result.notes),
        "Seconds": {name: round(value, 4) for name, value in seconds.items()},
        "Bytes": {
            "Input": sum(path.stat().st_size for path in files_of(scan.source)),
            "Output": written.stat().st_size,
        },
    }
    content = {"Description": "Denoised by Neural Diffusion", **scan.fields, RECORD: record}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    # What is not UTF-8 in the name of a file becomes an escape of JSON's own.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
