"""The conduction map in the slice views: its colours, and layers that are given back when it is switched off."""

from __future__ import annotations

from dataclasses import dataclass, replace

import slicer

COLOUR_TABLES = ("Viridis", "Inferno", "Magma", "Plasma", "Cividis")
DEFAULT_COLOUR_TABLE = "Viridis"
DEFAULT_OPACITY = 0.4


def style_conduction(conduction: slicer.vtkMRMLScalarVolumeNode, colour_table: str = DEFAULT_COLOUR_TABLE) -> None:
    """Show a conduction volume in a perceptual colour table over the fixed window 0 to 1, so that maps compare.

    Parameters
    ----------
    conduction
        Volume of values from 0 (held) to 1 (smoothed freely).
    colour_table
        One of `COLOUR_TABLES`, Slicer's continuous tables of that name.

    Raises
    ------
    ValueError
        If the table is not one of them.
    """
    if colour_table not in COLOUR_TABLES:
        raise ValueError(f"Colour table {colour_table!r} is not known: choose one of {', '.join(COLOUR_TABLES)}.")
    if conduction.GetDisplayNode() is None:
        conduction.CreateDefaultDisplayNodes()
    display = conduction.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.SetAndObserveColorNodeID(f"vtkMRMLColorTableNodeFile{colour_table}.txt")


@dataclass(frozen=True)
class _Layers:
    """The two lower layers of one slice view."""

    background: str | None
    foreground: str | None
    opacity: float

    @classmethod
    def of(cls, view: slicer.vtkMRMLSliceCompositeNode) -> _Layers:
        return cls(view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetForegroundOpacity())

    def put_into(self, view: slicer.vtkMRMLSliceCompositeNode) -> None:
        with slicer.util.NodeModify(view):
            view.SetBackgroundVolumeID(self.background)
            view.SetForegroundVolumeID(self.foreground)
            view.SetForegroundOpacity(self.opacity)


class ConductionOverlay:
    """A conduction volume as foreground over the input in all slice views of a scene.

    Remembers what each view showed before and gives it back, except a layer that was changed meanwhile: that is what
    the user wants to see by now.
    """

    def __init__(self) -> None:
        self._scene: slicer.vtkMRMLScene | None = None
        self._before: dict[str, _Layers] = {}
        self._shown: _Layers | None = None

    def show(
        self,
        input_volume: slicer.vtkMRMLScalarVolumeNode,
        conduction: slicer.vtkMRMLScalarVolumeNode,
        opacity: float = DEFAULT_OPACITY,
    ) -> None:
        """Show the conduction volume over the input in all slice views, or change what is shown and how opaque.

        Parameters
        ----------
        input_volume
            Background of the views.
        conduction
            Foreground of the views.
        opacity
            Opacity of the foreground, 0 to 1.

        Raises
        ------
        ValueError
            If the opacity is outside 0 to 1.
        """
        if not 0 <= opacity <= 1:
            raise ValueError(f"Opacity {opacity!r} is not possible: choose a number from 0 to 1.")
        self._scene = conduction.GetScene()
        layers = _Layers(input_volume.GetID(), conduction.GetID(), opacity)
        # Not slicer.util.getNodesByClass, which looks into the application's scene whatever scene it is given.
        kind = "vtkMRMLSliceCompositeNode"
        for view in (self._scene.GetNthNodeByClass(n, kind) for n in range(self._scene.GetNumberOfNodesByClass(kind))):
            self._before.setdefault(view.GetID(), _Layers.of(view))
            layers.put_into(view)
        self._shown = layers

    def hide(self) -> None:
        """Give the slice views the layers back that they showed before; does nothing when the overlay is off."""
        for view_id, before in self._before.items():
            view = self._scene.GetNodeByID(view_id)
            if view is not None:
                self._given_back(_Layers.of(view), before).put_into(view)
        self.forget()

    def forget(self) -> None:
        """Let go of the views without touching them, as when their scene is closed."""
        self._scene, self._before, self._shown = None, {}, None

    def _given_back(self, now: _Layers, before: _Layers) -> _Layers:
        layers = now
        # A volume that was deleted has left an empty layer behind.
        if now.background == self._still_there(self._shown.background):
            layers = replace(layers, background=self._still_there(before.background))
        if now.foreground == self._still_there(self._shown.foreground):
            layers = replace(layers, foreground=self._still_there(before.foreground), opacity=before.opacity)
        return layers

    def _still_there(self, volume_id: str | None) -> str | None:
        return volume_id if volume_id and self._scene.GetNodeByID(volume_id) else None
