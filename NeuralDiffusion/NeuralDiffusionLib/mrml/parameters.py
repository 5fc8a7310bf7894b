"""What the user chose, kept in the scene."""

import enum
import math
from typing import Annotated, Any, get_args, get_type_hints

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from ..engine.settings import MAX_ITERATIONS, NEIGHBOURHOODS, DenoiseSettings
from .maps.overlay import COLOUR_TABLES, DEFAULT_COLOUR_TABLE, DEFAULT_OPACITY
from .nodes.planes import SlicesAlong, slice_axis
from .nodes.provenance import may_be_of
from .nodes.sequences import frames_of

# In image units: above any noise level that a scan may have.
MAX_SIGMA = 1e9


class NoiseType(enum.Enum):
    """Noise models, in the order shown. Scenes store the member's name: renaming one breaks saved scenes."""

    RICIAN = "rician"
    GAUSSIAN = "gaussian"
    SPECKLE = "speckle"
    MIXED = "mixed"

    def label(self) -> str:
        return {
            NoiseType.RICIAN: _("Rician (magnitude MR)"),
            NoiseType.GAUSSIAN: _("Gaussian (additive)"),
            NoiseType.SPECKLE: _("Speckle (proportional to the signal)"),
            NoiseType.MIXED: _("Mixed or unknown"),
        }[self]


class Frames(enum.Enum):
    """What of a sequence is denoised. Scenes store the member's name: renaming one breaks saved scenes."""

    THIS = "this"
    ALL = "all"

    def label(self) -> str:
        return {Frames.THIS: _("This frame"), Frames.ALL: _("All frames")}[self]


class BeforeAfter(enum.Enum):
    """Which of the two was chosen to be seen. Scenes store the member's name: renaming one breaks saved scenes."""

    NEITHER = "neither"
    BEFORE = "before"
    AFTER = "after"


# What "Restore defaults" sets; all else of the parameter node is left by it.
DEFAULTS: dict[str, Any] = {
    "noiseType": NoiseType(DenoiseSettings.noise),
    "estimateSigma": True,
    "sigma": 0.0,
    "iterations": DenoiseSettings.iterations,
    "neighbours": DenoiseSettings.neighbours,
    "refine": DenoiseSettings.refine,
    "slicesAlong": SlicesAlong.ACQUISITION,
    "acrossSlices": True,
}


@parameterNodeWrapper
class NeuralDiffusionParameterNode:
    """What the user chose; saved with the scene.

    An output that is not chosen yet is created on Apply; without a conduction volume no map is stored. What is shown
    follows the slice views while the panel is open, and they follow it when a scene is loaded or the panel reloaded.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    frames: Frames = Frames.THIS
    maskSegmentation: vtkMRMLSegmentationNode
    noiseType: NoiseType = DEFAULTS["noiseType"]
    estimateSigma: bool = DEFAULTS["estimateSigma"]
    sigma: Annotated[float, WithinRange(0, MAX_SIGMA)] = DEFAULTS["sigma"]
    iterations: Annotated[int, WithinRange(1, MAX_ITERATIONS)] = DEFAULTS["iterations"]
    neighbours: Annotated[int, Choice(list(NEIGHBOURHOODS))] = DEFAULTS["neighbours"]
    refine: bool = DEFAULTS["refine"]
    slicesAlong: SlicesAlong = DEFAULTS["slicesAlong"]
    acrossSlices: bool = DEFAULTS["acrossSlices"]
    outputVolume: vtkMRMLScalarVolumeNode
    conductionVolume: vtkMRMLScalarVolumeNode
    conductionOpacity: Annotated[float, WithinRange(0, 1)] = DEFAULT_OPACITY
    colourTable: Annotated[str, Choice(list(COLOUR_TABLES))] = DEFAULT_COLOUR_TABLE
    showLegend: bool = True
    showConduction: bool = False
    showRemoved: bool = False
    beforeAfter: BeforeAfter = BeforeAfter.NEITHER
    sideBySide: bool = False
    referenceVolume: vtkMRMLScalarVolumeNode
    device: str = "auto"

    def settings(self) -> DenoiseSettings:
        """Return what was chosen for the input volume in the form that the logic takes.

        The slice axis is that of `planes.slice_axis`; without an input volume there is none.

        Raises
        ------
        InvalidVolumeError
            If a plane was chosen and the input's IJK to RAS has no inverse.
        """
        volume = self.inputVolume
        return DenoiseSettings(
            noise=self.noiseType.value,
            iterations=self.iterations,
            neighbours=self.neighbours,
            refine=self.refine,
            slice_axis=None if volume is None else slice_axis(volume, self.slicesAlong),
            # Where it was not switched off, the spacing of the slices decides.
            across_slices=False if self.takesThreePlanes() or not self.acrossSlices else None,
            sigma=None if self.estimateSigma else self.sigma,
        )

    def takesThreePlanes(self) -> bool:
        """Return whether the mean over all three slice axes was chosen, in place of one."""
        return self.slicesAlong is SlicesAlong.THREE_PLANES

    def takesAllFrames(self) -> bool:
        """Return whether all frames were chosen and the input volume shows several."""
        return self.frames is Frames.ALL and self.inputVolume is not None and frames_of(self.inputVolume) > 1

    def keepResultsOfOtherInputs(self) -> None:
        """Choose no outputs in place of those that are results of other volumes: the next run would replace them."""
        for name in ("outputVolume", "conductionVolume"):
            volume = getattr(self, name)
            if volume is not None and not may_be_of(volume, self.inputVolume):
                setattr(self, name, None)

    def letGo(self, node: slicer.vtkMRMLNode) -> None:
        """Choose no mask, output, map or reference in place of one that leaves the scene."""
        for name in ("maskSegmentation", "outputVolume", "conductionVolume", "referenceVolume"):
            if getattr(self, name) is node:
                setattr(self, name, None)

    def restoreDefaults(self) -> None:
        """Set how to denoise back to the defaults, all at once; volumes, device and what is shown stay."""
        with slicer.util.NodeModify(self.parameterNode):
            for name, value in DEFAULTS.items():
                setattr(self, name, value)


def remove_unknown(node: slicer.vtkMRMLScriptedModuleNode) -> list[str]:
    """Take out of a parameter node what this version cannot read, as a scene of another version may hold.

    To be called before the node is wrapped, which fails at such a value, and which writes the default for one that is
    missing.

    Returns
    -------
    list of str
        What the user calls the choices that were taken out.
    """
    hints = get_type_hints(NeuralDiffusionParameterNode, include_extras=True)
    unknown = [name for name, hint in hints.items() if node.HasParameter(name) and not _is_known(node, name, hint)]
    with slicer.util.NodeModify(node):
        for name in unknown:
            node.UnsetParameter(name)
    return [_label(name) for name in unknown]


def _is_known(node: slicer.vtkMRMLScriptedModuleNode, name: str, hint: Any) -> bool:
    kind, *limits = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    text = node.GetParameter(name)
    # Nodes are references; what stands beside them is not read.
    if issubclass(kind, slicer.vtkMRMLNode):
        return True
    if issubclass(kind, enum.Enum):
        return text in kind.__members__
    if kind is bool:
        return text in ("True", "False")
    try:
        value = kind(text)
        for limit in limits:
            limit.validate(value)
    except ValueError:
        return False
    # Slicer's own limits let NaN pass.
    return not isinstance(value, float) or math.isfinite(value)


def _label(name: str) -> str:
    return {
        "frames": _("frames"),
        "noiseType": _("noise type"),
        "estimateSigma": _("estimate of the noise level"),
        "sigma": _("noise level"),
        "iterations": _("iterations"),
        "neighbours": _("neighbourhood"),
        "refine": _("refinement"),
        "slicesAlong": _("slices along"),
        "acrossSlices": _("step across slices"),
        "conductionOpacity": _("opacity of the conduction map"),
        "colourTable": _("colours of the conduction map"),
        "showLegend": _("legend"),
        "showConduction": _("whether the conduction map is shown"),
        "showRemoved": _("whether what was removed is shown"),
        "beforeAfter": _("whether the volume before or after is shown"),
        "sideBySide": _("whether volumes are shown side by side"),
    }[name]
