"""Calls that are sent to workers as bytes, and made where these are unpickled.

A scheduler unpickles what it hands on, and has no need of this package; a worker that cannot unpickle what it is given
ends. So both get nothing but `pickle.loads` and bytes, and a worker without this package says that it is missing.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

make_call = pickle.loads
"""Make a packed call, and return what it returns."""


def packed(work: Callable[..., Any], *arguments: object) -> bytes:
    """A call of a function, which `make_call` makes; both the function and its arguments must be picklable."""
    return pickle.dumps(_Call(work, arguments))


class _Call:
    """Unpickled, it is what the function returns."""

    def __init__(self, work: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        self._work, self._arguments = work, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self._work, self._arguments
