"""Which device to compute on, in which precision, and how many slices at a time."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock

import torch

from ..errors import DeviceError
from ..translation import translator

_ = translator(__name__)

_BYTES_PER_PIXEL = 800
"""Twice the peak of a float32 pass that was measured on a CPU, per pixel of a slice; cuDNN needs some on top."""

_MEMORY_REPORT = Path("/proc/meminfo")
"""Linux's own; other systems have none."""

_MOST_DIGITS = 4
_LARGEST_BATCH = 32
_CPU_BATCH_PIXELS = 2**18
"""On a CPU larger batches are no faster, and a smaller one answers Cancel sooner."""


# The threads of OpenMP do not survive a fork: a child that waits for them waits for ever. It computes with one thread.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


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
    kind, _colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (kind == "cuda" and index.isdecimal())):
        message = _("Device '{name}' is not known: choose auto, cpu, cuda, cuda:N or mps.")
        raise DeviceError(message.format(name=name))
    if kind == "cuda":
        # A card whose driver is too old is counted, but not available.
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        # Python makes no number of thousands of digits.
        if len(index) > _MOST_DIGITS or int(index or 0) >= count:
            message = _("Device '{name}' is not there ({count} CUDA devices found): choose another, or cpu.")
            raise DeviceError(message.format(name=name, count=count))
        return torch.device(f"cuda:{index or 0}")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError(_("Device 'mps' is not there (no Apple GPU found): choose another, or cpu."))
    return torch.device(kind)


def fast_dtype(device: torch.device) -> torch.dtype:
    """The type in which the device runs the convolutions fastest, bfloat16 or float32.

    Older cards know float16 only, which ends at 65504: squares of the guidance features lie beyond, and so may
    everything that comes of a very bright voxel.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float32
    return _fast_cpu_dtype() if device.type == "cpu" else torch.float32


def compute_dtype(device: torch.device, precision: str) -> torch.dtype:
    """The type in which convolutions are computed: that of `fast_dtype` for ``"fast"``, float32 for ``"float32"``."""
    return torch.float32 if precision == "float32" else fast_dtype(device)


def precision_on(device: torch.device, precision: str) -> AbstractContextManager:
    """The context in which a network computes on a device with a precision, ``"fast"`` or ``"float32"``."""
    dtype = compute_dtype(device, precision)
    if dtype != torch.float32:
        return torch.autocast(device.type, dtype)
    return _WHOLE_FACTORS if device.type == "cuda" else nullcontext()


class _WholeFactors:
    """Keeps cards from Ampere on from cutting the factors of a convolution to 10 bits, as long as anyone is inside.

    PyTorch has one switch for the whole process: it is thrown by the first that comes, and back by the last that goes.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._before = True

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                torch.backends.cudnn.allow_tf32 = self._before


_WHOLE_FACTORS = _WholeFactors()


def _fast_cpu_dtype() -> torch.dtype:
    """bfloat16 where the CPU has instructions for it; emulated it is slower than float32."""
    # Asked, not measured: a choice that depends on the machine's load would change results from run to run.
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native else torch.float32


def batch_size(device: torch.device, pixels: int) -> int:
    """Slices of `pixels` pixels that fit in half of the free memory, at least 1."""
    free = free_memory(device)
    # Assume little where the system does not tell.
    by_memory = (2 * 2**30 if free is None else free) // 2 // batch_bytes(1, pixels)
    return max(1, min(full_batch(device, pixels), by_memory))


def full_batch(device: torch.device, pixels: int) -> int:
    """Slices of `pixels` pixels in one batch where memory does not limit it, at least 1."""
    if device.type == "cuda":
        return _LARGEST_BATCH
    return max(1, min(_LARGEST_BATCH, _CPU_BATCH_PIXELS // pixels))


def batch_bytes(slices: int, pixels: int) -> int:
    """Memory of a batch of slices of `pixels` pixels while it is denoised, in bytes."""
    return slices * pixels * _BYTES_PER_PIXEL


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device or the main memory is full."""
    # PyTorch has no class of its own for main memory that is full, nor for what the libraries of a card say of theirs;
    # the third sentence is oneDNN's, in a convolution.
    words = (
        "DefaultCPUAllocator|bad_alloc|could not create a primitive|CUDA error: out of memory|"
        "(CUDNN|CUBLAS)_STATUS_ALLOC_FAILED|MPS backend out of memory"
    )
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and re.search(words, str(error)) is not None
    )


def free_memory(device: torch.device) -> int | None:
    """Free memory of a device in bytes; ``None`` where the system does not tell (main memory of Windows and macOS)."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        report = _MEMORY_REPORT.read_text(encoding="ascii")
    except OSError:
        return None
    # What could be had at once: free, or held for files that can be read again.
    found = re.search(r"^MemAvailable:\s*(\d+) kB$", report, flags=re.MULTILINE)
    return int(found[1]) * 1024 if found else None
