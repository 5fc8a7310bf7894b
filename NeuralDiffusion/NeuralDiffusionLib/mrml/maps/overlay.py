"""How a conduction map looks in the slice views: its colours and their legend."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..nodes.provenance import is_result
from ..nodes.volumes import known_display_of, show_in_colours

COLOUR_TABLES = ("Viridis", "Inferno", "Magma", "Plasma", "Cividis")
DEFAULT_COLOUR_TABLE = "Viridis"
DEFAULT_OPACITY = 0.4
_LEGEND_LABELS = 3
_WINDOW_AND_LEVEL = (1.0, 0.5)


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
    show_in_colours(conduction, 0.0, 1.0, _node_id(colour_table))


def recolour_conduction(conduction: slicer.vtkMRMLScalarVolumeNode, colour_table: str) -> None:
    """Show a conduction volume in another of `COLOUR_TABLES`, under the window that it has.

    One that is shown in any other colours is left as it is, and so is one that no run has written unless it has the
    window of a map: the user chose those, or it holds no map yet.

    Raises
    ------
    ValueError
        If the table is not one of them.
    """
    check_colour_table(colour_table)
    display = known_display_of(conduction)
    shown = None if display is None else display.GetColorNodeID()
    if shown == _node_id(colour_table) or shown not in [_node_id(table) for table in COLOUR_TABLES]:
        return
    if is_result(conduction) or (display.GetWindow(), display.GetLevel()) == _WINDOW_AND_LEVEL:
        display.SetAndObserveColorNodeID(_node_id(colour_table))


def _node_id(colour_table: str) -> str:
    return f"vtkMRMLColorTableNodeFile{colour_table}.txt"


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
