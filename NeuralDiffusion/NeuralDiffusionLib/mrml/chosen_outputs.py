"""Which outputs were chosen for which input, so that they are chosen again with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

if TYPE_CHECKING:
    from .parameters import NeuralDiffusionParameterNode

_OUTPUTS = ("outputVolume", "conductionVolume")


class ChosenOutputs:
    """Remembers the denoised volume and the conduction map of each input of a scene, by their identifiers."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, str | None]] = {}

    def remember(self, node: NeuralDiffusionParameterNode) -> None:
        """Note what is chosen for the input volume."""
        chosen = {name: getattr(node, name) for name in _OUTPUTS}
        self._of[node.inputVolume.GetID()] = {name: volume and volume.GetID() for name, volume in chosen.items()}

    def recall(self, node: NeuralDiffusionParameterNode) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Choose what was chosen for the input volume before, or else no results of other volumes: a run replaces them.

        Returns
        -------
        vtkMRMLScalarVolumeNode or None
            A conduction map of another volume that was chosen, if none is chosen in its place.
        """
        former, volume = node.conductionVolume, node.inputVolume
        known = self._of.get(volume.GetID())
        for name, chosen in (known or {}).items():
            setattr(node, name, chosen and volume.GetScene().GetNodeByID(chosen))
        node.keepResultsOfOtherInputs()
        return former if known is None and node.conductionVolume is None else None
