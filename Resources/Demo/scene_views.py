"""The slice views of the demo's scene, and the scene as files that open in Slicer."""

from __future__ import annotations

from pathlib import Path

import slicer

# Slicer warns on opening a scene of another application, and slicer-core names itself as one.
_SCENE_VERSION = "Slicer 5.10.0 0"
_VIEW = "vtkMRMLSliceNode"


def arrange_views(
    scene: slicer.vtkMRMLScene,
    noisy: slicer.vtkMRMLScalarVolumeNode,
    denoised: slicer.vtkMRMLScalarVolumeNode,
    conduction: slicer.vtkMRMLScalarVolumeNode,
    opacity: float,
) -> None:
    """Show axial, coronal and sagittal views twice: the noisy scan above, the denoised one under its conduction below.

    All views are linked, so that scrolling and zooming above does the same below.
    """
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    layout_logic = slicer.vtkMRMLLayoutLogic()
    layout_logic.SetMRMLScene(scene)
    layout = layout_logic.GetLayoutNode()
    layout.SetViewArrangement(layout.SlicerLayoutThreeOverThreeView)
    # slicer.util.getNodesByClass would look in the application's scene, whichever scene it is given
    for view in [scene.GetNthNodeByClass(n, _VIEW) for n in range(scene.GetNumberOfNodesByClass(_VIEW))]:
        below = view.GetLayoutName().endswith("+")
        view.SetViewGroup(0)
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        logic.SetSliceNode(view)
        layers = logic.GetSliceCompositeNode()
        layers.SetBackgroundVolumeID((denoised if below else noisy).GetID())
        layers.SetForegroundVolumeID(conduction.GetID())
        layers.SetForegroundOpacity(opacity if below else 0.0)
        layers.SetLinkedControl(True)
        logic.FitSliceToBackground()
    show_legend(scene, conduction, "vtkMRMLSliceNodeRed+")


def show_legend(scene: slicer.vtkMRMLScene, conduction: slicer.vtkMRMLScalarVolumeNode, view_id: str) -> None:
    """Show the colours of the conduction map beside it in one view."""
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())  # the application's colour logic does that there
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(conduction)
    legend.SetTitleText("Conduction")
    legend.AddViewNodeID(view_id)


def save_scene(scene: slicer.vtkMRMLScene, path: Path, files: dict[str, slicer.vtkMRMLScalarVolumeNode]) -> None:
    """Write volumes as NRRD beside a .mrml file that refers to them by relative paths.

    Raises
    ------
    OSError
        If a file could not be written.
    """
    scene.SetVersion(_SCENE_VERSION)
    scene.SetURL(str(path))
    scene.SetRootDirectory(str(path.parent))
    for name, volume in files.items():
        volume.AddDefaultStorageNode()
        storage = volume.GetStorageNode()
        storage.SetFileName(str(path.parent / name))
        storage.SetUseCompression(True)
        if not storage.WriteData(volume):
            raise OSError(f"'{name}' could not be written.")
    if not scene.Commit():
        raise OSError(f"'{path.name}' could not be written.")
