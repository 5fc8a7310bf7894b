"""Keeps the panel and a parameter node alike, until it is undone."""

from __future__ import annotations

from typing import Any

from .parameters import NeuralDiffusionParameterNode


class ParameterBinding:
    """The panel shows what the node says, and the node holds what the user chooses.

    Parameters
    ----------
    parameterNode
        What the user chose.
    ui
        The widgets by name, as from `slicer.util.childWidgetVariables`; those with the property
        ``SlicerParameterName`` are bound.
    """

    def __init__(self, parameterNode: NeuralDiffusionParameterNode, ui: Any) -> None:
        self._parameterNode = parameterNode
        self._observers: list[int] = []
        addObserver = parameterNode.AddObserver

        def noted(*arguments: Any) -> int:
            self._observers.append(addObserver(*arguments))
            return self._observers[-1]

        # Slicer 5.10 never removes what `connectGui` observes: each visit would leave a wrapper that goes on reading.
        parameterNode.AddObserver = noted
        try:
            self._tag = parameterNode.connectGui(ui)
        finally:
            del parameterNode.AddObserver

    def undo(self) -> None:
        """Leave the panel and the node as they are."""
        self._parameterNode.disconnectGui(self._tag)
        for observer in self._observers:
            self._parameterNode.RemoveObserver(observer)
