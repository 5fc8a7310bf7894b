"""What the user chose, kept in the scene."""

import enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from .mrml_overlay import DEFAULT_OPACITY
from .settings import MAX_ITERATIONS, NEIGHBOURHOODS, DenoiseSettings


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


@parameterNodeWrapper
class NeuralDiffusionParameterNode:
    """What the user chose; saved with the scene.

    An output that is not chosen yet is created on Apply; without a conduction volume no map is stored.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    noiseType: NoiseType = NoiseType(DenoiseSettings.noise)
    iterations: Annotated[int, WithinRange(1, MAX_ITERATIONS)] = DenoiseSettings.iterations
    neighbours: Annotated[int, Choice(list(NEIGHBOURHOODS))] = DenoiseSettings.neighbours
    refine: bool = DenoiseSettings.refine
    outputVolume: vtkMRMLScalarVolumeNode
    conductionVolume: vtkMRMLScalarVolumeNode
    conductionOpacity: Annotated[float, WithinRange(0, 1)] = DEFAULT_OPACITY

    def settings(self) -> DenoiseSettings:
        """Return what was chosen in the form that the logic takes."""
        return DenoiseSettings(
            noise=self.noiseType.value, iterations=self.iterations, neighbours=self.neighbours, refine=self.refine
        )
