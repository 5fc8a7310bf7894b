"""Notes about slice views, saved with the scene, which stay when one of Slicer's scene views is restored."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..nodes.provenance import PREFIX
from ..nodes.scene_nodes import nodes_of_class

_NODE_CLASS = "vtkMRMLScriptedModuleNode"
_ROLE = PREFIX + "Notes"


def write_note(view: slicer.vtkMRMLSliceCompositeNode, name: str, text: str) -> None:
    """Note a text about a view under a name; one of that name is replaced.

    It stands in a hidden node that the view refers to. A scene view brings back the view's own attributes as they were
    when it was made, but leaves its references alone.
    """
    node = view.GetNodeReference(_ROLE) or _add_node(view)
    node.SetAttribute(name, text)


def read_note(view: slicer.vtkMRMLSliceCompositeNode, name: str) -> str | None:
    """Return what was noted about a view under a name; ``None`` if nothing was."""
    node = view.GetNodeReference(_ROLE)
    text = None if node is None else node.GetAttribute(name)
    # In scenes of earlier versions it is the view's own attribute.
    return view.GetAttribute(name) if text is None else text


def remove_note(view: slicer.vtkMRMLSliceCompositeNode, name: str) -> None:
    """Take back what was noted about a view under a name; does nothing if nothing was."""
    view.RemoveAttribute(name)
    node = view.GetNodeReference(_ROLE)
    if node is None:
        return
    node.RemoveAttribute(name)
    if not node.GetAttributeNames():
        view.SetNodeReferenceID(_ROLE, None)
        view.GetScene().RemoveNode(node)


def _add_node(view: slicer.vtkMRMLSliceCompositeNode) -> slicer.vtkMRMLScriptedModuleNode:
    scene = view.GetScene()
    _remove_left_over(scene)
    node = scene.AddNewNodeByClass(_NODE_CLASS, _("Neural Diffusion notes of {view}").format(view=view.GetName()))
    node.SetHideFromEditors(True)
    view.SetNodeReferenceID(_ROLE, node.GetID())
    return node


def _remove_left_over(scene: slicer.vtkMRMLScene) -> None:
    """Remove nodes whose views were deleted, or replaced by those of a scene that was added."""
    used = {view.GetNodeReferenceID(_ROLE) for view in nodes_of_class(scene, "vtkMRMLSliceCompositeNode")}
    for node in list(nodes_of_class(scene, _NODE_CLASS)):
        holds_notes = any(name.startswith(PREFIX) for name in node.GetAttributeNames())
        if holds_notes and node.GetID() not in used:
            scene.RemoveNode(node)
