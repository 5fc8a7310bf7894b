"""Watches that the scene is changed on the main thread only, as Slicer demands but does not check."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import slicer
import vtk


class ThreadWatch:
    """Reports each event of a scene or one of its nodes that another thread than the main one has caused."""

    def __init__(self, scene: slicer.vtkMRMLScene, report: Callable[[str], None]) -> None:
        self._report = report
        self._tags: list[tuple[vtk.vtkObject, int]] = []
        self._watch(scene)
        for index in range(scene.GetNumberOfNodes()):
            self._watch(scene.GetNthNode(index))

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(caller: Any, event: str, node: slicer.vtkMRMLNode) -> None:
            self._watch(node)

        self._tags.append((scene, scene.AddObserver(scene.NodeAddedEvent, added)))

    def end(self) -> None:
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)

    def _watch(self, subject: vtk.vtkObject) -> None:
        self._tags.append((subject, subject.AddObserver(vtk.vtkCommand.AnyEvent, self._on_event)))

    def _on_event(self, caller: Any, event: str) -> None:
        thread = threading.current_thread()
        if thread is not threading.main_thread():
            name = caller.GetName() if caller.IsA("vtkMRMLNode") else "the scene"
            self._report(f"MRML outside the main thread: {event} of {name} in {thread.name}.")
