"""What PythonQt makes of Qt's objects, over PySide6.

Slicer reaches Qt through PythonQt, which wraps each QObject so that Qt properties are attributes and signals connect by
their text. PySide6 has the same objects with methods instead. Here a thin wrapper stands between: it holds a PySide6
object and answers as PythonQt does. Objects that go in and out are unwrapped and wrapped on the way.
"""

from __future__ import annotations

import functools
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, SignalInstance
from PySide6.QtWidgets import QDialog

from panel_host import popups, properties, signals

_classes: dict[type, type] = {}
# PythonQt keeps one wrapper for each C++ object while Python sees it, so that `is` compares objects.
_wrappers: weakref.WeakValueDictionary[int, PythonQtObject] = weakref.WeakValueDictionary()


class PythonQtClass(type):
    """A Qt class as PythonQt shows it: calling it makes an object; enumerations and static functions are attributes.

    The wrapper classes of PythonQt do not inherit from one another: `isinstance(label, qt.QWidget)` is False there, and
    so it is here; `label.inherits("QWidget")` and `label.isWidgetType()` tell.
    """

    def __call__(cls, *arguments: Any) -> Any:
        return wrap(cls._qt_class(*unwrap(arguments)))

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if popups.would_wait(cls._qt_class, name):
            raise NotImplementedError(f"{cls.__name__}.{name} waits for a click: the stand-in does not supply it.")
        value = getattr(cls._qt_class, name)
        return _Function(value) if callable(value) and not isinstance(value, type) else value


class PythonQtObject:
    """A QObject as PythonQt shows it.

    Looked up in PythonQt's order: property, then slot, signal or method, dynamic property, child of that object name.
    Anything else raises AttributeError, and no new attribute can be made. `name` is the property `objectName`; a name
    with an underscore at its end is the one without (`exec_`); `singleShot` of a QTimer is a function, not a property.
    An object that C++ has deleted raises ValueError.

    Qt's widgets belong to the main thread. Qt itself does not check that; here another thread gets a RuntimeError.
    """

    __slots__ = ("__weakref__", "_qt")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        qt_object = _living(self, name)
        meta_property = properties.find(qt_object, name)
        if meta_property is not None:
            return wrap(properties.read(qt_object, meta_property))
        plain = name.removesuffix("_")
        if isinstance(qt_object, QDialog) and plain == "exec":
            return functools.partial(popups.run, self)
        member = getattr(qt_object, plain, None)
        if isinstance(member, SignalInstance):
            return signals.Signal(self, plain)
        if member is not None:
            return _Slot(self, plain) if callable(member) and not isinstance(member, type) else member
        if name.encode() in [bytes(known) for known in qt_object.dynamicPropertyNames()]:
            return wrap(qt_object.property(name))
        for child in qt_object.children():
            if child.objectName() == name:
                return wrap(child)
        raise AttributeError(f"{self.className()} has no attribute named '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        qt_object = _living(self, name)
        meta_property = properties.find(qt_object, name)
        kind = self.className()
        if meta_property is not None:
            if not meta_property.isWritable():
                raise AttributeError(f"Property '{name}' of {kind} object is not writable")
            if not properties.write(qt_object, meta_property, unwrap(value)):
                raise AttributeError(
                    f"Property '{name}' of type '{meta_property.typeName()}' does not accept an object of type "
                    f"{type(value).__name__} ({value})"
                )
        elif callable(getattr(qt_object, name, None)):
            raise AttributeError(f"Slot '{name}' can not be overwritten on {kind} object")
        elif name.encode() in [bytes(known) for known in qt_object.dynamicPropertyNames()]:
            qt_object.setProperty(name, unwrap(value))
        else:
            raise AttributeError(
                f"'{name}' does not exist on {kind} and creating new attributes on C++ objects is not allowed"
            )

    def __bool__(self) -> bool:
        return shiboken6.isValid(self._qt)

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({self._qt!r})"

    def className(self) -> str:
        return _living(self, "className").metaObject().className()

    def inherits(self, name: str) -> bool:
        return _living(self, "inherits").inherits(name)

    def delete(self) -> None:
        shiboken6.delete(_living(self, "delete"))

    def connect(self, signal: str, receiver: Any, slot: str | None = None) -> bool:
        """As in PythonQt: `connect("clicked(bool)", f)`, or `connect("clicked()", dialog, "close()")`."""
        target = receiver if slot is None else getattr(receiver, slot.partition("(")[0])
        return signals.connect(self, _living(self, "connect"), signal, target)

    def disconnect(self, signal: str, receiver: Any = None, slot: str | None = None) -> bool:
        """As in PythonQt: from one callable or slot, or from all callables if none is named."""
        target = receiver if slot is None else getattr(receiver, slot.partition("(")[0])
        return signals.disconnect(_living(self, "disconnect"), signal, target)

    def findChildren(self, kind: Any, name: str | None = None) -> list[PythonQtObject]:
        """As in PythonQt: all descendants of a class (or class name), of any object name unless one is given."""
        class_name = kind if isinstance(kind, str) else kind._qt_class.__name__
        found = []
        for child in _living(self, "findChildren").children():
            if child.inherits(class_name) and name in (None, child.objectName()):
                found.append(wrap(child))
            found += wrap(child).findChildren(class_name, name)
        return found

    def findChild(self, kind: Any, name: str | None = None) -> PythonQtObject | None:
        return next(iter(self.findChildren(kind, name)), None)


class _Function:
    """A static function of a Qt class."""

    def __init__(self, function: Callable) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return wrap(self._function(*unwrap(arguments)))


class _Slot:
    """A slot or method of one object; as in PythonQt, two looked up under the same name are equal."""

    def __init__(self, owner: PythonQtObject, name: str) -> None:
        self._owner, self._name = owner, name

    def __call__(self, *arguments: Any) -> Any:
        return wrap(getattr(_living(self._owner, self._name), self._name)(*unwrap(arguments)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Slot) and (self._owner, self._name) == (other._owner, other._name)

    def __hash__(self) -> int:
        return hash((self._owner, self._name))


def wrapper_class(qt_class: type, **members: Any) -> type:
    """Return what PythonQt shows of a PySide6 class, with `members` in the place of its own."""
    if qt_class not in _classes:
        members = {"_qt_class": qt_class, "__slots__": (), **members}
        _classes[qt_class] = PythonQtClass(qt_class.__name__, (PythonQtObject,), members)
    return _classes[qt_class]


def wrap(value: Any) -> Any:
    """Return a QObject, or those in a list, as PythonQt shows it; other values as they are."""
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(wrap(item) for item in value)
    if not isinstance(value, QObject):
        return value
    address = shiboken6.getCppPointer(value)[0]
    wrapper = _wrappers.get(address)
    if wrapper is None or not shiboken6.isValid(wrapper._qt):
        wrapper = object.__new__(wrapper_class(type(value)))
        object.__setattr__(wrapper, "_qt", value)
        _wrappers[address] = wrapper
    return wrapper


def unwrap(value: Any) -> Any:
    """Return the PySide6 object behind a wrapper, or those in a list; functions so that their errors are reported."""
    if isinstance(value, PythonQtObject):
        return value._qt
    if type(value) in (list, tuple):
        return type(value)(unwrap(item) for item in value)
    if isinstance(value, (types.FunctionType, types.MethodType, _Slot)):
        return signals.receiver(value)
    return value


def _living(wrapper: PythonQtObject, name: str) -> QObject:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(f"'{name}' of a Qt object was used outside the main thread.")
    if not shiboken6.isValid(wrapper._qt):
        raise ValueError(f"Trying to use '{name}' of a destroyed {type(wrapper).__name__} object")
    return wrapper._qt
