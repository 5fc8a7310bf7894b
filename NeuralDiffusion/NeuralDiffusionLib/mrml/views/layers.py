"""The layers of slice views, and what they held before a look: noted about the views, so saved with the scene."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

import slicer

from ..nodes.provenance import PREFIX
from ..nodes.scene_nodes import nodes_of_class, slice_nodes_in_layout
from .view_notes import read_note, remove_note, write_note


class Content(NamedTuple):
    """What lies in one layer of a slice view; the opacity is that of the foreground."""

    volume: str | None
    opacity: float = 1.0


class Layer(NamedTuple):
    """One of the two lower layers of every slice view."""

    name: str
    read: Callable[[slicer.vtkMRMLSliceCompositeNode], Content]
    write: Callable[[slicer.vtkMRMLSliceCompositeNode, Content], None]


class Covered(NamedTuple):
    """What a layer of a view held before, what was put there, and whether that was chosen or lies under an overlay."""

    before: Content
    shown: Content
    chosen: bool


def _write_foreground(view: slicer.vtkMRMLSliceCompositeNode, content: Content) -> None:
    with slicer.util.NodeModify(view):
        view.SetForegroundVolumeID(content.volume)
        view.SetForegroundOpacity(content.opacity)


BACKGROUND = Layer(
    "Background",
    read=lambda view: Content(view.GetBackgroundVolumeID()),
    write=lambda view, content: view.SetBackgroundVolumeID(content.volume),
)
FOREGROUND = Layer(
    "Foreground",
    read=lambda view: Content(view.GetForegroundVolumeID(), view.GetForegroundOpacity()),
    write=_write_foreground,
)


def slice_views(scene: slicer.vtkMRMLScene, only: str | None = None) -> Iterator[slicer.vtkMRMLSliceCompositeNode]:
    """Return the layers of all slice views of a scene, or of one by its identifier."""
    views = nodes_of_class(scene, "vtkMRMLSliceCompositeNode")
    return (view for view in views if only in (None, view.GetID()))


def seen_views(scene: slicer.vtkMRMLScene, only: str | None = None) -> list[slicer.vtkMRMLSliceCompositeNode]:
    """Return the layers of the slice views that are in the layout, or of all where none of them is."""
    layout = {view.GetLayoutName() for view in slice_nodes_in_layout(scene)}
    views = list(slice_views(scene, only))
    return [view for view in views if view.GetLayoutName() in layout] or views


def keep(view: slicer.vtkMRMLSliceCompositeNode, layer: Layer, covered: Covered, preview: bool = False) -> None:
    """Note about a view how one of its layers is covered, by a look or by a preview above it."""
    name, before, shown = _names(layer, preview)
    with slicer.util.NodeModify(view):
        write_note(view, name, json.dumps([covered.before.opacity, covered.shown.opacity, covered.chosen]))
        # References, for a scene that is loaded beside another gets new identifiers.
        view.SetNodeReferenceID(before, covered.before.volume)
        view.SetNodeReferenceID(shown, covered.shown.volume)


def kept(view: slicer.vtkMRMLSliceCompositeNode, layer: Layer, preview: bool = False) -> Covered | None:
    """Return how a layer is covered; ``None`` if it is not, cannot be read, or what was put there was replaced."""
    name, before, shown = _names(layer, preview)
    values, volume = read_note(view, name), view.GetNodeReferenceID(shown)
    # The preview itself is not saved: a scene that is loaded has nothing in its place.
    is_shown = layer.read(view).volume == volume and (preview or volume is not None)
    if values is None or not is_shown:
        return None
    read = _read(values)
    if read is None:
        return None
    opacity_before, opacity, chosen = read
    return Covered(Content(view.GetNodeReferenceID(before), opacity_before), Content(volume, opacity), chosen)


def was_replaced(scene: slicer.vtkMRMLScene, layer: Layer) -> bool:
    """Return whether views say that a look covered a layer of theirs, and none shows any more what was put there."""
    covered = [view for view in slice_views(scene) if read_note(view, _names(layer, preview=False)[0]) is not None]
    return bool(covered) and all(kept(view, layer) is None for view in covered)


def drop(view: slicer.vtkMRMLSliceCompositeNode, layer: Layer, preview: bool = False) -> None:
    """Take back what `keep` has noted about a view."""
    name, *roles = _names(layer, preview)
    with slicer.util.NodeModify(view):
        remove_note(view, name)
        for role in roles:
            view.SetNodeReferenceID(role, None)


def _read(values: str) -> tuple[float, float, bool] | None:
    """Read opacities and choice as `keep` wrote them; nothing where another version has written something else."""
    try:
        before, shown, chosen = json.loads(values)
        opacities = float(before), float(shown)
    except (TypeError, ValueError):
        return None
    return (*opacities, bool(chosen)) if all(0 <= opacity <= 1 for opacity in opacities) else None


def _names(layer: Layer, preview: bool) -> tuple[str, str, str]:
    name = f"{PREFIX}{'Preview' if preview else ''}{layer.name}"
    return name, f"{name}Before", f"{name}Shown"
