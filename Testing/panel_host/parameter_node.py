"""Slicer's `parameterNodeWrapper`: what the user chose as typed attributes, kept in a node and bound to a panel.

Knows no Qt: the widgets that it binds are those it is given.
"""

from __future__ import annotations

import enum
import typing
import weakref
from collections.abc import Callable

import slicer
import vtk

from panel_host.gui_connectors import connector_of

PARAMETER_NAME = "SlicerParameterName"


class WithinRange:
    """Slicer's validator for a number between two bounds, both allowed."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Choice:
    """Slicer's validator for one of several values."""

    def __init__(self, choices: list) -> None:
        self.choices = choices

    def validate(self, value: object) -> None:
        if value not in self.choices:
            raise ValueError(f"Value is {value}, but must be in one of the following: {self.choices}")


def parameter_node_wrapper(cls: type) -> type:
    """Slicer's ``parameterNodeWrapper``: annotated members become properties kept in the parameter node.

    As there, each value is a parameter of the node (text; an enumeration by member name) or a node reference, is
    checked on writing, and has its default written when the node is first wrapped, so all of it is saved with the
    scene. A value that the node has lost, as when the scene is closed, is its default again. As there, too, values are
    kept and read anew only when the node says that it was modified.
    """
    members = typing.get_type_hints(cls, include_extras=True)
    parameters = {}
    for name, annotation in members.items():
        value_type, *validators = typing.get_args(annotation) if hasattr(annotation, "__metadata__") else (annotation,)
        parameters[name] = Parameter(name, value_type, validators, getattr(cls, name, None))
        setattr(cls, name, property(parameters[name].kept, parameters[name].write))

    def wrap(self: typing.Any, node: slicer.vtkMRMLScriptedModuleNode) -> None:
        self.parameterNode = node
        self._bindings, self._writing_gui = {}, False
        self._kept, self._being_written = {}, set()
        for parameter in parameters.values():
            self._kept[parameter.name] = parameter.read(self)
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, _reader(weakref.ref(self)))

    cls.__init__ = wrap
    cls.allParameters = parameters
    cls.connectGui, cls.disconnectGui = connect_gui, disconnect_gui
    for method in ("AddObserver", "RemoveObserver", "StartModify", "EndModify", "Modified"):
        setattr(cls, method, _forwarded(method))
    return cls


def connect_gui(self: typing.Any, gui: typing.Any) -> int:
    """Slicer's ``connectGui``: bind each widget with the property ``SlicerParameterName`` to its parameter, both ways.

    `gui` is a widget, or what `slicer.util.childWidgetVariables` returns. As in Slicer, the widgets show the parameters
    at once, a change of a widget is written to the node, and when the node changes all widgets are written. ValueError
    for a parameter that is not there, RuntimeError for a widget that cannot show its parameter.
    """
    widgets = gui.findChildren("QWidget") if hasattr(gui, "isWidgetType") else list(vars(gui).values())
    named = {widget.property(PARAMETER_NAME): widget for widget in widgets if widget.property(PARAMETER_NAME)}
    for name in named:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}")
    connectors = {name: connector_of(widget, self.allParameters[name]) for name, widget in named.items()}
    tag = len(self._bindings)
    for name, connector in connectors.items():
        connector.write(getattr(self, name))
        connector.connect(_to_node(self, name, connector))
    self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: _to_gui(self))
    self._bindings[tag] = connectors
    return tag


def disconnect_gui(self: typing.Any, tag: int) -> None:
    """Slicer's ``disconnectGui``: undo what `connectGui` returned this tag for; does nothing the second time.

    As in Slicer 5.10, but for its observer of the node, which stays.
    """
    for connector in (self._bindings.get(tag) or {}).values():
        connector.disconnect()
    self._bindings[tag] = None


def _to_node(self: typing.Any, name: str, connector: typing.Any) -> Callable[[], None]:
    def changed() -> None:
        with slicer.util.NodeModify(self):
            if not self._writing_gui:
                setattr(self, name, connector.read())

    return changed


def _to_gui(self: typing.Any) -> None:
    if self._writing_gui:
        return
    self._writing_gui = True
    try:
        with slicer.util.NodeModify(self):
            for connectors in [binding for binding in self._bindings.values() if binding]:
                for name, connector in connectors.items():
                    connector.write(getattr(self, name))
    finally:
        self._writing_gui = False


def _reader(wrapper: weakref.ref) -> Callable:
    def read(caller: object, event: str) -> None:
        # A wrapper that is gone has no observer in Slicer.
        if (self := wrapper()) is not None:
            for name in self.allParameters.keys() - self._being_written:
                self._kept[name] = self.allParameters[name].read(self)

    return read


def _forwarded(method: str) -> Callable:
    return lambda self, *arguments: getattr(self.parameterNode, method)(*arguments)


class Parameter:
    """One member of a wrapped parameter node: reads and writes it as Slicer's serializers do."""

    def __init__(self, name: str, value_type: type, validators: list, default: object) -> None:
        self.name, self.type, self.validators = name, value_type, validators
        self.is_node = issubclass(value_type, slicer.vtkMRMLNode)
        if default is None and not self.is_node:
            default = next(iter(value_type)) if issubclass(value_type, enum.Enum) else value_type()
        self.default = default

    def kept(self, wrapper: typing.Any) -> object:
        return wrapper._kept[self.name]

    def read(self, wrapper: typing.Any) -> object:
        if not wrapper.parameterNode.HasParameter(self.name):
            self.write(wrapper, self.default)
        if self.is_node:
            return wrapper.parameterNode.GetNodeReference(self.name)
        text = wrapper.parameterNode.GetParameter(self.name)
        if issubclass(self.type, enum.Enum):
            return self.type[text]
        return text == "True" if self.type is bool else self.type(text)

    def write(self, wrapper: typing.Any, value: object) -> None:
        expected = (int, float) if self.type is float else self.type
        if not isinstance(value, expected) and not (self.is_node and value is None):
            raise TypeError(f"Value must be of type '{self.type}', is type '{type(value)}' value '{value}'")
        for validator in self.validators:
            validator.validate(value)
        node = wrapper.parameterNode
        wrapper._being_written.add(self.name)
        try:
            # Those who hear of the change find the new value.
            with slicer.util.NodeModify(node):
                if self.is_node:
                    node.SetParameter(self.name, "")
                    node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
                else:
                    node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))
                wrapper._kept[self.name] = self.read(wrapper)
        finally:
            wrapper._being_written.discard(self.name)
