"""Tables in the MRML scene, column by column."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
import vtk

from .new_volume import unused_name

Column = tuple[str, type, Sequence]
"""Title, ``str``, ``int`` or ``float``, and one value for each row."""

_ARRAYS = {str: vtk.vtkStringArray, int: vtk.vtkIntArray, float: vtk.vtkDoubleArray}


def add_table(scene: slicer.vtkMRMLScene, name: str, columns: Sequence[Column]) -> slicer.vtkMRMLTableNode:
    """Add a table to a scene, with a number behind its name if a node has that already."""
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", unused_name(scene, name))
    fill_table(table, columns)
    return table


def fill_table(table: slicer.vtkMRMLTableNode, columns: Sequence[Column]) -> None:
    """Replace what a table holds; its titles are shown as the headers of the columns."""
    contents = vtk.vtkTable()
    for title, kind, values in columns:
        column = _ARRAYS[kind]()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        contents.AddColumn(column)
    with slicer.util.NodeModify(table):
        table.SetAndObserveTable(contents)
        table.SetUseColumnTitleAsColumnHeader(True)
