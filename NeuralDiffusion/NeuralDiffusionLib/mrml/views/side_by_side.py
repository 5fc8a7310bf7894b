"""Volumes beside each other in the slice views: the same slice in each, and afterwards what the user had."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError
from ..nodes.new_volume import check_in_scene, scene_of
from ..nodes.provenance import PREFIX
from ..nodes.scene_nodes import nodes_of_class
from ..nodes.volumes import display_of
from .view_notes import read_note, remove_note, write_note

VIEWS = ("Red", "Green", "Yellow")
"""Slice views in the order in which they are filled; the others show the slice of the first."""

_KEPT = PREFIX + "SideBySide"
_ROLES = (f"{_KEPT}Background", f"{_KEPT}Foreground", f"{_KEPT}Shown")


class _Place(NamedTuple):
    """Where a slice view looks, and how wide: millimetres, and the pixels of its window then."""

    slice_to_ras: vtk.vtkMatrix4x4
    origin: tuple[float, float, float]
    field_of_view: tuple[float, float, float]
    pixels: tuple[int, int]


class _Display(NamedTuple):
    """How a volume is shown: window, level, whether these are automatic, and the colour table."""

    window: float
    level: float
    automatic: int
    colours: str | None


class _Before(NamedTuple):
    """What a slice view showed, what was put there, and how that was shown before and since."""

    place: _Place
    background: str | None
    foreground: str | None
    linked: int
    shown: str
    display: _Display
    display_since: _Display


class SideBySide:
    """Shows one volume in each of the views Red, Green and Yellow: the slice of Red, window and level of the input.

    The views are linked, so that they scroll and zoom together. The layout is not changed. Once the background of one
    of them is changed by anybody else, that is what the user wants to see by now: it goes off. What the views showed
    before is saved with the scene: shown again in the loaded one, it still gives that back.

    Parameters
    ----------
    changed
        Called when it went off for that reason, and when one of the views looks elsewhere, enters the layout or leaves
        it.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._scene: slicer.vtkMRMLScene | None = None
        self._before: dict[str, _Before] = {}
        self._observed: list[tuple[slicer.vtkMRMLNode, int]] = []

    @property
    def is_on(self) -> bool:
        return bool(self._before)

    def show(
        self, input_volume: slicer.vtkMRMLScalarVolumeNode, volumes: Sequence[slicer.vtkMRMLScalarVolumeNode]
    ) -> None:
        """Show three volumes, in the order of `VIEWS`, with the window, level and colours of the input.

        Raises
        ------
        InvalidVolumeError
            If a volume or a view is not in the scene.
        """
        self.hide()
        scene = scene_of(input_volume)
        for volume in volumes:
            check_in_scene(volume, scene)
        views = {name: (_node(scene, "vtkMRMLSliceNode", name), _composite(scene, name)) for name in VIEWS}
        if any(None in nodes for nodes in views.values()):
            raise InvalidVolumeError(
                _("The slice views Red, Green and Yellow are not there: choose the layout Four-Up once.")
            )
        self._scene = scene
        wanted, as_input = _read_place(views[VIEWS[0]][0]), _read_display(input_volume)._replace(automatic=0)
        for (name, (view, layers)), volume in zip(views.items(), volumes, strict=True):
            kept, display = _kept(layers), _read_display(volume)
            _write_display(volume, as_input)
            before = kept or _read(view, layers, display)
            self._before[name] = before._replace(shown=volume.GetID(), display_since=_read_display(volume))
            _keep(layers, self._before[name])
            _write_place(view, wanted)
            _write_layers(layers, volume.GetID(), None, 1)
            event = vtk.vtkCommand.ModifiedEvent
            self._observed.append((layers, layers.AddObserver(event, self._on_layers_changed)))
            self._observed.append((view, view.AddObserver(event, self._on_view_changed)))

    def hide(self) -> None:
        """Give the views back what they showed and where, except layers that were changed meanwhile."""
        before, scene = self._before, self._scene
        self.forget()
        for name, kept in before.items():
            view, layers = _node(scene, "vtkMRMLSliceNode", name), _composite(scene, name)
            if view is None or layers is None:
                continue
            _drop(layers)
            _write_place(view, kept.place)
            # A volume that was deleted has left an empty layer behind.
            mine = layers.GetBackgroundVolumeID() == _still_there(scene, kept.shown)
            background = _still_there(scene, kept.background) if mine else layers.GetBackgroundVolumeID()
            foreground = layers.GetForegroundVolumeID() or _still_there(scene, kept.foreground)
            _write_layers(layers, background, foreground, kept.linked and layers.GetLinkedControl())
            volume = scene.GetNodeByID(kept.shown)
            if volume is not None and _read_display(volume) == kept.display_since:
                _write_display(volume, kept.display)

    def forget(self) -> None:
        """Let go of the views without touching them, as when their scene is closed."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._scene, self._before, self._observed = None, {}, []

    def _on_layers_changed(self, layers: slicer.vtkMRMLSliceCompositeNode, event: str) -> None:
        shown = _still_there(self._scene, self._before[layers.GetLayoutName()].shown)
        if layers.GetBackgroundVolumeID() != shown:
            self.hide()
            self._changed()

    def _on_view_changed(self, view: slicer.vtkMRMLSliceNode, event: str) -> None:
        self._changed()


def views_in_layout(scene: slicer.vtkMRMLScene) -> bool:
    """Return whether the user sees all three views: whether they are in the layout that is shown."""
    views = [_node(scene, "vtkMRMLSliceNode", name) for name in VIEWS]
    return all(view is not None and view.IsMappedInLayout() for view in views)


def was_replaced(scene: slicer.vtkMRMLScene) -> bool:
    """Return whether views say that they showed volumes side by side, and none shows any more what was put there."""
    covered = [layers for name in VIEWS if (layers := _composite(scene, name)) and read_note(layers, _KEPT)]
    return bool(covered) and all(_kept(layers) is None for layers in covered)


def _read(view: slicer.vtkMRMLSliceNode, layers: slicer.vtkMRMLSliceCompositeNode, display: _Display) -> _Before:
    volumes = layers.GetBackgroundVolumeID(), layers.GetForegroundVolumeID()
    return _Before(_read_place(view), *volumes, layers.GetLinkedControl(), volumes[0], display, display)


def _read_display(volume: slicer.vtkMRMLScalarVolumeNode) -> _Display:
    display = display_of(volume)
    return _Display(display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel(), display.GetColorNodeID())


def _write_display(volume: slicer.vtkMRMLScalarVolumeNode, wanted: _Display) -> None:
    display = display_of(volume)
    with slicer.util.NodeModify(display):
        display.SetAutoWindowLevel(wanted.automatic)
        display.SetWindowLevel(wanted.window, wanted.level)
        display.SetAndObserveColorNodeID(wanted.colours)


def _keep(layers: slicer.vtkMRMLSliceCompositeNode, before: _Before) -> None:
    """Note about the view what it showed before."""
    matrix, *numbers = before.place
    displays = before.display, before.display_since
    values = [slicer.util.arrayFromVTKMatrix(matrix).tolist(), *numbers, before.linked, *displays]
    with slicer.util.NodeModify(layers):
        write_note(layers, _KEPT, json.dumps(values))
        for role, volume in zip(_ROLES, (before.background, before.foreground, before.shown), strict=True):
            layers.SetNodeReferenceID(role, volume)


def _kept(layers: slicer.vtkMRMLSliceCompositeNode) -> _Before | None:
    """Return what `_keep` has written, unless it cannot be read or the volume shown then has been replaced."""
    values = read_note(layers, _KEPT)
    background, foreground, shown = (layers.GetNodeReferenceID(role) for role in _ROLES)
    if values is None or shown is None or layers.GetBackgroundVolumeID() != shown:
        return None
    try:
        place, linked, *displays = _parse(values)
    except (TypeError, ValueError):
        return None
    # Scenes of the first version do not tell how the volume was shown before.
    displays = displays or [_read_display(layers.GetScene().GetNodeByID(shown))] * 2
    return _Before(place, background, foreground, linked, shown, *displays)


def _parse(values: str) -> tuple[_Place | int | _Display, ...]:
    """Return place, link and displays as `_keep` wrote them; TypeError or ValueError where they are none."""
    matrix, origin, field_of_view, pixels, linked, *displays = json.loads(values)
    place = _Place(
        slicer.util.vtkMatrixFromArray(np.array(matrix, float).reshape(4, 4)),
        tuple(np.array(origin, float).reshape(3).tolist()),
        tuple(np.array(field_of_view, float).reshape(3).tolist()),
        tuple(np.array(pixels, int).reshape(2).tolist()),
    )
    if len(displays) not in (0, 2):
        raise ValueError(f"{len(displays)} displays")
    return place, int(linked), *(_parse_display(*one) for one in displays)


def _parse_display(window: float, level: float, automatic: int, colours: str | None) -> _Display:
    return _Display(float(window), float(level), int(automatic), None if colours is None else str(colours))


def _drop(layers: slicer.vtkMRMLSliceCompositeNode) -> None:
    with slicer.util.NodeModify(layers):
        remove_note(layers, _KEPT)
        for role in _ROLES:
            layers.SetNodeReferenceID(role, None)


def _read_place(view: slicer.vtkMRMLSliceNode) -> _Place:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(view.GetSliceToRAS())
    return _Place(matrix, view.GetXYZOrigin(), view.GetFieldOfView(), view.GetDimensions()[:2])


def _write_place(view: slicer.vtkMRMLSliceNode, place: _Place) -> None:
    width, height, depth = place.field_of_view
    pixels = view.GetDimensions()[:2]
    if pixels != place.pixels and min(*pixels, *place.pixels) > 0:
        # Windows differ in size: as many millimetres in a pixel, or the picture would be stretched.
        width, height = width / place.pixels[0] * pixels[0], height / place.pixels[1] * pixels[1]
    with slicer.util.NodeModify(view):
        view.GetSliceToRAS().DeepCopy(place.slice_to_ras)
        view.UpdateMatrices()
        view.SetFieldOfView(width, height, depth)
        view.SetXYZOrigin(*place.origin)


def _write_layers(
    layers: slicer.vtkMRMLSliceCompositeNode, background: str | None, foreground: str | None, linked: int
) -> None:
    with slicer.util.NodeModify(layers):
        layers.SetBackgroundVolumeID(background)
        layers.SetForegroundVolumeID(foreground)
        layers.SetLinkedControl(linked)


def _still_there(scene: slicer.vtkMRMLScene, volume_id: str | None) -> str | None:
    return volume_id if volume_id and scene.GetNodeByID(volume_id) else None


def _composite(scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLSliceCompositeNode | None:
    return _node(scene, "vtkMRMLSliceCompositeNode", name)


def _node(scene: slicer.vtkMRMLScene, kind: str, name: str) -> slicer.vtkMRMLNode | None:
    """Return the node of a view, which carries the view's name in the layout."""
    return next((node for node in nodes_of_class(scene, kind) if node.GetLayoutName() == name), None)
