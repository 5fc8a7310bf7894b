"""What every kind of file of results must hold for the tables and plots that are made of it."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from NeuralDiffusionLib import DenoiseSettings

from ..benchmark.checks.envelope import WINDOWS
from ..benchmark.checks.lesions import CNRS, RADII
from ..speed.row_names import Axis, Group

Noise = Literal["rician", "gaussian", "speckle", "mixed"]


class _Part(BaseModel):
    """Other keys may stand beside those that are needed; numbers are not read out of text."""

    model_config = ConfigDict(strict=True)


class _Mean(_Part):
    mean: float | None
    # Only where slices that are equal to the clean one do not count.
    mean_of_finite: float | None = None


class _Interval(_Mean):
    low: float | None
    high: float | None


class _TableRow(_Part):
    method: str
    group: str
    sigma: str
    psnr_db: _Interval
    psnr_head_db: _Interval
    psnr_background_db: _Interval
    ssim: _Interval
    edge_mse: _Interval
    hfen: _Interval
    difference_psnr_db: _Interval | None
    parameters: int | None
    macs_per_pixel: float | None
    seconds_per_slice: float | None


class _Slices(_Part):
    slices: int
    split: str


class _Evaluation(_Slices):
    rows: list[_TableRow]
    part: str
    precision: str
    device: str
    noise: Noise
    sigma: float | None
    iterations: int
    neighbours: int
    weights_sha256: str
    skipped: list[str] = []
    # Older files lack these, and those of the benchmark's own draw the first.
    draw: int = 0
    tuned_sha256: str | None = None


class _Quality(_Part):
    psnr_db: _Mean
    ssim: _Mean
    edge_mse: _Mean


class _DenoisedQuality(_Quality):
    # Of sweeps without noise there is no harm to tell, and older files lack all three.
    lowest_psnr_db: float | None = None
    worse_slices: int | None = None
    largest_loss_db: float = 0.0


class _Cell(_Part):
    noise: Noise
    sigma: float
    neighbours: int
    iterations: int
    noisy: _Quality
    diffused: _DenoisedQuality
    full: _DenoisedQuality


class _Sweep(_Slices):
    cells: list[_Cell]
    part: str


class _Variant(_TableRow):
    variant: str
    refined: bool


class _Ablation(_Slices):
    rows: list[_Variant]
    epochs: int
    # Older files lack these.
    noise: Noise = "rician"
    seed: int = 0
    threads: int = 1


class _AtRadius(_Part):
    method: str
    radius_px: float
    cnr: float


class _Lesion(_AtRadius):
    recovered: _Mean
    # Older files lack the differences, and so do those without a row of ours.
    difference_recovered: _Interval | None = None


class _FalseLesion(_AtRadius):
    per_slice: _Mean
    difference_per_slice: _Interval | None = None


class _Envelope(_Part):
    method: str
    window_px: int | None
    above: _Mean
    below: _Mean
    outside: _Mean
    difference_outside: _Interval | None = None


class _Settings(_Part):
    # Older files lack some of these.
    iterations: int = DenoiseSettings.iterations
    neighbours: int = DenoiseSettings.neighbours
    tuned_sha256: str | None = None
    peers_tuned_sha256: str | None = None


class _Checks(_Slices, _Settings):
    lesions: list[_Lesion]
    false_lesions: list[_FalseLesion]
    envelope: list[_Envelope]
    part: str
    noise: Noise
    sigma: float | None = None
    precision: str = "fast"

    @field_validator("lesions", "false_lesions")
    @classmethod
    def _has_every_size_and_contrast(cls, rows: list[_AtRadius]) -> list[_AtRadius]:
        _check_whole({(row.method, row.radius_px, row.cnr) for row in rows}, RADII, CNRS)
        return rows

    @field_validator("envelope")
    @classmethod
    def _has_every_window(cls, rows: list[_Envelope]) -> list[_Envelope]:
        _check_whole({(row.method, row.window_px) for row in rows}, WINDOWS)
        return rows


class _VolumeRow(_Part):
    volume: str
    method: str
    noise_level: str
    sigma: float
    psnr_head_db: float
    ssim_head: float
    seconds: float
    below_noisy: bool
    estimated_sigma: float | None = None


class _Volumes(_Settings):
    rows: list[_VolumeRow]
    slices: int


class _SegmentationRow(_Part):
    method: str
    sigma: str
    dice: _Interval
    iou: _Interval
    lesion_slices: float
    empty_slices: float
    false_lesion_slices: float


class _Segmentation(_Settings):
    rows: list[_SegmentationRow]
    noise: Noise
    test_slices: int
    sigma: float | None = None
    split: str = "by chance"


class _Timed(_Part):
    method: str
    group: Group
    seconds: list[float]
    median: float
    slices: int
    voxels_per_second: float
    ratio: float
    peak_bytes: float | None
    psnr_db: float | None
    psnr_head_db: float | None
    above_ours_db: float | None
    # Older files lack it.
    above_ours_head_db: float | None = None


class _Point(_Part):
    value: float
    seconds: float
    voxels: int


class _Bench(_Part):
    shape: list[int]
    volume: str
    device: str
    hardware: str
    sigma: float
    threads: int
    rows: list[_Timed]
    skipped: list[str]
    scaling: dict[Axis, list[_Point]]
    parts: dict[str, float] | None
    machine: dict[str, float] | None
    large: dict[str, Any] | None
    # Older files lack it.
    finished: bool = True


def _check_whole(found: set[tuple], *kinds: tuple) -> None:
    """An error where a method, the first of each that was found, lacks a combination of the kinds."""
    if not found.issuperset(product({method for method, *_ in found}, *kinds)):
        raise ValueError("a row is missing")


_NEEDED: dict[str, type[_Part]] = {
    "evaluation": _Evaluation,
    "sweep": _Sweep,
    "ablation": _Ablation,
    "checks": _Checks,
    "volumes": _Volumes,
    "segmentation": _Segmentation,
    "bench": _Bench,
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
    try:
        _NEEDED[kind].model_validate(content)
    except ValidationError as error:
        return ".".join(map(str, error.errors()[0]["loc"]))
    return None
