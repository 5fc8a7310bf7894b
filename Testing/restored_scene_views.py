"""Slicer's scene views, for tests: the module's real logic, which keeps and restores display and view nodes."""

from __future__ import annotations

import slicer
import vtk


class SceneViews:
    """The logic of the Scene Views module for a scene, and that of the Sequences module, on which it builds."""

    def __init__(self, scene, application):
        self._scene = scene
        # An application does not keep the logics alive that it is told of.
        self._sequences, self._logic = slicer.vtkSlicerSequencesLogic(), slicer.vtkSlicerSceneViewsModuleLogic()
        for name, logic in (("Sequences", self._sequences), ("SceneViews", self._logic)):
            logic.SetMRMLApplicationLogic(application)
            logic.SetMRMLScene(scene)
            application.SetModuleLogic(name, logic)

    def add(self, name):
        """Keep what the views show by now under a name."""
        count, screenshot = self._logic.GetNumberOfSceneViews(), vtk.vtkImageData()
        screenshot.SetDimensions(4, 4, 1)
        screenshot.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
        self._logic.CreateSceneView(name, "", 0, screenshot)
        assert self._logic.GetNumberOfSceneViews() == count + 1

    def restore(self, name):
        """Have the views show again what was kept under a name."""
        assert self._logic.RestoreSceneView(name)

    def remove_all(self):
        """Remove all scene views, which have files of their own, and leave what they brought back."""
        for kind in ("vtkMRMLSequenceBrowserNode", "vtkMRMLSequenceNode", "vtkMRMLVectorVolumeNode"):
            for node in list(slicer.util.getNodesByClass(kind)):
                self._scene.RemoveNode(node)
