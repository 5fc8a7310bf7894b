"""How Slicer's `guiConnectors` bind a parameter to a widget: which pairs fit, what they set, read and write.

The widgets are told apart by their class names, so no Qt is needed here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from panel_host.parameter_node import Parameter


class Connector:
    """A widget bound to a parameter through one property and the signal that tells of its change."""

    signal = property_name = ""

    def __init__(self, widget: Any, parameter: Parameter) -> None:
        self.widget, self.parameter = widget, parameter
        self._changed: Callable[[], None] | None = None
        self.prepare()

    def prepare(self) -> None:
        """Fit the widget to the parameter's type."""

    def read(self) -> Any:
        return getattr(self.widget, self.property_name)

    def write(self, value: Any) -> None:
        setattr(self.widget, self.property_name, value)

    def connect(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        getattr(self.widget, self.signal).connect(changed)

    def disconnect(self) -> None:
        if self._changed is not None:
            getattr(self.widget, self.signal).disconnect(self._changed)
        self._changed = None

    def validator(self, attribute: str) -> Any:
        """Return the parameter's annotation that has an attribute: `choices` or `minimum`."""
        return next((each for each in self.parameter.validators if hasattr(each, attribute)), None)


class CheckBox(Connector):
    """A bool as a check box."""

    signal, property_name = "stateChanged", "checked"


class CheckableButton(Connector):
    """A bool as a push button, which is made checkable."""

    signal, property_name = "toggled", "checked"

    def prepare(self) -> None:
        self.widget.checkable = True


class LineEdit(Connector):
    """A text as a line to edit; not written when it is the same, so that the cursor stays."""

    signal, property_name = "textChanged", "text"

    def write(self, value: str) -> None:
        if value != self.widget.text:
            self.widget.text = value


class Label(Connector):
    """A text that is only shown."""

    property_name = "text"

    def connect(self, changed: Callable[[], None]) -> None:
        """A label cannot be edited."""


class SpinBox(Connector):
    """A whole number as a spin box or slider, whose range is set to the parameter's; a slider needs one."""

    signal, property_name = "valueChanged", "value"

    def prepare(self) -> None:
        limits = self.validator("minimum")
        if limits is None and self.widget.className() == "QSlider":
            raise RuntimeError("Cannot have a connection to QSlider where the int type is unbounded.")
        self.widget.setRange(*((limits.minimum, limits.maximum) if limits else (-(2**31), 2**31 - 1)))


class DoubleBox(Connector):
    """A number as one of the boxes or sliders over floating-point numbers; a whole one is shown without decimals."""

    signal, property_name = "valueChanged", "value"

    def prepare(self) -> None:
        limits = self.validator("minimum")
        if limits is None and self.widget.className() == "ctkSliderWidget":
            raise RuntimeError("Cannot have a connection to ctkSliderWidget where the float types is unbounded.")
        if self.parameter.type is int:
            self.widget.decimals = 0
        self.widget.minimum = limits.minimum if limits else float("-inf")
        self.widget.maximum = limits.maximum if limits else float("inf")

    def read(self) -> float:
        return self.parameter.type(self.widget.value)

    def write(self, value: float) -> None:
        self.widget.value = self.parameter.type(value)


class ComboBox(Connector):
    """An enumeration, or one of several values, as a combo box, which is filled anew.

    The rows are the values, or the labels that the enumeration's method `label` gives, else its members' names.
    """

    signal, property_name = "currentIndexChanged", "currentIndex"

    def prepare(self) -> None:
        kind = self.parameter.type
        if issubclass(kind, enum.Enum):
            label = getattr(kind, "label", lambda member: member.name)
            self.values, rows = list(kind), [label(member) for member in kind]
        else:
            if self.validator("choices") is None:
                raise RuntimeError("ComboBoxToStringableConnector requires the Choice annotation to be used.")
            self.values = list(self.validator("choices").choices)
            rows = [str(value) for value in self.values]
        self.widget.clear()
        for row in rows:
            self.widget.addItem(row)

    def read(self) -> Any:
        return self.values[self.widget.currentIndex]

    def write(self, value: Any) -> None:
        self.widget.currentIndex = self.values.index(value)


class NodeComboBox(Connector):
    """A node as a node selector, which is set to the parameter's class of nodes."""

    signal = "currentNodeChanged"

    def prepare(self) -> None:
        self.widget.nodeTypes = (self.parameter.type().GetClassName(),)

    def read(self) -> Any:
        return self.widget.currentNode()

    def write(self, value: Any) -> None:
        self.widget.setCurrentNode(value)


def connector_of(widget: Any, parameter: Parameter) -> Connector:
    """Return the connector for a widget and a parameter; RuntimeError if Slicer has none."""
    kind, name = parameter.type, widget.className()
    fitting = {
        "QCheckBox": (CheckBox, kind is bool),
        "QPushButton": (CheckableButton, kind is bool),
        "QLineEdit": (LineEdit, kind is str),
        "QLabel": (Label, kind is str),
        "QSlider": (SpinBox, kind is int),
        "QSpinBox": (SpinBox, kind is int),
        "QDoubleSpinBox": (DoubleBox, kind in (int, float)),
        "ctkDoubleSpinBox": (DoubleBox, kind in (int, float)),
        "ctkSliderWidget": (DoubleBox, kind in (int, float)),
        "QComboBox": (ComboBox, kind in (int, float, str, bool) or issubclass(kind, enum.Enum)),
        "ctkComboBox": (ComboBox, kind in (int, float, str, bool) or issubclass(kind, enum.Enum)),
        "qMRMLNodeComboBox": (NodeComboBox, parameter.is_node),
    }
    connector, fits = fitting.get(name, (None, False))
    if not fits:
        raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{name}'.")
    return connector(widget, parameter)
