"""Slices on their way to a device and back, while it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

_SHARED = tuple(np.dtype(name) for name in ("u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8"))
"""Types of numbers that PyTorch computes with, too."""


def upload(images: np.ndarray, device: torch.device) -> Tensor:
    """The images on a device, in their own type or, where PyTorch lacks that, float64; a copy in any case.

    A CUDA device copies them beside what it computes, and nobody waits.
    """
    dtype = images.dtype.newbyteorder("=")
    dtype = dtype if dtype in _SHARED else np.dtype(np.float64)
    if device.type != "cuda":
        return torch.from_numpy(np.array(images, dtype, order="C")).to(device)
    here = torch.empty(images.shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, pin_memory=True)
    np.copyto(here.numpy(), images, casting="same_kind")
    beside, computing = _copy_stream(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(beside):
        there = here.to(device, non_blocking=True)
    computing.wait_stream(beside)
    # Or the memory would be given away while the other stream still reads it.
    there.record_stream(computing)
    return there


def download(images: Sequence[Tensor]) -> Callable[[], list[np.ndarray]]:
    """Begin to bring images of one device into main memory; what is returned waits for them and gives them."""
    if images[0].device.type != "cuda":
        arrived = [image.cpu().numpy() for image in images]
        return lambda: arrived
    pinned = [torch.empty(image.shape, dtype=image.dtype, pin_memory=True) for image in images]
    for here, image in zip(pinned, images, strict=True):
        here.copy_(image, non_blocking=True)
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(images[0].device))

    def wait() -> list[np.ndarray]:
        done.synchronize()
        return [image.numpy() for image in pinned]

    return wait


@lru_cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
