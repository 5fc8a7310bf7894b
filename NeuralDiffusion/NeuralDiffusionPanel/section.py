"""What the parts of the panel have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from NeuralDiffusionLib.mrml.logic import NeuralDiffusionLogic
    from NeuralDiffusionLib.mrml.parameters import NeuralDiffusionParameterNode

    from .run_section import RunSection


class Panel(Protocol):
    """What a section knows of the panel that it is a part of.

    Attributes
    ----------
    ui
        The widgets of the .ui file by name.
    logic
        Logic of the module.
    parameterNode
        What the user chose; ``None`` while the module is not open.
    runs
        The section that shows work that goes on, and its messages.
    restoring
        Whether the slice views are still to show again what the parameter node says.
    """

    ui: Any
    logic: NeuralDiffusionLogic
    runs: RunSection
    restoring: bool

    @property
    def parameterNode(self) -> NeuralDiffusionParameterNode | None: ...

    def beforeResult(self) -> None:
        """Have all sections make way for a result that is about to be shown."""

    def update(self) -> None:
        """Bring all sections up to date."""


class Section:
    """One part of the panel: connects its widgets when it is made, and keeps them in step with what is chosen."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.ui, self.logic = panel, panel.ui, panel.logic

    @property
    def parameterNode(self) -> NeuralDiffusionParameterNode | None:
        return self.panel.parameterNode

    def update(self) -> None:
        """Show what the parameter node says; called whenever it, or the input volume, has changed."""

    def restore(self) -> None:
        """Show what the parameter node says that the views showed; called for a loaded scene, and after a reload."""

    def beforeResult(self) -> None:
        """The slice views are about to show the result of a run."""

    def leave(self) -> None:
        """The user opens another module."""

    def beforeImport(self) -> None:
        """Another scene is about to be added: forget what the slice views show, for its views replace those there."""

    def forget(self) -> None:
        """The scene is about to close: let go of its nodes without touching them."""

    def close(self) -> None:
        """The panel is destroyed or reloaded: leave nothing behind in the scene and the views."""
