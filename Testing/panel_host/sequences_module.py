"""Slicer's Sequences module, as far as another module's panel meets it: the toolbar in which a sequence is scrubbed."""

from __future__ import annotations

import slicer
from PySide6.QtCore import Property, QObject, Slot


class qSlicerSequencesModule(QObject):
    """`slicer.modules.sequences`.

    As there, a browser that enters the scene does not appear in the toolbar by itself: `showSequenceBrowser` makes it
    the active one and shows the toolbar, unless the user has switched `autoShowToolBar` off. Nothing is drawn here;
    `activeBrowser` tells what the toolbar would show.
    """

    def __init__(self) -> None:
        super().__init__()
        self._visible, self._auto = False, True
        self._browser: slicer.vtkMRMLSequenceBrowserNode | None = None

    @Slot(object, result=bool)
    def showSequenceBrowser(self, browser: slicer.vtkMRMLSequenceBrowserNode) -> bool:
        if self._auto:
            self._browser, self._visible = browser, True
        return True

    def activeBrowser(self) -> slicer.vtkMRMLSequenceBrowserNode | None:
        return self._browser

    def _set(self: qSlicerSequencesModule, visible: bool) -> None:
        self._visible = visible

    def _set_auto(self: qSlicerSequencesModule, auto: bool) -> None:
        self._auto = auto

    toolBarVisible = Property(bool, lambda self: self._visible, _set)
    autoShowToolBar = Property(bool, lambda self: self._auto, _set_auto)
