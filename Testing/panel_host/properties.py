"""Qt's properties, read and written as PythonQt does."""

from __future__ import annotations

import operator
from typing import Any

from PySide6.QtCore import QMetaProperty, QObject, QTimer


def find(qt_object: QObject, name: str) -> QMetaProperty | None:
    """Return a property by the name that it has in PythonQt: `name` is `objectName`, a QTimer has no `singleShot`."""
    if isinstance(qt_object, QTimer) and name == "singleShot":
        return None
    meta_object = qt_object.metaObject()
    index = meta_object.indexOfProperty("objectName" if name == "name" else name)
    return meta_object.property(index) if index >= 0 else None


def read(qt_object: QObject, meta_property: QMetaProperty) -> Any:
    """Return a property's value."""
    if meta_property.isEnumType():
        # PySide6 cannot read all of these through the meta object.
        return getattr(qt_object, meta_property.name())()
    return meta_property.read(qt_object)


def write(qt_object: QObject, meta_property: QMetaProperty, value: Any) -> bool:
    """Set a property after PythonQt's conversions: anything is true or false, and a text; floats round down."""
    convert = {"bool": bool, "int": _whole, "double": float, "QString": str, "QStringList": _texts}
    name = meta_property.name()
    try:
        if meta_property.isEnumType():
            kind = type(read(qt_object, meta_property))
            getattr(qt_object, f"set{name[0].upper()}{name[1:]}")(kind(value) if type(value) is int else value)
            return True
        return meta_property.write(qt_object, convert.get(meta_property.typeName(), lambda same: same)(value))
    except (TypeError, ValueError):
        return False


def _whole(value: Any) -> int:
    return int(value // 1) if isinstance(value, float) else operator.index(value)


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values]
