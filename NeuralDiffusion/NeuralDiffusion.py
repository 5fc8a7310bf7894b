"""The Neural Diffusion module of 3D Slicer: a learned Perona-Malik denoiser for MR volumes.

Research use only; not for diagnosis.
"""

import contextlib
import sys
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from NeuralDiffusionLib import InvalidVolumeError
from NeuralDiffusionLib.mrml.chosen_outputs import ChosenOutputs
from NeuralDiffusionLib.mrml.logic import NeuralDiffusionLogic
from NeuralDiffusionLib.mrml.nodes.node_watch import NodeWatch
from NeuralDiffusionLib.mrml.nodes.noisy_copy import add_noisy_copy
from NeuralDiffusionLib.mrml.parameter_binding import ParameterBinding
from NeuralDiffusionLib.mrml.parameters import NeuralDiffusionParameterNode
from NeuralDiffusionLib.mrml.self_test import NeuralDiffusionTest  # noqa: F401 - Slicer looks for it here
from NeuralDiffusionLib.translation import set_translator

_HOME_PAGE = "https://github.com/SlicerNeuralDiffusion/SlicerNeuralDiffusion"
_MR_HEAD = "https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/"
_MR_HEAD_SHA256 = "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"
_PACKAGES = ("NeuralDiffusionLib", "NeuralDiffusionPanel")

# The library itself knows no Slicer.
set_translator(translate)


class NeuralDiffusion(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.parent.title = _("Neural Diffusion")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Filtering.Denoising")]
        # The trace of a diffusion is a sequence.
        self.parent.dependencies = ["Sequences"]
        self.parent.contributors = ["The SlicerNeuralDiffusion authors"]
        self.parent.helpText = _(
            "Removes noise from MR volumes with a learned Perona-Malik equation: a diffusion whose conduction weights "
            "a small network predicts, so that noise is smoothed and edges are held. The conduction map shows where "
            "it did which. Research use only; not for diagnosis. Read "
            "<a href='{page}'>how to use it</a> and <a href='{page}/blob/main/MESSAGES.md'>what its messages mean</a>."
        ).format(page=_HOME_PAGE)
        self.parent.acknowledgementText = _(
            "The diffusion equation is that of P. Perona and J. Malik, Scale-Space and Edge Detection Using "
            "Anisotropic Diffusion, IEEE TPAMI 12(7), 1990."
        )
        # Sample Data is a module as well: it is there once all modules are.
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer Slicer's MRHead with noise in the Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Neural Diffusion",
        sampleName="Noisy MRHead",
        uris=_MR_HEAD + _MR_HEAD_SHA256,
        fileNames="MR-head.nrrd",
        checksums=f"SHA256:{_MR_HEAD_SHA256}",
        nodeNames="MRHead",
        customDownloader=loadNoisyHead,
    )


def loadNoisyHead(source: Any) -> None:
    """Load MRHead through the Sample Data module, and a copy of it with Rician noise of 9 % beside it."""
    import SampleData

    with slicer.util.tryWithErrorDisplay(_("MRHead could not be loaded.")):
        # A file that was not loaded is in the list as None.
        heads = [head for head in SampleData.SampleDataLogic().downloadFromSource(source) if head]
        if not heads:
            raise RuntimeError(_("It could not be downloaded: check the network connection, then try again."))
        slicer.util.setSliceViewerLayers(background=add_noisy_copy(heads[0]), fit=True)


class NeuralDiffusionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: what it is made of, and its life from opening to reload."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.runs = None
        self.restoring = True
        self._sections = []
        self._parameterNode = None
        self._binding = None
        self._outputs = ChosenOutputs()
        self._maskWhenLeft = None
        self._watchedNode = NodeWatch(vtk.vtkCommand.ModifiedEvent, self.onParametersChanged)
        # A volume may enter the scene before its voxels do, and be edited or moved in space.
        self._watchedInput = [
            NodeWatch(event, self.onInputChanged)
            for event in (vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
        ]

    @property
    def parameterNode(self) -> NeuralDiffusionParameterNode | None:
        """What the user chose; None while the module is not open."""
        return self._parameterNode

    def setup(self) -> None:
        """Build the panel when the module is opened for the first time, or reloaded."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/NeuralDiffusion.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)

        self.logic = NeuralDiffusionLogic()
        # Not at the top of the file: the logic serves scripts where there is no Qt.
        from NeuralDiffusionPanel import SECTIONS

        for section in SECTIONS:
            self._sections.append(section(self))
        self.runs = self._sections[0]
        for name in ("inputs", "diffusion", "outputs", "look", "compare"):
            getattr(self.ui, f"{name}CollapsibleButton").connect("contentsCollapsed(bool)", self.onContentsCollapsed)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        # Before the selectors hear of it, which choose the neighbour of a node that goes.
        removal = slicer.mrmlScene.NodeAboutToBeRemovedEvent
        self.addObserver(slicer.mrmlScene, removal, self.onNodeAboutToBeRemoved, priority=1.0)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Let go of the scene when the panel is destroyed or reloaded."""
        # First, for what was chosen stays chosen though the views no longer show it.
        self.setParameterNode(None)
        for section in self._sections:
            section.close()
        self.logic.close()
        self.removeObservers()

    def enter(self) -> None:
        """Connect the panel to the scene whenever the user opens the module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Leave the scene alone while another module is open."""
        for section in self._sections:
            section.leave()
        mask = self._parameterNode.maskSegmentation if self._parameterNode else None
        self._maskWhenLeft = mask and (mask.GetID(), mask.GetName())
        self.setParameterNode(None)

    def onContentsCollapsed(self, collapsed: bool) -> None:
        """Hide again what was to be hidden while its section was folded, and is shown with it."""
        if not collapsed:
            self.update()

    def onReload(self) -> None:
        """Reload the packages as well as this file."""
        for name in [name for name in sys.modules if name.split(".")[0] in _PACKAGES]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller: vtk.vtkObject, event: str) -> None:
        """Forget the nodes of a scene that is about to close; a run ends with it."""
        self.restoring = True
        self._outputs = ChosenOutputs()
        self._maskWhenLeft = None
        for section in self._sections:
            section.forget()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller: vtk.vtkObject, event: str) -> None:
        """Start afresh in the new scene if the module is open."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAboutToBeRemoved(self, caller: vtk.vtkObject, event: str, node: vtk.vtkObject) -> None:
        """Choose nothing in place of an output, mask or reference that goes: what was made would replace it."""
        if self._parameterNode is None:
            return
        wasMask = self._parameterNode.maskSegmentation is node
        self._parameterNode.letGo(node)
        if wasMask:
            self._sayMaskIsGone(node.GetName())

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeRemoved(self, caller: vtk.vtkObject, event: str, node: vtk.vtkObject) -> None:
        """Bring the panel up to date without a volume that it may have shown."""
        if self._parameterNode is not None and node.IsA("vtkMRMLVolumeNode"):
            self.update()

    def onSceneStartImport(self, caller: vtk.vtkObject, event: str) -> None:
        """Let go of the parameter node while a scene is loaded: its volumes may come after it.

        Connected, the panel would take the volumes that the selectors find at the end for a choice of the user's.
        """
        self.restoring = True
        self.setParameterNode(None)
        for section in self._sections:
            section.beforeImport()

    def onSceneEndImport(self, caller: vtk.vtkObject, event: str) -> None:
        """Show what the loaded scene's parameter node says, if the module is open."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Connect the panel to this scene's parameter node; the first volume is the input until one is chosen."""
        replaced = self.logic.replaceUnknown()
        parameterNode = self.logic.getParameterNode()
        wasChosen = parameterNode.inputVolume is not None
        self.setParameterNode(parameterNode)
        if not self._parameterNode.inputVolume:
            # By exact class: the selector offers neither label maps and other kinds of scalar volume nor hidden ones.
            for volume in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
                if volume.GetClassName() == "vtkMRMLScalarVolumeNode" and not volume.GetHideFromEditors():
                    self._parameterNode.inputVolume = volume
                    break
        if not wasChosen and self._parameterNode.inputVolume:
            # The result of a volume that was deleted meanwhile may be its only copy.
            self._parameterNode.keepResultsOfOtherInputs()
        if self.restoring:
            self.restore()
        if replaced:
            self.runs.warn([_unknownText(replaced)])
        if self._maskWhenLeft and not slicer.mrmlScene.GetNodeByID(self._maskWhenLeft[0]):
            self._sayMaskIsGone(self._maskWhenLeft[1])
        self._maskWhenLeft = None

    def _sayMaskIsGone(self, name: str) -> None:
        if not self.runs.busy:
            self.runs.say(_("'{name}' was deleted: without a mask the whole volume is denoised.").format(name=name))

    def restore(self) -> None:
        """Have the slice views show again what the parameter node says; from now on it follows them."""
        for section in self._sections:
            # What cannot be shown any more stays off.
            with contextlib.suppress(InvalidVolumeError):
                section.restore()
        self.restoring = False
        self.update()

    def setParameterNode(self, parameterNode: NeuralDiffusionParameterNode | None) -> None:
        """Connect the panel to a parameter node, or to none."""
        if self._binding:
            self._binding.undo()
        self._parameterNode = parameterNode
        self._binding = ParameterBinding(parameterNode, self.ui) if parameterNode else None
        self._watchedNode.follow(self._parameterNode.parameterNode if self._parameterNode else None)
        self.onParametersChanged()

    def onParametersChanged(self, caller: vtk.vtkObject | None = None, event: str = "") -> None:
        """Follow the chosen input volume, and bring the panel up to date."""
        inputVolume = self._parameterNode.inputVolume if self._parameterNode else None
        areOthers = [watch.follow(inputVolume) for watch in self._watchedInput]
        # What a scene was saved with, or a script has chosen before the panel was opened, is meant.
        if any(areOthers) and caller is not None and inputVolume is not None:
            left = self._outputs.recall(self._parameterNode)
            if left is not None and not self.runs.busy:
                line = _("'{map}' is the conduction map of another volume: choose one for '{name}' under Outputs.")
                self.runs.say(line.format(map=left.GetName(), name=inputVolume.GetName()))
        if inputVolume is not None:
            self._outputs.remember(self._parameterNode)
        self.update()

    def onInputChanged(self, caller: vtk.vtkObject, event: str) -> None:
        """Bring the panel up to date with new voxels and another place."""
        self.update()

    def beforeResult(self) -> None:
        """Have all sections make way for a result that is about to be shown."""
        for section in self._sections:
            section.beforeResult()

    def update(self) -> None:
        """Bring all sections up to date."""
        for section in self._sections:
            section.update()


def _unknownText(choices: list[str]) -> str:
    return _(
        "The scene holds choices that this version does not know, and their defaults were taken: check {names}."
    ).format(names=", ".join(choices))
