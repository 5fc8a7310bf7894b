"""What the user chose, kept in the scene."""

import enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from .mrml_overlay import COLOUR_TABLES, DEFAULT_COLOUR_TABLE, DEFAULT_OPACITY
from .settings import MAX_ITERATIONS, NEIGHBOURHOODS, DenoiseSettings

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


class SlicesAlong(enum.Enum):
    """Direction in which slices are stacked. Scenes store the member's name: renaming one breaks saved scenes."""

    ACQUISITION = "acquisition"
    RIGHT = "right"
    ANTERIOR = "anterior"
    SUPERIOR = "superior"
    THREE_PLANES = "three planes"

    def label(self) -> str:
        return {
            SlicesAlong.ACQUISITION: _("Acquisition plane"),
            SlicesAlong.RIGHT: _("R (sagittal slices)"),
            SlicesAlong.ANTERIOR: _("A (coronal slices)"),
            SlicesAlong.SUPERIOR: _("S (axial slices)"),
            SlicesAlong.THREE_PLANES: _("Average of three planes"),
        }[self]


@parameterNodeWrapper
class NeuralDiffusionParameterNode:
    """What the user chose; saved with the scene.

    An output that is not chosen yet is created on Apply; without a conduction volume no map is stored.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    frames: Frames = Frames.THIS
    maskSegmentation: vtkMRMLSegmentationNode
    noiseType: NoiseType = NoiseType(DenoiseSettings.noise)
    estimateSigma: bool = True
    sigma: Annotated[float, WithinRange(0, MAX_SIGMA)] = 0.0
    iterations: Annotated[int, WithinRange(1, MAX_ITERATIONS)] = DenoiseSettings.iterations
    neighbours: Annotated[int, Choice(list(NEIGHBOURHOODS))] = DenoiseSettings.neighbours
    refine: bool = DenoiseSettings.refine
    slicesAlong: SlicesAlong = SlicesAlong.ACQUISITION
    outputVolume: vtkMRMLScalarVolumeNode
    conductionVolume: vtkMRMLScalarVolumeNode
    conductionOpacity: Annotated[float, WithinRange(0, 1)] = DEFAULT_OPACITY
    colourTable: Annotated[str, Choice(list(COLOUR_TABLES))] = DEFAULT_COLOUR_TABLE
    showLegend: bool = True
    referenceVolume: vtkMRMLScalarVolumeNode
    device: str = "auto"

    def settings(self) -> DenoiseSettings:
        """Return what was chosen in the form that the logic takes."""
        return DenoiseSettings(
            noise=self.noiseType.value,
            iterations=self.iterations,
            neighbours=self.neighbours,
            refine=self.refine,
            sigma=None if self.estimateSigma else self.sigma,
        )
