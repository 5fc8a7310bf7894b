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
    arriving, computing = _stream(device, "there"), torch.cuda.current_stream(device)
    with torch.cuda.stream(arriving):
        there = here.to(device, non_blocking=True)
    computing.wait_stream(arriving)
    # Or the memory would be given away while the other stream still reads it.
    there.record_stream(computing)
    return there


def download(images: Sequence[Tensor]) -> Callable[[], list[np.ndarray]]:
    """Begin to bring images of one device into main memory; what is returned waits for them and gives them.

    A CUDA device copies them beside what it computes next.
    """
    device = images[0].device
    if device.type != "cuda":
        arrived = [image.cpu().numpy() for image in images]
        return lambda: arrived
    leaving, done = _stream(device, "back"), torch.cuda.Event()
    leaving.wait_stream(torch.cuda.current_stream(device))
    pinned = [torch.empty(image.shape, dtype=image.dtype, pin_memory=True) for image in images]
    with torch.cuda.stream(leaving):
        for here, image in zip(pinned, images, strict=True):
            here.copy_(image, non_blocking=True)
            image.record_stream(leaving)
        done.record(leaving)

    def wait() -> list[np.ndarray]:
        done.synchronize()
        return [image.numpy() for image in pinned]

    return wait


@lru_cache
def _stream(device: torch.device, way: str) -> torch.cuda.Stream:
    """A stream for the copies of each way: in one, those to the card would wait for those back, and these for it."""
    return torch.cuda.Stream(device)
