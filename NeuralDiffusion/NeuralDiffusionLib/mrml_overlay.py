"""The conduction map in the slice views: its colours, their legend, and the map over the input."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from .mrml_looks import Looks

COLOUR_TABLES = ("Viridis", "Inferno", "Magma", "Plasma", "Cividis")
DEFAULT_COLOUR_TABLE = "Viridis"
DEFAULT_OPACITY = 0.4
_LEGEND_LABELS = 3


def check_colour_table(colour_table: str) -> None:
    """Check that a colour table is one of `COLOUR_TABLES`.

    Raises
    ------
    ValueError
        If it is not.
    """
    if colour_table not in COLOUR_TABLES:
        raise ValueError(f"Colour table {colour_table!r} is not known: choose one of {', '.join(COLOUR_TABLES)}.")


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
    check_colour_table(colour_table)
    if conduction.GetDisplayNode() is None:
        conduction.CreateDefaultDisplayNodes()
    display = conduction.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.SetAndObserveColorNodeID(f"vtkMRMLColorTableNodeFile{colour_table}.txt")


def show_legend(conduction: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLColorLegendDisplayNode:
    """Show the colours of a conduction volume in the views as a legend: 0 held, 1 smoothed.

    A legend that the volume already has is shown as it is.
    """
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(conduction)
    if legend is None:
        legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(conduction)
        with slicer.util.NodeModify(legend):
            legend.SetTitleText(_("Conduction") + "\n" + _("0 held, 1 smoothed"))
            legend.SetLabelFormat("%.1f")
            legend.SetNumberOfLabels(_LEGEND_LABELS)
    legend.SetVisibility(True)
    return legend


def hide_legend(conduction: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Hide the legend of a conduction volume; what the user changed in it is there when it is shown again."""
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(conduction)
    if legend is not None:
        legend.SetVisibility(False)


class ConductionOverlay:
    """A conduction volume as foreground over the input in all slice views of a scene.

    Parameters
    ----------
    looks
        What remembers the views' layers and gives them back; shared with the other looks of a panel.
    """

    def __init__(self, looks: Looks | None = None) -> None:
        self._looks = Looks() if looks is None else looks

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
            Background of the views, unless another look chose one.
        conduction
            Foreground of the views.
        opacity
            Opacity of the foreground, 0 to 1.

        Raises
        ------
        ValueError
            If the opacity is outside 0 to 1.
        """
        self._looks.show_overlay(input_volume, conduction, opacity)

    def hide(self) -> None:
        """Give the slice views the layers back that they showed before; does nothing when the overlay is off."""
        self._looks.hide_overlay()

    def forget(self) -> None:
        """Let go of the views without touching them, as when their scene is closed."""
        self._looks.forget()
