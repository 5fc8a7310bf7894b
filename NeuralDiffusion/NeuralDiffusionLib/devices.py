"""Which device to compute on, in which precision, and how many slices at a time."""

from __future__ import annotations

import os

import torch

from .errors import DeviceError

_BYTES_PER_PIXEL = 800
"""Twice the peak of a float32 pass that was measured on a CPU, per pixel of a slice; cuDNN needs some on top."""

_LARGEST_BATCH = 32
_CPU_BATCH_PIXELS = 2**18
"""On a CPU larger batches are no faster, and a smaller one answers Cancel sooner."""


def resolve_device(name: str) -> torch.device:
    """Turn a name into a device that is there.

    Parameters
    ----------
    name
        ``"auto"`` (the first GPU, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

    Raises
    ------
    DeviceError
        If the name is unknown or the device is absent.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdecimal())):
        raise DeviceError(f"Device '{name}' is not known: choose auto, cpu, cuda, cuda:N or mps.")
    if kind == "cuda":
        count = torch.cuda.device_count()
        if int(index or 0) >= count:
            raise DeviceError(f"Device '{name}' is not there ({count} CUDA devices found): choose another, or cpu.")
        return torch.device(f"cuda:{index or 0}")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("Device 'mps' is not there (no Apple GPU found): choose another, or cpu.")
    return torch.device(kind)


def fast_dtype(device: torch.device) -> torch.dtype:
    """The type in which the device runs the convolutions fastest: bfloat16, float16 or float32."""
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return torch.bfloat16
        return torch.float16 if torch.cuda.get_device_capability(device) >= (7, 0) else torch.float32
    return _fast_cpu_dtype() if device.type == "cpu" else torch.float32


def _fast_cpu_dtype() -> torch.dtype:
    """bfloat16 where the CPU has instructions for it; emulated it is slower than float32."""
    # Asked, not measured: a choice that depends on the machine's load would change results from run to run.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native else torch.float32


def batch_size(device: torch.device, pixels: int) -> int:
    """Slices of `pixels` pixels that fit in half of the free memory, at least 1."""
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
        return max(1, min(_LARGEST_BATCH, free // 2 // (pixels * _BYTES_PER_PIXEL)))
    by_memory = _free_host_memory() // 2 // (pixels * _BYTES_PER_PIXEL)
    return max(1, min(_LARGEST_BATCH, by_memory, _CPU_BATCH_PIXELS // pixels))


def _free_host_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2 * 2**30  # Windows and macOS do not tell; assume little.
