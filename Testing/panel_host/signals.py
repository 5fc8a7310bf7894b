"""Signals as PythonQt connects them: by text, to any callable, whose errors go to the Python console."""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import shiboken6
from PySide6.QtCore import QMetaObject, QObject

if TYPE_CHECKING:
    from panel_host.pythonqt import PythonQtObject

# What is connected, by the sender's address: signal, callable and the PySide6 receiver that calls it.
_connections: dict[int, list[tuple[str, Callable, Callable]]] = {}


class Signal:
    """A signal of an object: `button.clicked.connect(f)`; calling it or `emit` sends it, as in PythonQt."""

    def __init__(self, owner: PythonQtObject, name: str) -> None:
        self._owner, self._name = owner, name

    def connect(self, target: Callable) -> bool:
        return connect(self._owner, self._owner._qt, self._signature(), target)

    def disconnect(self, target: Callable | None = None) -> bool:
        return disconnect(self._owner._qt, self._signature(), target)

    def emit(self, *arguments: Any) -> None:
        from panel_host.pythonqt import unwrap

        getattr(self._owner._qt, self._name).emit(*unwrap(arguments))

    __call__ = emit

    def _signature(self) -> str:
        # PythonQt takes the overload that the class declares first.
        meta_object = self._owner._qt.metaObject()
        signatures = (meta_object.method(index).methodSignature().data() for index in range(meta_object.methodCount()))
        return next(text.decode() for text in signatures if text.decode().partition("(")[0] == self._name)


def connect(owner: PythonQtObject, sender: QObject, signal: str, target: Callable) -> bool:
    """Connect a signal, named by its text, to a callable, which is kept alive as PythonQt keeps it.

    For a signal that does not exist PythonQt prints a line on the console and goes on; here that is an error, so that
    tests see it.
    """
    if not callable(target):
        raise TypeError(f"{owner.className()}.connect: {target!r} cannot be called.")
    text = _normalised(signal)
    if sender.metaObject().indexOfSignal(text) < 0:
        raise RuntimeError(f"QObject::connect() signal '{signal}' does not exist on {owner.className()}")
    address = shiboken6.getCppPointer(sender)[0]
    if address not in _connections:
        _connections[address] = []
        sender.destroyed.connect(lambda: _connections.pop(address, None))
    slot = receiver(target)
    _connections[address].append((text, target, slot))
    return bool(QObject.connect(sender, f"2{text}", slot))


def disconnect(sender: QObject, signal: str, target: Callable | None) -> bool:
    """Undo one connection to a callable, or all of the signal's if none is named; return whether there was one."""
    text = _normalised(signal)
    if sender.metaObject().indexOfSignal(text) < 0:
        raise RuntimeError(f"QObject::disconnect() signal '{signal}' does not exist on this object.")
    known = _connections.get(shiboken6.getCppPointer(sender)[0], [])
    found = [entry for entry in known if entry[0] == text and (target is None or entry[1] == target)]
    for entry in found if target is None else found[:1]:
        known.remove(entry)
        QObject.disconnect(sender, f"2{text}", entry[2])
    return bool(found)


def receiver(target: Callable) -> Callable:
    """Return a PySide6 slot that calls `target` as PythonQt does.

    A Python function or method gets as many of the signal's arguments as it takes, any other callable all of them. An
    exception does not reach the sender: it is printed on the console, here by `sys.excepthook`.
    """
    count = _arguments_taken(target)

    def receive(*arguments: Any) -> None:
        from panel_host.pythonqt import wrap

        try:
            target(*(wrap(argument) for argument in arguments[:count]))
        except Exception:
            sys.excepthook(*sys.exc_info())

    return receive


def _arguments_taken(target: Callable) -> int | None:
    function = target.__func__ if isinstance(target, types.MethodType) else target
    if not isinstance(function, types.FunctionType) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - isinstance(target, types.MethodType)


def _normalised(signal: str) -> str:
    # VTK objects are Python objects to PySide6.
    return re.sub(r"\bvtk\w+\*", "PyObject", bytes(QMetaObject.normalizedSignature(signal)).decode())
