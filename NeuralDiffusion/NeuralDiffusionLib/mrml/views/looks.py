"""What the slice views show for this module, over what the user had in them, which comes back afterwards."""

from __future__ import annotations

import slicer

from ..nodes.volumes import display_of
from .layers import BACKGROUND, FOREGROUND, Content, Covered, Layer, drop, keep, kept, seen_views, slice_views


class Looks:
    """What all slice views of a scene show: one volume as background, one as overlay, or either alone.

    Remembers what each view held before and gives it back when a look is switched off, except a layer that was
    changed meanwhile: that is what the user wants to see by now. A background that was chosen stays under an overlay
    that is switched on later. A preview lies above both in one view, until another look is shown or hidden.
    What is remembered is saved with the scene: `resume` takes it up again.
    Given the identifier of a view, it shows a preview in that view alone, which no scene is saved with.
    """

    def __init__(self, view: str | None = None) -> None:
        self._view = view
        self._preview: Looks | None = None
        self._scene: slicer.vtkMRMLScene | None = None
        self._background: str | None = None
        self._overlay: tuple[str | None, Content] | None = None
        self._covered: dict[tuple[str, Layer], Covered] = {}

    @property
    def background(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The volume that `show_background` or `toggle` put into the views, while one of them still shows it."""
        # Under a preview it is not seen, but not replaced either.
        if self._preview is None:
            self._end_what_was_replaced()
        return self._scene.GetNodeByID(self._background) if self._background else None

    def in_background(self, volume: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Return whether a slice view that is seen shows a volume as its background, whoever put it there."""
        return any(BACKGROUND.read(view).volume == volume.GetID() for view in seen_views(volume.GetScene()))

    def in_foreground(self, volume: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Return whether a slice view that is seen shows a volume in front, whoever put it there."""
        return any(FOREGROUND.read(view).volume == volume.GetID() for view in seen_views(volume.GetScene()))

    def resume(self, scene: slicer.vtkMRMLScene) -> None:
        """Take up the looks that a scene was saved with, so that the user's layers come back when they are hidden.

        Changes nothing in the views but those that showed a preview, which is not saved, and does nothing where looks
        are on already.
        """
        if self._covered or self._preview is not None:
            return
        self._scene = scene
        for view in slice_views(scene):
            for layer in (BACKGROUND, FOREGROUND):
                covered = kept(view, layer, preview=True)
                if covered is not None:
                    layer.write(view, covered.before._replace(volume=self._still_there(covered.before.volume)))
                drop(view, layer, preview=True)
        for view in slice_views(scene):
            for layer in (BACKGROUND, FOREGROUND):
                covered = kept(view, layer)
                if covered is not None:
                    self._covered[view.GetID(), layer] = covered
        on = {layer: covered for (_, layer), covered in self._covered.items()}
        beneath = on[BACKGROUND].shown.volume if BACKGROUND in on else None
        self._background = beneath if beneath and on[BACKGROUND].chosen else None
        self._overlay = (beneath, on[FOREGROUND].shown) if FOREGROUND in on else None

    def show_background(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Show a volume in all slice views: the input, the denoised volume, or what was removed."""
        self._enter(volume.GetScene())
        self._end_what_was_replaced()
        self._background = volume.GetID()
        self._update()

    def hide_background(self) -> None:
        """Give the slice views back what they showed before `show_background`; does nothing when that is off."""
        self._end_what_was_replaced()
        self._background = None
        self._update()

    def end_what_was_deleted(self) -> None:
        """Switch the background off if its volume has left the scene, which would leave the views empty."""
        if self._background and not self._still_there(self._background):
            self.hide_background()

    def toggle(self, before: slicer.vtkMRMLScalarVolumeNode, after: slicer.vtkMRMLScalarVolumeNode) -> bool:
        """Show the volume after the run, or the one before if a view shows that after, with the same window and level.

        The window and level that the user set for the volume shown until then hold for both.

        Returns
        -------
        bool
            Whether the volume after the run is shown now.
        """
        self.hide_preview()
        after_was_shown = self.in_background(after)
        shown, hidden = (after, before) if after_was_shown else (before, after)
        _take_over_window(hidden, shown)
        self.show_background(before if after_was_shown else after)
        return not after_was_shown

    def show_overlay(
        self,
        input_volume: slicer.vtkMRMLScalarVolumeNode,
        overlay: slicer.vtkMRMLScalarVolumeNode,
        opacity: float,
    ) -> None:
        """Show a map over the input in all slice views, or change what is shown and how opaque.

        Parameters
        ----------
        input_volume
            Background, unless another was chosen by `show_background` or `toggle`.
        overlay
            Foreground.
        opacity
            Opacity of the foreground, 0 to 1.

        Raises
        ------
        ValueError
            If the opacity is outside 0 to 1.
        """
        if not 0 <= opacity <= 1:
            raise ValueError(f"Opacity {opacity!r} is not possible: choose a number from 0 to 1.")
        self._enter(overlay.GetScene())
        self._end_what_was_replaced()
        self._overlay = (input_volume.GetID(), Content(overlay.GetID(), opacity))
        self._update()

    def hide_overlay(self, overlay: slicer.vtkMRMLScalarVolumeNode | None = None) -> None:
        """Give the slice views back what they showed before `show_overlay`; does nothing when that is off.

        A map that is given here is taken out of views as well that showed it before, as those of a loaded scene may.
        """
        self._end_what_was_replaced()
        self._overlay = None
        self._update()
        if overlay is not None:
            for view in slice_views(overlay.GetScene()):
                if FOREGROUND.read(view).volume == overlay.GetID():
                    view.SetForegroundVolumeID(None)

    def show_preview(
        self,
        view: slicer.vtkMRMLSliceCompositeNode,
        input_volume: slicer.vtkMRMLScalarVolumeNode,
        preview: slicer.vtkMRMLScalarVolumeNode,
    ) -> None:
        """Show a preview, opaque, over its input in one slice view."""
        self.hide_preview()
        self._preview = Looks(view.GetID())
        self._preview.show_overlay(input_volume, preview, 1.0)

    def hide_preview(self) -> None:
        """Give a view back what it showed before `show_preview`; does nothing when that is off."""
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.hide()

    def hide(self) -> None:
        """Switch all looks off and give the slice views back what they showed before."""
        self.hide_preview()
        self._background, self._overlay = None, None
        self._update()
        self.forget()

    def forget(self) -> None:
        """Let go of the views without touching them, as when their scene is closed."""
        self._scene, self._preview, self._background, self._overlay = None, None, None, None
        self._covered = {}

    def _enter(self, scene: slicer.vtkMRMLScene) -> None:
        if self._scene is not None and self._scene is not scene:
            self.hide()
        self._scene = scene

    def _end_what_was_replaced(self) -> None:
        """End a look that no view shows any more: something else was put in its place wherever it was seen."""
        self.hide_preview()
        if self._scene is None:
            return
        views = seen_views(self._scene, self._view)
        if not any(BACKGROUND.read(view).volume == self._background for view in views):
            self._background = None
        if self._overlay and not any(FOREGROUND.read(view).volume == self._overlay[1].volume for view in views):
            self._overlay = None

    def _update(self) -> None:
        """Make every view show what is wanted, layer by layer."""
        background, foreground = self._still_there(self._background), None
        if self._overlay is not None and self._still_there(self._overlay[1].volume):
            beneath, foreground = self._overlay
            background = background or self._still_there(beneath)
        for layer, wanted in ((BACKGROUND, background and Content(background)), (FOREGROUND, foreground)):
            if wanted is None:
                self._give_back(layer)
            else:
                self._cover(layer, wanted)

    def _cover(self, layer: Layer, wanted: Content) -> None:
        for view in slice_views(self._scene, self._view):
            key = (view.GetID(), layer)
            covered, now = self._covered.get(key), layer.read(view)
            before = covered.before if covered is not None and self._is_still_shown(covered, now) else now
            self._covered[key] = Covered(before, wanted, chosen=self._background is not None)
            keep(view, layer, self._covered[key], preview=self._view is not None)
            if now != wanted:
                layer.write(view, wanted)

    def _give_back(self, layer: Layer) -> None:
        for key in [key for key in self._covered if key[1] is layer]:
            covered, view = self._covered.pop(key), self._scene.GetNodeByID(key[0])
            if view is not None:
                drop(view, layer, preview=self._view is not None)
            if view is not None and self._is_still_shown(covered, layer.read(view)):
                layer.write(view, covered.before._replace(volume=self._still_there(covered.before.volume)))

    def _is_still_shown(self, covered: Covered, now: Content) -> bool:
        # A volume that was deleted has left an empty layer behind.
        return now.volume == self._still_there(covered.shown.volume)

    def _still_there(self, volume_id: str | None) -> str | None:
        return volume_id if volume_id and self._scene.GetNodeByID(volume_id) else None


def _take_over_window(target: slicer.vtkMRMLScalarVolumeNode, source: slicer.vtkMRMLScalarVolumeNode) -> None:
    wanted, display = display_of(source), display_of(target)
    window, level = wanted.GetWindow(), wanted.GetLevel()
    if (display.GetWindow(), display.GetLevel()) != (window, level):
        with slicer.util.NodeModify(display):
            display.AutoWindowLevelOff()
            display.SetWindowLevel(window, level)
