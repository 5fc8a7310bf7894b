"""What there is to compute on, the memory that a volume needs there, and which PyTorch it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..translation import translator
from .devices import batch_bytes, free_memory, full_batch, resolve_device

_ = translator(__name__)

_BYTES_PER_VOXEL = 12
"""Of main memory: the copy of the input, the result, and the result in the scene, 4 bytes each."""

_BYTES_PER_VOXEL_OF_CONDUCTION = 4

_BYTES_PER_VOXEL_OF_SUMS = 8
"""Over three planes the results are added up, and so are the conduction maps."""

_BYTES_PER_VOXEL_OF_FRAME = 8
"""A frame that is done, or is yet to come, is held beside the present one: its copy and its result, 4 bytes each."""


@dataclass(frozen=True)
class Device:
    """One device: its name for `resolve_device`, and its name for the user."""

    name: str
    label: str


@dataclass(frozen=True)
class MemoryNeed:
    """Memory for one volume on a device.

    Attributes
    ----------
    device
        Where it would be computed: ``"cpu"``, ``"cuda:0"``, ``"mps"``.
    needed
        Bytes for a batch as large as is of use and, on the CPU, for the volumes before and after.
    free
        Bytes that are free there, ``None`` where that is not known.
    fits
        Whether the batch need not be made smaller.
    fits_slice
        Whether a batch of one slice fits.
    """

    device: str
    needed: int
    free: int | None
    fits: bool
    fits_slice: bool


def list_devices() -> list[Device]:
    """Return the CPU and the GPUs that PyTorch can use, in that order."""
    devices = [Device("cpu", "CPU")]
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    for index, name in enumerate(names):
        # Two cards of one kind are told apart by their number.
        devices.append(Device(f"cuda:{index}", f"{name} ({index})" if names.count(name) > 1 else name))
    if torch.backends.mps.is_available():
        devices.append(Device("mps", _("Apple GPU")))
    return devices


def memory_need(
    device: str,
    shape: Sequence[int],
    slice_axis: int = 0,
    *,
    three_planes: bool = False,
    frames: int = 1,
    conduction: bool = False,
) -> MemoryNeed:
    """Estimate the memory that a run needs.

    Parameters
    ----------
    device
        As for `resolve_device`.
    shape
        Voxels along each axis of the array, (3,).
    slice_axis
        Axis across the slices, 0 to 2; not used for three planes.
    three_planes
        Whether the slices across all three axes are denoised and averaged.
    frames
        Number of volumes of this shape that are denoised in one run.
    conduction
        Whether the conduction map is kept.

    Raises
    ------
    DeviceError
        If the device is unknown or absent.
    """
    place = resolve_device(device)
    voxels = math.prod(shape)
    axes = range(3) if three_planes else (slice_axis,)
    pixels = max(voxels // shape[axis] for axis in axes)
    batch = max(_largest_batch(place, shape[axis], voxels // shape[axis]) for axis in axes)
    per_voxel = _BYTES_PER_VOXEL + conduction * _BYTES_PER_VOXEL_OF_CONDUCTION
    per_voxel += three_planes * (1 + conduction) * _BYTES_PER_VOXEL_OF_SUMS + (frames - 1) * _BYTES_PER_VOXEL_OF_FRAME
    host = voxels * per_voxel if place.type == "cpu" else 0
    free = free_memory(place)
    # Batches take half of what is free, and a slice that lot or less.
    fits = free is None or 2 * batch + host <= free
    fits_slice = free is None or batch_bytes(1, pixels) + host <= free
    return MemoryNeed(str(place), batch + host, free, fits, fits_slice)


def _largest_batch(place: torch.device, slices: int, pixels: int) -> int:
    return batch_bytes(min(slices, full_batch(place, pixels)), pixels)


def torch_build() -> str:
    """Return version and build of PyTorch: ``"2.13.0, CPU build"``, ``"2.13.0, CUDA 12.8"``, ``"2.13.0, ROCm 6.4"``."""
    version = torch.__version__.partition("+")[0]
    if torch.version.cuda:
        return f"{version}, CUDA {torch.version.cuda}"
    if torch.version.hip:
        return f"{version}, ROCm {'.'.join(torch.version.hip.split('.')[:2])}"
    build = _("{version}, Apple GPU build") if torch.backends.mps.is_built() else _("{version}, CPU build")
    return build.format(version=version)
